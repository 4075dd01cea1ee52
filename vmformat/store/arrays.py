"""Arrays that were empty wherever a shape was seen: a description leaves no trace of them, another shape shows them.

Slots of memory hotplug are such an array: a machine without slots has the vmsd around it all the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from vmformat.schema import Schema


def completed(schemas: Iterable[Schema], free: Collection[tuple[str, str]]) -> list[Schema]:
    """The schemas, nested vmsds with each array of `free` (vmsd, field) that one of them has, empty if need be."""
    known = list(schemas)
    richest: dict[tuple[str, int], Schema] = {}
    for schema in known:
        for vmsd in _nested(schema):
            best = richest.setdefault((vmsd.name, vmsd.version), vmsd)
            if len(vmsd.fields) > len(best.fields):
                richest[vmsd.name, vmsd.version] = vmsd
    return [_with(schema, richest, free) for schema in known]


def _nested(schema: Schema) -> Iterator[Schema]:
    for inner in (*(field.struct for field in schema.fields if field.struct is not None), *schema.subsections):
        yield inner
        yield from _nested(inner)


def _with(schema: Schema, richest: Mapping[tuple[str, int], Schema], free: Collection[tuple[str, str]]) -> Schema:
    best = richest.get((schema.name, schema.version), schema)
    own = [field.name for field in schema.fields]
    if len(best.fields) > len(own) and own == [f.name for f in best.fields if (best.name, f.name) not in free]:
        mine = {field.name: field for field in schema.fields}
        schema = replace(schema, fields=tuple(mine.get(f.name) or replace(f, count=0) for f in best.fields))
    fields = tuple(
        field if field.struct is None else replace(field, struct=_with(field.struct, richest, free))
        for field in schema.fields
    )
    subsections = tuple(_with(sub, richest, free) for sub in schema.subsections)
    if fields == schema.fields and subsections == schema.subsections:
        return schema
    return replace(schema, fields=fields, subsections=subsections)
