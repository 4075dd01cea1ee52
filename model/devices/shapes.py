"""Schemas that a captured description gets wrong or leaves open: which fields there are depends on one that is loaded.

A VMDESCRIPTION shows the fields that one run sent, `-dump-vmstate` that a field has a predicate, but not which. Where
the predicate reads a loaded field, the whole vmsd is written down here, keyed by its name and version, with the
predicates as QEMU 7.2 was seen to apply them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vmformat import Count, Field, Schema, When

if TYPE_CHECKING:
    from collections.abc import Mapping

_ESP: Final = "esp.mig_version_id"
_OLD, _NEW = When(_ESP, at_most=4), When(_ESP, at_most=4, invert=True)
_NEWEST: Final = When(_ESP, at_most=5, invert=True)
_FIFOS: Final = frozenset({"fifo", "cmdfifo"})

ESP: Final = (
    Field("rregs", "buffer", 16),
    Field("wregs", "buffer", 16),
    Field("ti_size", "int32"),
    Field("mig_ti_rptr", "uint32", when=_OLD),
    Field("mig_ti_wptr", "uint32", when=_OLD),
    Field("mig_ti_buf", "buffer", 16, when=_OLD),
    Field("status", "uint32"),
    Field("mig_deferred_status", "uint32", when=_OLD),
    Field("mig_deferred_complete", "bool", when=_OLD),
    Field("dma", "uint32"),
    Field("mig_cmdbuf[0]", "buffer", 16, when=_OLD),
    Field("mig_cmdbuf[1]", "buffer", 16, when=_OLD),
    Field("mig_cmdlen", "uint32", when=_OLD),
    Field("do_cmd", "uint32"),
    Field("mig_dma_left", "uint32", when=_OLD),
    Field("data_in_ready", "bool", when=_NEW),
    Field("cmdfifo_cdb_offset", "uint8", when=_NEW),
    Field("fifo", "struct", when=_NEW),
    Field("cmdfifo", "struct", when=_NEW),
    Field("ti_cmd", "uint8", when=_NEW),
    Field("lun", "uint8", when=_NEWEST),
)
"""The fields of `esp` version 6: which of them there are says a field of the vmsd around it."""


_EEPRO100: Final = (
    "i82550", "i82551", "i82557a", "i82557b", "i82557c", "i82558a", "i82558b", "i82559a", "i82559b", "i82559c",
    "i82559er", "i82562", "i82801",
)  # fmt: skip

MINIMUM: Final[Mapping[tuple[str, int], int]] = {
    ("eeprom", 20061113): 20061112,
    **{(name, 3): 2 for name in _EEPRO100},
}
"""Oldest version that a vmsd of a name and version takes, where no dump says so."""

SINCE: Final[Mapping[tuple[str, int, str], int]] = {("eeprom", 20061113, "size[1]"): 20061113}
"""By vmsd name and version and field: since which version there is the field, where no dump says so."""

WHOLE_NAMES: Final = frozenset({"hi16_zmm_reg", "xmm_reg", "ymmh_reg", "zmmh_reg"})
"""Vmsds that no dump has, whose fields bear a number in brackets that is part of the name."""

GONE: Final[Mapping[tuple[str, int], tuple[str, Field]]] = {
    ("ac97", 3): ("mixer_data", Field("unused", "unused_buffer", 3, until=2)),
    ("eeprom", 20061113): ("addrbits", Field("unused", "unused_buffer", 4, until=20061112)),
    ("e1000", 2): ("parent_obj", Field("unused", "unused_buffer", 4, until=1)),
    ("ipmi-interface-kcs", 2): ("atn_irq_set", Field("unused", "unused_buffer", 1, until=1)),
    ("pcnet", 3): ("buffer", Field("unused", "unused_buffer", 4, until=2)),
}
"""By vmsd name and version: a field that only older versions have, behind which one it stands."""

SENSE: Final = (Field("sense", "uint8", count=156),)
"""The fields of `SCSIDevice/sense`: sense data beyond the 96 bytes that the section has."""


SIZED: Final[Mapping[tuple[str, int, str], str]] = {
    ("vmxnet3/mcast_list", 1, "mcast_list"): "mcast_list_buff_size",
}
"""By vmsd name and version and field: the field around it that says how many bytes the buffer has."""


def shaped(schema: Schema) -> Schema:
    """The schema with what is known better here; the same object where nothing is."""
    if schema.name == "SCSIDevice/sense":
        return replace(schema, fields=SENSE)
    fields = _with_gone(schema, tuple(_field(schema, field) for field in schema.fields))
    subsections = tuple(map(shaped, schema.subsections))
    minimum = MINIMUM.get((schema.name, schema.version), schema.minimum)
    if minimum == schema.minimum and _same(fields, schema.fields) and _same(subsections, schema.subsections):
        return schema
    return replace(schema, minimum=minimum, fields=fields, subsections=subsections)


def _with_gone(schema: Schema, fields: tuple[Field, ...]) -> tuple[Field, ...]:
    before, gone = GONE.get((schema.name, schema.version), ("", None))
    at = next((index for index, field in enumerate(fields, 1) if field.name == before), 0)
    return fields if gone is None or not at else (*fields[:at], gone, *fields[at:])


def _field(schema: Schema, field: Field) -> Field:
    inner = field.struct
    if schema.name in WHOLE_NAMES:
        return field if field.label == field.name else replace(field, label=field.name)
    since = SINCE.get((schema.name, schema.version, field.name))
    if since is not None:
        return replace(field, since=since)
    sized = SIZED.get((schema.name, schema.version, field.name))
    if sized is not None:
        return replace(field, type="buffer", size=1, count=Count(sized, unsigned=True))
    if inner is None:
        return field
    if inner.name == "esp" and inner.version == 6 and any(other.name == _ESP for other in schema.fields):
        inner = _esp(inner)
    else:
        inner = shaped(inner)
    return field if inner is field.struct else replace(field, struct=inner)


def _esp(schema: Schema) -> Schema:
    """All fields of all versions; the two queues with the sizes that the captured stream showed."""
    known = {field.name: field.struct for field in schema.fields}
    if not known.keys() >= _FIFOS:
        return schema
    return replace(schema, fields=tuple(replace(f, struct=known[f.name]) if f.name in _FIFOS else f for f in ESP))


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
