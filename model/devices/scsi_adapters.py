"""A SCSI disk behind an adapter that is no virtio device: the requests that its section carries.

Each request is announced by a byte above 0 (signed) and holds a command of 16 bytes, a tag and a logical unit; then the
adapter reads what it keeps, then the disk. Where a mutated byte announces a request that is none, whatever follows is
taken for one: the section's own end, the next section. Asked of QEMU 7.2.

The adapters lsi, esp and pvscsi keep nothing of a request in the disk's section.

Model: requests for a known unit whose buffer is in the stream are not followed; the load goes on as if it were empty,
and says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.handler import Effects
from model.errors import Abort, Hang, Killed

if TYPE_CHECKING:
    from model.devices.handler import Handler
    from model.loader import LoadState
    from vmformat import Field, Reader, Refusal

COMMAND: Final = 16
LENGTHS: Final = frozenset({0, 1, 2, 4, 5})
"""Command groups (the upper three bits of an operation code) whose length is known."""
UNIT_ATTENTION: Final = 6
HEARD_ANYWAY: Final = frozenset({0x12, 0xA0, 0x46, 0x4A, 0x03})
TARGET: Final = frozenset({0xA0})

MPT_REQUEST: Final = 48
MPT_ENTRIES: Final = 1 << 24
"""More entries of a list than this are read for longer than anyone waits."""


class AdapterDisk(Effects):
    """A disk or CD-ROM drive behind any adapter but virtio-scsi."""

    vmsd: ClassVar[str] = "scsi-disk"
    fields: ClassVar[frozenset[str]] = frozenset({"type:scsi-requests", "SCSIDevice:unit_attention.key"})

    @staticmethod
    def concerns(handler: Handler) -> bool:
        """Whether the requests of a disk's section are still unknown to its schema."""
        return any("scsi-requests" in {field.type, *_types(field)} for field in handler.schema.fields)

    @property
    def adapter(self) -> str:
        """The kind of the section of the host adapter; empty if there is none."""
        place = self.handler.name.rsplit("/", 2)[0]
        kinds = (h.name[len(place) + 1 :] for h in self.machine.handlers if h.name.startswith(f"{place}/"))
        return next((kind for kind in kinds if "/" not in kind), "")

    def opaque(self, load: LoadState, reader: Reader, field: Field, path: str) -> Refusal | None:
        """Requests until a byte that is not above 0."""
        taken = 0
        while 0 < reader.u8() < 0x80:
            load.step()
            command = reader.take(COMMAND).ljust(COMMAND, b"\0")
            reader.skip(4)
            unit = reader.u32()
            self._adapter_reads(reader, taken)
            if self._is_disk_s(command[0], unit):
                self._disk_reads(load, reader)
            taken += 1
        return None

    def _is_disk_s(self, operation: int, unit: int) -> bool:
        """Whether the disk itself takes the request: not an unknown command, another unit, an attention to be told."""
        own = int(self.handler.name.rsplit("/", 2)[1].rpartition(":")[2])
        attention = any(value == UNIT_ATTENTION for value in self.loaded.values())
        if operation >> 5 not in LENGTHS or unit != own or operation in TARGET:
            return False
        return not attention or operation in HEARD_ANYWAY

    def _adapter_reads(self, reader: Reader, taken: int) -> None:
        kind = self.adapter
        if kind == "megasas":
            raise Killed("SIGSEGV: a request without an adapter's command")
        if kind == "usb-storage" and taken:
            raise Abort("usb_msd_load_request: Assertion `s->req == NULL' failed.")
        if kind == "mptsas":
            reader.skip(MPT_REQUEST)
            entries = reader.u32()
            if entries >> 31:
                raise Abort("mptsas_load_request: Assertion `n >= 0' failed.")
            if entries > MPT_ENTRIES:
                raise Hang
            reader.skip(16 * entries)

    def _disk_reads(self, load: LoadState, reader: Reader) -> None:
        reader.skip(8 + 4)
        if reader.u32():
            load.not_modelled.add("scsi-disk: the buffer of a request")


def _types(field: Field) -> set[str]:
    return set() if field.struct is None else {inner.type for inner in field.struct.fields}
