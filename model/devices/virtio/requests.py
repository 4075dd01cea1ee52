"""Requests that were under way when the source stopped: each of their segments is mapped while the section loads.

Source: virtio.md 4.1. The program has one bounce buffer for targets that are not RAM, of a page; a second target that
needs it while the first holds it cannot be mapped, and a device's load that cannot map exits on the spot.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from model.errors import Abort, Exit
from model.memory import address_space_map

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.devices.virtio.device import Virtio
    from model.load_state import LoadState
    from model.memory import Mapping

SEGMENTS: Final = 1024
IN_ADDR, OUT_ADDR, IN_SG, OUT_SG = 16, 8208, 16400, 32784
READER: Final = "virtqueue_map_iovec"


class Requests:
    """The requests of one device."""

    def __init__(self, device: Virtio) -> None:
        self.device = device
        self.mapped: list[str] = []
        self.headers: list[tuple[str, int]] = []

    def reset(self) -> None:
        """None."""
        self.mapped = []
        self.headers = []

    def element(self, load: LoadState, data: bytes) -> None:
        """Map the segments of one element, those the device writes first. Raises Abort or Exit."""
        data = data.ljust(OUT_SG + 16 * SEGMENTS, b"\0")
        out_num, in_num = struct.unpack_from("<II", data, 4)
        if in_num > SEGMENTS:
            raise Abort("qemu_get_virtqueue_element: Assertion `ARRAY_SIZE(data.in_addr) >= data.in_num' failed.")
        if out_num > SEGMENTS:
            raise Abort("qemu_get_virtqueue_element: Assertion `ARRAY_SIZE(data.out_addr) >= data.out_num' failed.")
        for number, addresses, lengths, write in ((in_num, IN_ADDR, IN_SG, True), (out_num, OUT_ADDR, OUT_SG, False)):
            for segment in range(number):
                (address,) = struct.unpack_from("<Q", data, addresses + 8 * segment)
                (length,) = struct.unpack_from("<Q", data, lengths + 16 * segment + 8)
                self._map(load, address, length, write=write, header=not write and segment == 0)

    def _map(self, load: LoadState, address: int, length: int, *, write: bool, header: bool) -> None:
        load.step()
        machine, device = load.machine, self.device
        if length == 0:
            raise Exit("virtio: error trying to map MMIO memory")
        mapping = address_space_map(device.memory, device.space, address, length, write, READER)
        if not mapping.direct:
            if machine.bounce_in_use:
                load.guest_can_cause = True  # a driver put the buffer there
                raise Exit("virtio: error trying to map MMIO memory")
            machine.bounce_in_use = True
        if mapping.length < length:
            load.guest_can_cause = True
            raise Exit("virtio: unexpected memory split")
        if header and mapping.direct and mapping.region is not None:
            self.headers.append((mapping.region.block, mapping.xlat))
        self.note(mapping)

    def note(self, mapping: Mapping) -> None:
        """Remember where guest memory was found."""
        where = mapping.region.key if mapping.region is not None else "unmapped"
        self.mapped.append(f"{where}+{mapping.xlat:#x}:{mapping.length:#x}" + ("" if mapping.direct else " bounced"))

    def saved(self, path: str, data: bytes) -> Iterator[tuple[str, int]]:
        """How an element is saved again: what it does not use is zero, and where the host had it in memory."""
        data = data.ljust(OUT_SG + 16 * SEGMENTS, b"\0")
        out_num, in_num = struct.unpack_from("<II", data, 4)
        for number, addresses, lengths, names in (
            (in_num, IN_ADDR, IN_SG, ("in_addr", "in_sg")),
            (out_num, OUT_ADDR, OUT_SG, ("out_addr", "out_sg")),
        ):
            for segment in range(SEGMENTS):
                used = segment < number
                address = struct.unpack_from("<Q", data, addresses + 8 * segment)[0] if used else 0
                length = struct.unpack_from("<Q", data, lengths + 16 * segment + 8)[0] if used else 0
                yield f"{path}.{names[0]}[{segment}]", address
                yield f"{path}.{names[1]}[{2 * segment}]", 0
                yield f"{path}.{names[1]}[{2 * segment + 1}]", length
        yield from zip(
            (f"{path}.{name}" for name in ("index", "out_num", "in_num")), struct.unpack_from("<3I", data), strict=True
        )

    def derived(self) -> tuple[tuple[str, str], ...]:
        """For the outcome."""
        return tuple((f"request segment {index}", where) for index, where in enumerate(self.mapped))
