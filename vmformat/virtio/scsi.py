"""SCSI disks: requests under way are in the disk's section (facts: virtio.md 4.2).

A request is the disk's command, then what the controller keeps of it, then what the disk had got or had still to write.
The last part exists for commands that move blocks, sent to the disk itself while it had no attention to call for.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vmformat.schema import Count, Field, Schema, When
from vmformat.virtio.element import element
from vmformat.virtio.parts import raw, struct

if TYPE_CHECKING:
    from collections.abc import Callable

OPAQUE: Final = "scsi-requests"
"""The wire type of the field in QEMU's own description."""

READS: Final = (0x08, 0x28, 0xA8, 0x88)
WRITES: Final = (0x0A, 0x2A, 0xAA, 0x8A, 0x2E, 0xAE, 0x8E)
VERIFIES: Final = (0x2F, 0xAF, 0x8F)
"""Commands that move blocks, by opcode. A verify that sends blocks along sends them to the disk."""

RETRY: Final = 1
"""What announces a request that begins again from nothing when the machine runs."""

UNIT_ATTENTION: Final = 6


@lru_cache
def virtio_part(*, packed: bool) -> tuple[Field, ...]:
    """What virtio-scsi keeps of a request."""
    return Field("queue", "uint32"), struct("element", element(packed))


MPTSAS_PART: Final = (
    Field("scsi_io", "buffer", 48),
    Field("sg_count", "int32"),
    struct("sg", raw("mptsas-sg", Field("base", "uint64"), Field("length", "uint64")), Count("sg_count")),
)
"""What mptsas1068 keeps of a request: the guest's message, and where its data go."""


@lru_cache
def scsi_requests(kept: tuple[Field, ...], lun: int) -> Schema:
    """One request of a disk with that logical unit number, `kept` being the controller's part of it."""
    moves = When("opcode", among=READS + WRITES + VERIFIES)
    calm = When("unit_attention.key", among=(UNIT_ATTENTION,), invert=True)
    got = (Field("length", "uint32"), Field("data", "buffer", 1, Count("length")))
    blocks = (
        Field("sector", "uint64"),
        Field("sector_count", "uint32"),
        Field("buflen", "uint32"),
        Field("data", "buffer", 1, Count("buflen"), when=When("opcode", among=WRITES + VERIFIES)),
        _if(When("buflen"), "read", _if(When("opcode", among=READS), "begun", _if(_AFRESH, "got", *got))),
    )
    return raw(
        "scsi-request",
        Field("opcode", "uint8"),
        Field("cdb", "buffer", 15),
        Field("tag", "uint32"),
        Field("lun", "uint32"),
        *kept,
        _if(When("lun", among=(lun,)), "own", _if(calm, "calm", _if(moves, "blocks", *blocks))),
    )


_AFRESH: Final = When("@more", among=(RETRY,), invert=True)


def _if(when: When, name: str, *fields: Field) -> Field:
    """Fields that are there under a condition; conditions that must all hold are nested."""
    return Field(name, "struct", when=when, struct=raw(f"scsi-{name}", *fields))


def scsi_disk_schema(schema: Schema, *, kept: tuple[Field, ...] = (), lun: int = 0) -> Schema:
    """QEMU's schema of a SCSI device, its requests taken apart (see `scsi_requests`)."""
    request = scsi_requests(kept, lun)
    return _replaced(schema, lambda field: replace(field, type="repeat int8", size=0, struct=request))


def _replaced(schema: Schema, change: Callable[[Field], Field]) -> Schema:
    fields = []
    for field in schema.fields:
        new = change(field) if field.type == OPAQUE else field
        if new.struct is not None and new is field:
            new = replace(new, struct=_replaced(new.struct, change))
        fields.append(new)
    return replace(schema, fields=tuple(fields))
