"""SCSI disks: requests under way behind a virtio-scsi controller are mapped through it (virtio.md 4.2).

They come in the disk's section, behind the controller's. Other controllers keep nothing of a request.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.handler import Effects
from model.devices.virtio import Virtio
from model.errors import Abort, Exit, Killed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.devices.handler import Handler
    from model.load_state import LoadState
    from model.machine import Machine
    from vmformat import Refusal

REQUEST, RESPONSE = 19 + 32, 12 + 96
"""Bytes of a command and of the answer to it, with the sizes of command and sense that drivers leave as they are."""

ANY_LAYOUT: Final = 1 << 27
SEGMENTS: Final = 1024
IN_SG, OUT_SG = 16400, 32784
INVALID: Final = "invalid SCSI request migration data"

READS: Final = frozenset({0x08, 0x28, 0xA8, 0x88})
WRITES: Final = frozenset({0x0A, 0x2A, 0xAA, 0x8A, 0x2E, 0xAE, 0x8E})
LENGTHS: Final = {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}
"""Bytes of a command by its group; none of the others."""

SENSE, MORE_SENSE = 96, 156
"""Bytes of sense data in the section, and in its subsection."""

SIX_BYTES: Final = frozenset({0x08, 0x0A})
NONE, FROM_DEVICE, TO_DEVICE = "none", "from device", "to device"


class ScsiDisk(Effects):
    """A disk or CD-ROM drive on any SCSI controller."""

    vmsd: ClassVar[str] = "scsi-disk"
    fields: ClassVar[frozenset[str]] = frozenset({
        "qdev.requests[].opcode", "qdev.requests[].cdb", "qdev.requests[].lun", "qdev.requests[].queue",
        "qdev.requests[].element", "qdev.requests[].sg_count",
        "qdev.requests[].own.calm.blocks.read.begun.got.length", "qdev.requests[].own.calm.blocks.buflen",
        "qdev.sense_len", "qdev.SCSIDevice/sense.sense",
    })  # fmt: skip

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.under_way: list[tuple[int, bytes, bytes]] = []

    def reset(self) -> None:
        """Nothing is under way."""
        super().reset()
        self.under_way = []

    def field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """Checks of a request in wire order; all of them end the program."""
        name = path.rsplit(".", 1)[-1]
        self.loaded[name] = value
        if name == "queue":
            if self.number("queue") >= self._controller().entry.num_queues:
                raise Abort("virtio_scsi_load_request: Assertion `n < vs->conf.num_queues' failed.")
        elif name == "element" and isinstance(value, bytes):
            controller = self._controller()
            controller.requests.element(load, value)
            self._parse(value, controller.features)
            self.under_way[-1] = (*self.under_way[-1][:2], value)
        elif name == "cdb" and isinstance(value, bytes):
            self.under_way.append((self.number("opcode"), value, b""))
        elif name == "lun" and len(self.under_way) > 1 and self._is_behind("usb-storage"):
            raise Abort("usb_msd_load_request: Assertion `s->req == NULL' failed.")
        elif name == "lun" and self._is_behind("megasas", "megasas-gen2"):
            raise Killed("SIGSEGV: megasas keeps nothing of a request, and looks for it")
        elif name == "sg_count" and self.number("sg_count") < 0:
            raise Abort("mptsas_load_request: Assertion `n >= 0' failed.")
        elif name == "length" and self.number("length") > self.number("buflen"):
            raise Abort("scsi_disk_load_request: Assertion `r->iov.iov_len <= r->buflen' failed.")
        return None

    def saved(self) -> Mapping[str, int | bytes | None]:
        """Commands as far as they reach, elements without what they do not use, long sense data as it is needed."""
        found: dict[str, int | bytes | None] = {}
        for index, (opcode, cdb, element) in enumerate(self.under_way):
            path = f"qdev.requests[{index}]"
            length = LENGTHS.get(opcode >> 5, 0)
            found[f"{path}.opcode"] = opcode if length else 0
            found[f"{path}.cdb"] = cdb[: max(length - 1, 0)].ljust(len(cdb), b"\0")
            if element:
                found |= dict(self._controller().requests.saved(f"{path}.element", element))
        is_long = self.number("sense_len") > SENSE
        sense = self.loaded.get("sense", (0,) * MORE_SENSE)
        if not isinstance(sense, tuple):
            return found
        for index, byte in enumerate(sense):
            found[f"qdev.SCSIDevice/sense.sense[{index}]"] = byte if is_long else None
        return found

    def _is_behind(self, *kinds: str) -> bool:
        """Whether the controller is of one of these kinds."""
        path = self.handler.name.rsplit("/", 2)[0]
        names = {f"{path}/{kind}" for kind in kinds}
        return any(handler.name in names for handler in self.machine.handlers)

    def _controller(self) -> Virtio:
        path = self.handler.name.rsplit("/", 2)[0]
        for handler in self.machine.handlers:
            if isinstance(handler.effects, Virtio) and handler.name.rpartition("/")[0] == path:
                return handler.effects
        raise AssertionError(f"{self.handler.name}: its schema says that a virtio-scsi is in front of it")

    def _parse(self, element: bytes, features: int) -> None:
        """What the controller makes of an element. Raises Exit where that is nothing, Abort if the disk disagrees."""
        out_num, in_num = struct.unpack_from("<II", element.ljust(12, b"\0"), 4)
        out_sizes, in_sizes = _sizes(element, OUT_SG, out_num), _sizes(element, IN_SG, in_num)
        if sum(out_sizes) < REQUEST or sum(in_sizes) < RESPONSE:
            raise Exit(INVALID)
        request, response = REQUEST, RESPONSE
        if not features & ANY_LAYOUT:
            request, response = out_sizes[0], in_sizes[0]
        sends, gets = sum(out_sizes) > request, sum(in_sizes) > response
        if sends and gets:
            raise Exit(INVALID)
        mode = TO_DEVICE if sends else FROM_DEVICE if gets else NONE
        wanted = self._mode()
        if wanted not in {NONE, mode}:
            raise Abort("virtio_scsi_load_request: Assertion `req->sreq->cmd.mode == req->mode' failed.")

    def _mode(self) -> str:
        """Which way a command moves data.

        Model: known of those that read and write blocks; any other is taken to fit.
        """
        opcode, cdb = self.number("opcode"), self.loaded.get("cdb", b"")
        if opcode not in READS | WRITES or not isinstance(cdb, bytes):
            return NONE
        long = opcode in {0x88, 0x8A, 0x8E}
        start, end = (9, 13) if long else (5, 9) if opcode & 0xE0 == 0xA0 else (6, 8)
        if opcode not in SIX_BYTES and not any(cdb[start:end]):
            return NONE
        return FROM_DEVICE if opcode in READS else TO_DEVICE


def _sizes(element: bytes, at: int, number: int) -> list[int]:
    whole = element.ljust(at + 16 * SEGMENTS, b"\0")
    return [struct.unpack_from("<Q", whole, at + 16 * index + 8)[0] for index in range(number)]
