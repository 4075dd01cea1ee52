"""What a described array may really have been: a description shows the first element of an array, and no other.

Two kinds of array are not told by that (facts: stream.md 3.5, trap 3): arrays of pointers of which some are null, and
arrays of structs with an array in each whose length differs. Where a payload does not fit what was described, these are
what else it may be; the first that fits to the last byte is believed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vmformat.schema import INTEGERS, Count
from vmformat.tree import decode_partial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.node import Node
    from vmformat.schema import Field, Schema

_MOST: Final = 8
"""So many guesses are made of one payload: each costs a walk over it."""


def variants(schema: Schema, payload: bytes, version: int | None = None) -> Iterator[Schema]:
    """Schemas that were described as this one, likely ones first."""
    if not any(_arrays(schema)):
        return
    yield _nullable(schema)
    tree, _ = decode_partial(schema, payload, 0, version)
    for number, (old, new) in enumerate(_counted(schema, tree)):
        if number == _MOST:
            return
        yield _with(schema, old, new)


def _arrays(schema: Schema) -> Iterator[Field]:
    """The arrays of structs in a schema, at any depth."""
    for field in schema.fields:
        if field.struct is not None:
            if field.type == "struct" and isinstance(field.count, int) and field.count > 1:
                yield field
            yield from _arrays(field.struct)
    for sub in schema.subsections:
        yield from _arrays(sub)


def _nullable(schema: Schema) -> Schema:
    """The same with arrays of structs as arrays of pointers."""

    def changed(field: Field) -> Field:
        if field.struct is None:
            return field
        pointers = field.type == "struct" and isinstance(field.count, int) and field.count > 1
        return replace(field, type="pointers" if pointers else field.type, struct=_nullable(field.struct))

    subs = tuple(map(_nullable, schema.subsections))
    return replace(schema, fields=tuple(map(changed, schema.fields)), subsections=subs)


def _counted(schema: Schema, tree: Node) -> Iterator[tuple[Schema, Schema]]:
    """Elements with an array in them, and the same with its length told by an earlier number that is this length."""
    for child in tree.children:
        name = child.name.partition("#")[0] if child.type == "subsection" else child.name
        if child.type == "subsection":
            for sub in schema.subsections:
                if sub.name == name:
                    yield from _counted(sub, child)
            continue
        field = next((field for field in schema.fields if field.name == name), None)
        if field is None or field.struct is None:
            continue
        if field.type == "struct" and isinstance(field.count, int):
            first = child.find("[0]")
            if first is not None:
                if field.count > 1:
                    yield from ((field.struct, new) for new in _lengths(field.struct, first))
                yield from _counted(field.struct, first)
        elif field.count is None:
            yield from _counted(field.struct, child)


def _lengths(schema: Schema, first: Node) -> Iterator[Schema]:
    numbers: dict[str, int] = {}
    for i, field in enumerate(schema.fields):
        # An array of one looks like no array at all.
        length = 1 if field.count is None else field.count
        if isinstance(length, int) and field.type != "must exist":
            for name, value in numbers.items():
                if value == length:
                    new = replace(field, count=Count(name))
                    yield replace(schema, fields=(*schema.fields[:i], new, *schema.fields[i + 1 :]))
        node = first.find(field.name)
        if field.type in INTEGERS and field.count is None and node is not None and isinstance(node.value, int):
            numbers[field.name] = node.value


def _with(schema: Schema, old: Schema, new: Schema) -> Schema:
    """The schema with one in it replaced."""
    if schema is old:
        return new
    fields = tuple(
        field if field.struct is None else replace(field, struct=_with(field.struct, old, new))
        for field in schema.fields
    )
    return replace(schema, fields=fields, subsections=tuple(_with(sub, old, new) for sub in schema.subsections))
