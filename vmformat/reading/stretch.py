"""Schemas of another machine than the stream's: arrays whose lengths no field tells have other lengths there.

Slots of memory hotplug and processors of an interrupt controller are such arrays. A payload whose end is known shows
the length: with the array taken out, what is left over must be a number of elements.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vmformat.errors import StreamError
from vmformat.schema import LISTS, NESTED, Field, Schema
from vmformat.tree import end_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_ARRAYS: Final = 32
"""Arrays that are tried."""

_MOST_DEPTH: Final = 8
_MOST_OF_ONE: Final = 64
"""Elements that what was described as a scalar may have."""


def stretched(schema: Schema, payload: bytes, version: int | None = None) -> Schema | None:
    """`schema` with one array of another length, so that it ends where the payload does; None if there is no such.

    An array of one element is described as a scalar, so structs that stand alone are tried too.
    """
    least, most = _bounds(schema)
    if len(payload) < least - most:
        return None  # however short its longest array: many schemas are long, and hostile payloads short
    for number, (without, field) in enumerate(_without_one(schema, 0)):
        if number == _MOST_ARRAYS:
            break
        size = _size(field)
        end = _end(without, payload, version)
        if not size or end is None or end > len(payload) or (len(payload) - end) % size:
            continue
        count = (len(payload) - end) // size
        if field.count is None and count > _MOST_OF_ONE:
            continue
        longer = _with(schema, field, count)
        if _end(longer, payload, version) == len(payload):
            return longer
    return None


def _bounds(schema: Schema) -> tuple[int, int]:
    """The bytes that a payload has at least, and those of them that one array or struct may hold at most."""
    least = most = 0
    for field in schema.fields:
        if field.when is not None or field.since > schema.minimum or field.until is not None:
            continue
        times = 1 if field.count is None else field.count if isinstance(field.count, int) else 0
        size, inside = field.width, 0
        if field.struct is not None:
            size, inside = (1, 0) if field.type in LISTS else _bounds(field.struct)
        least += size * times
        most = max(most, size * times, inside * times)
    return least, most


def _without_one(schema: Schema, depth: int) -> Iterator[tuple[Schema, Field]]:
    """The schema with one array less, and that array, for each of its arrays; those in subsections come first."""
    if depth == _MOST_DEPTH:
        return
    for i, sub in enumerate(schema.subsections):
        for inner, field in _without_one(sub, depth + 1):
            subsections = (*schema.subsections[:i], inner, *schema.subsections[i + 1 :])
            yield replace(schema, subsections=subsections), field
    for i, field in enumerate(schema.fields):
        if (isinstance(field.count, int) or field.type == "struct") and field.when is None:
            yield replace(schema, fields=(*schema.fields[:i], *schema.fields[i + 1 :])), field
        if field.struct is not None:
            for inner, found in _without_one(field.struct, depth + 1):
                changed = replace(field, struct=inner)
                yield replace(schema, fields=(*schema.fields[:i], changed, *schema.fields[i + 1 :])), found


def _with(schema: Schema, field: Field, count: int) -> Schema:
    """The schema with that very field an array of so many elements."""

    def of(one: Field) -> Field:
        if one is field:
            return replace(one, count=count)
        return one if one.struct is None else replace(one, struct=_with(one.struct, field, count))

    fields = tuple(of(one) for one in schema.fields)
    return replace(schema, fields=fields, subsections=tuple(_with(sub, field, count) for sub in schema.subsections))


def _size(field: Field) -> int | None:
    """Bytes of one element, if all have as many."""
    if field.type not in NESTED:
        return field.width or None
    if field.type != "struct" or field.struct is None or field.struct.subsections:
        return None
    total = 0
    for inner in field.struct.fields:
        size = _size(inner)
        if size is None or inner.when is not None or not (inner.count is None or isinstance(inner.count, int)):
            return None
        total += size * (1 if inner.count is None else inner.count)
    return total


def _end(schema: Schema, payload: bytes, version: int | None) -> int | None:
    try:
        return end_of(schema, payload, 0, version)
    except StreamError:
        return None
