"""A section's schema as it was before a fix: some of its fields otherwise, or not there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat import Field, Schema


def revised(schema: Schema, vmsd: str, name: str, **changes: Any) -> Schema:
    """The schema with other attributes of the fields of that name in the vmsds of that name, wherever they stand."""
    return _walk(schema, vmsd, name, changes)


def without(schema: Schema, vmsd: str, name: str) -> Schema:
    """The schema without these fields."""
    return _walk(schema, vmsd, name, None)


def _walk(schema: Schema, vmsd: str, name: str, changes: dict[str, Any] | None) -> Schema:
    fields = tuple(_fields(schema, vmsd, name, changes))
    subsections = tuple(_walk(sub, vmsd, name, changes) for sub in schema.subsections)
    return replace(schema, fields=fields, subsections=subsections)


def _fields(schema: Schema, vmsd: str, name: str, changes: dict[str, Any] | None) -> Iterator[Field]:
    for field in schema.fields:
        if field.struct is not None:
            yield replace(field, struct=_walk(field.struct, vmsd, name, changes))
        elif (schema.name, field.name) != (vmsd, name):
            yield field
        elif changes is not None:
            yield replace(field, **changes)
