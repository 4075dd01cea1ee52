"""virtio-gpu: resources with the guest memory behind them, and scanouts that show them (virtio.md 4.2).

They come behind the virtio field, when features and rings are done. Each piece of guest memory is mapped, one must be
in the map as it is then; a piece that is not RAM gets the program's one bounce buffer.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.virtio.device import EINVAL, Virtio
from model.errors import Abort
from model.memory import address_space_map
from vmformat import Refusal

if TYPE_CHECKING:
    from model.description import VirtioEntry
    from model.devices.handler import Handler
    from model.devices.virtio.saved import Fields
    from model.load_state import LoadState
    from model.machine import Machine

FORMATS: Final = frozenset({1, 2, 3, 4, 67, 68, 121, 134})
"""Formats of pictures; all have 32 bits a pixel."""

BITS: Final = 32
INT_MAX: Final = 0x7FFF_FFFF
MEMORY: Final = 32 << 30
"""Model: an allocation of so many bytes fails. Where it really does is a matter of the host's memory."""

PIECE: Final = struct.Struct(">QI")
PIECE_IN_MEMORY: Final = 16
READER: Final = "virtio_gpu_load"


class VirtioGpu(Virtio):
    """A graphics card."""

    fields: ClassVar[frozenset[str]] = Virtio.fields | {
        "virtio-gpu.resources", "virtio-gpu.resources[].width", "virtio-gpu.resources[].height",
        "virtio-gpu.resources[].format", "virtio-gpu.resources[].iov_cnt", "virtio-gpu.resources[].iov",
        "virtio-gpu.resources[].rows", "virtio-gpu-one-scanout:resource_id",
    }  # fmt: skip
    post: ClassVar[frozenset[str]] = Virtio.post | {"virtio-gpu-scanouts"}
    in_field: ClassVar[frozenset[str]] = Virtio.in_field | {"virtio-gpu-scanouts"}

    def __init__(self, machine: Machine, handler: Handler, entry: VirtioEntry) -> None:
        super().__init__(machine, handler, entry)
        self._forget()

    def _forget(self) -> None:
        self.resources: dict[int, tuple[dict[str, int], bytes, bytes]] = {}
        self.scanouts: list[int] = []
        self._now: dict[str, int] = {}
        self._iov = b""

    def reset(self) -> None:
        """Pristine: no resource."""
        super().reset()
        self._forget()

    def device_reset(self) -> None:
        """As any device; resources go."""
        super().device_reset()
        self._forget()

    def own_field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """A resource, field by field; its memory is mapped when its picture is read."""
        name = path.rsplit(".", 1)[-1]
        if isinstance(value, bytes):
            if name == "iov":
                self._iov = value
                return None
            return self._map(load, path, value)
        assert isinstance(value, int)
        if name == "resource_id":
            self.scanouts.append(value)
            return None
        if name == "resources":
            self._now, self.scanouts = {"id": value}, []
            return Refusal(EINVAL, (), 0, path) if value in self.resources else None
        self._now[name] = value
        return self._picture(path) if name == "iov_cnt" else None

    def _picture(self, path: str) -> Refusal | None:
        """Whether there can be such a picture; the program asks for memory here."""
        now = self._now
        width, height, pieces = now["width"], now["height"], now["iov_cnt"]
        stride = 4 * width
        fits = now["format"] in FORMATS and (width < INT_MAX // BITS and height <= INT_MAX and height * stride < MEMORY)
        if not fits:
            return Refusal(EINVAL, (), 0, path)
        if PIECE_IN_MEMORY * pieces >= MEMORY:
            raise Abort(f"GLib: failed to allocate {PIECE_IN_MEMORY * pieces} bytes")
        return None

    def _map(self, load: LoadState, path: str, picture: bytes) -> Refusal | None:
        whole = self._iov.ljust(PIECE.size * self._now["iov_cnt"], b"\0")
        bounced = False
        for address, length in PIECE.iter_unpack(whole):
            load.step()
            if length == 0:
                return self._unmapped(path, bounced=bounced)
            mapping = address_space_map(self.memory, self.space, address, length, False, READER)
            if not mapping.direct:
                if self.machine.bounce_in_use:
                    load.guest_can_cause = True
                    return self._unmapped(path, bounced=bounced)
                self.machine.bounce_in_use = bounced = True
            if mapping.length < length:
                load.guest_can_cause = True  # a driver said where the resource lies
                return self._unmapped(path, bounced=bounced)
            self.requests.note(mapping)
        self.resources[self._now["id"]] = self._now, whole, picture
        return None

    def _unmapped(self, path: str, *, bounced: bool) -> Refusal:
        """What had been mapped is given back."""
        if bounced:
            self.machine.bounce_in_use = False
        return Refusal(EINVAL, (), 0, path)

    def own_post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """A scanout shows a resource that must be there."""
        scanouts, self.scanouts = self.scanouts, []
        if any(shown and shown not in self.resources for shown in scanouts):
            return Refusal(EINVAL, (), 0, path)
        return None

    def own_saved(self) -> Fields:
        """The resource that came last is saved first, an image row by row."""
        found: Fields = {}
        for index, (sizes, pieces, picture) in enumerate(reversed(self.resources.values())):
            path = f"virtio-gpu.resources[{index}]"
            found |= {f"{path}.{name}": value for name, value in sizes.items() if name != "id"}
            for number, (address, length) in enumerate(PIECE.iter_unpack(pieces)):
                found |= {f"{path}.iov[{number}].address": address, f"{path}.iov[{number}].length": length}
            stride = 4 * sizes["width"]
            for row in range(sizes["height"] if stride else 0):
                found[f"{path}.rows[{row}].pixels[]"] = picture[row * stride : (row + 1) * stride]
        return found
