"""Layouts made from schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat._layout.fixed import Number, Numbers, Raw
from vmformat._layout.layout import Layout
from vmformat._layout.lists import Array, FixedArray, List
from vmformat._layout.pointers import Pointers
from vmformat._layout.steps import Counted, FixedStruct, Struct, Text
from vmformat._layout.subsections import Subsections
from vmformat.errors import StreamError
from vmformat.schema import INTEGERS, LISTS, NESTED, Count

if TYPE_CHECKING:
    from vmformat._layout.fixed import Fixed
    from vmformat._layout.steps import Step
    from vmformat.schema import Field, Schema

DEEPEST: Final = 64
"""Schemas within schemas; real ones have up to eight."""

MOST_FIELDS: Final = 20_000
"""Fields of the schemas whose layouts are kept: a stream may bring any number of schemas of its own."""

_LAYOUTS: Final[dict[tuple[int, int], tuple[Schema, Layout]]] = {}
_FIELDS: Final = [0]
"""How many there are."""


def layout(schema: Schema, version: int | None = None, depth: int = 0) -> Layout:
    """The layout of a schema in one version (default: its own). Made once, kept.

    Raises StreamError if there is none: schemas in schemas without end, a nested type without a struct.
    """
    version = schema.version if version is None else version
    # By identity, the schema kept alive: hashing a large schema costs more than reading with it.
    known = _LAYOUTS.get((id(schema), version))
    return _new_layout(schema, version, depth) if known is None else known[1]


def _new_layout(schema: Schema, version: int, depth: int) -> Layout:
    if depth > DEEPEST:
        raise StreamError(0, schema.name, "less nesting", "too deep a schema")
    tail = Subsections(schema, layout) if schema.subsections and not schema.raw else None
    made = Layout(schema, version, lambda field: _member(field, schema, depth), tail)
    if _FIELDS[0] > MOST_FIELDS:
        forget()
    _FIELDS[0] += 1 + len(schema.fields)
    _LAYOUTS[id(schema), version] = schema, made
    return made


def forget() -> None:
    """Drop what was made: for those who measure what a first read costs."""
    _LAYOUTS.clear()
    _FIELDS[0] = 0


def _member(field: Field, owner: Schema, depth: int) -> Fixed | Step:
    """What reads and writes a field."""
    type_, count = field.type, field.count
    if type_ == "subsections":
        return Subsections(owner, layout)
    if type_ in LISTS:
        return List(field, None if field.struct is None else layout(*_versioned(field), depth + 1))
    if type_ in NESTED:
        inner = layout(*_versioned(field), depth + 1)
        if type_ == "pointers":
            return Pointers(field, inner)
        if count is None:
            return FixedStruct(field, inner) if inner.fixed is not None else Struct(field, inner)
        if isinstance(count, int) and inner.fixed is not None:
            return FixedArray(field, inner, count)
        return Array(field, inner)
    if type_ in {"string", "vbuffer"}:
        return Text(field)
    if isinstance(count, Count):
        return Counted(field)
    if count is not None or type_ == "pci irq state":
        return Numbers(field, 1 if count is None else count)
    return Number(field) if type_ in INTEGERS else Raw(field, field.width)


def _versioned(field: Field) -> tuple[Schema, int]:
    """A field's struct and the version it is loaded with."""
    if field.struct is None:
        raise StreamError(0, field.name, "a struct", "none")
    if field.type in {"tmp", "qtailq", "qlist", "gtree"}:
        return field.struct, field.since
    if field.type == "vstruct" and field.version is not None:
        return field.struct, field.version
    return field.struct, field.struct.version
