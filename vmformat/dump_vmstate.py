"""`qemu -dump-vmstate`: what a QEMU says about the vmsds of its devices, used to complete schemas.

A VMDESCRIPTION shows field types but only what one run sent; `-dump-vmstate` shows minimum versions, field versions,
conditions and every subsection, but neither types nor how counts are found, and only of devices (qdev classes).

Model: fields of a subsection that no stream has shown get their type from their size in memory: 1, 2, 4, 8 bytes an
integer, anything else a buffer. A subsection so guessed is accepted by name, as QEMU accepts it, but a field whose size
on the wire differs (a timer or a list inside) would put the rest of the section out of step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from vmformat.schema import LISTS, NESTED, Field, Schema

Description: TypeAlias = Mapping[str, Any]
"""One "Description" object of the dump."""

_TIMER_SIZE: Final = 48
_GUESSES: Final = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}


def descriptions(dump: Mapping[str, Any]) -> dict[str, list[Description]]:
    """Every description in a dump by vmsd name, subsections and nested ones included; a device's own come first.

    Names are not unique: `serial` is the port, what carries it on an ISA bus, and what carries it in memory.
    """
    tops = [
        device["Description"] for device in dump.values() if isinstance(device, Mapping) and "Description" in device
    ]
    result: dict[str, list[Description]] = {}
    for item in (*tops, *(inner for top in tops for inner in _inside(top))):
        several = result.setdefault(item["name"], [])
        if item not in several:
            several.append(item)
    return result


def _best(schema: Schema, several: Sequence[Description]) -> Description | None:
    """Of the descriptions of one name that which has the schema's version and most of its fields."""

    def fitting(item: Description) -> int:
        return sum(found is not None for found in _matched(schema.fields, item.get("Fields", ())))

    return max((item for item in several if item["version_id"] == schema.version), key=fitting, default=None)


def _inside(description: Description) -> Iterator[Description]:
    for field in description.get("Fields", ()):
        if "Description" in field:
            yield field["Description"]
            yield from _inside(field["Description"])
    for sub in description.get("Subsections", ()):
        yield sub
        yield from _inside(sub)


def merge_all(schemas: Mapping[tuple[str, int], Schema], dump: Mapping[str, Any]) -> dict[tuple[str, int], Schema]:
    """`merge_dump` for every section whose vmsd, or a nested one, the dump knows."""
    known = descriptions(dump)
    done: dict[Schema, Schema] = {}
    result = {}
    for key, schema in schemas.items():
        if schema not in done:
            done[schema] = merge_dump(schema, _best(schema, known.get(schema.name, ())), known)
        result[key] = done[schema]
    return result


def merge_dump(
    schema: Schema, description: Description | None, known: Mapping[str, Sequence[Description]] = {}
) -> Schema:
    """The schema with minimum version, field versions and labels of the description, and its unseen subsections.

    `known` helps where nested vmsds are not described in place. A description of another name or version is not used.
    """
    fields = schema.fields
    if description is None or description["name"] != schema.name or description["version_id"] != schema.version:
        description = None
    told = _matched(fields, description["Fields"] if description and "Fields" in description else ())
    merged = tuple(_merge_field(field, item, known) for field, item in zip(fields, told, strict=True))
    subs = {sub["name"]: sub for sub in (description or {}).get("Subsections", ())}
    subsections = [
        merge_dump(sub, subs.pop(sub.name, None) or _best(sub, known.get(sub.name, ())), known)
        for sub in schema.subsections
    ]
    subsections += [guessed(sub) for sub in subs.values()]
    minimum = description["minimum_version_id"] if description else schema.minimum
    return replace(schema, minimum=minimum, fields=merged, subsections=tuple(subsections))


def _matched(fields: Sequence[Field], items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | None]:
    """For each field what the dump says of it: by name, or the k-th of several of one name for `name[k]`."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for item in items:
        by_name.setdefault(item["field"], []).append(item)
    result: list[Mapping[str, Any] | None] = []
    for field in fields:
        found = by_name.get(field.name)
        if found is None and field.name.endswith("]"):
            base, _, ordinal = field.name[:-1].rpartition("[")
            several = by_name.get(base, [])
            if ordinal.isdigit() and int(ordinal) < len(several):
                found = several[int(ordinal) :]
            elif several:  # an element of an array that was described one by one
                found = several
        result.append(found[0] if found else None)
    return result


def _merge_field(field: Field, item: Mapping[str, Any] | None, known: Mapping[str, Sequence[Description]]) -> Field:
    nested = item.get("Description") if item is not None else None
    if field.struct is not None:
        inner = field.struct
        field = replace(field, struct=merge_dump(inner, nested or _best(inner, known.get(inner.name, ())), known))
    elif nested is not None and field.type in LISTS:
        field = replace(field, struct=guessed(nested))
    if item is None:
        return field
    if item["field"] == field.name and field.label is None and field.name != field.plain_name:
        field = replace(field, label=field.name)
    since = 0 if item["field_exists"] and field.type not in NESTED - {"struct", "vstruct"} else item["version_id"]
    return replace(field, since=since)


def guessed(description: Description) -> Schema:
    """A vmsd that no stream has shown."""
    fields = []
    seen: dict[str, int] = {}
    for item in description.get("Fields", ()):
        name = item["field"]
        k = seen[name] = seen.get(name, -1) + 1
        unique = f"{name}[{k}]" if k else name
        since = 0 if item["field_exists"] else item["version_id"]
        count, size = item.get("num"), item["size"]
        if "Description" in item:
            field = Field(unique, "struct", count=count, since=since, struct=guessed(item["Description"]))
        elif size in _GUESSES:
            field = Field(unique, _GUESSES[size], count=count, since=since)
        elif size == _TIMER_SIZE and "timer" in name:
            field = Field(unique, "timer", count=count, since=since)
        else:
            field = Field(unique, "buffer", size, count, since)
        fields.append(field)
    subsections = tuple(guessed(sub) for sub in description.get("Subsections", ()))
    name, version, minimum = description["name"], description["version_id"], description["minimum_version_id"]
    return Schema(name, version, minimum, tuple(fields), subsections)
