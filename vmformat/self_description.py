"""The VMDESCRIPTION of sections that were built here: the JSON that a QEMU with these devices would send.

As QEMU writes it (facts: stream.md 3.3): one object for each FULL section, in order; of an array whose elements are
described alike only one, with `array_len`, of any other each with its `index`; nothing for what is not in the bytes;
the elements of a list one after the other in one object, whose keys repeat. What QEMU's own description leaves opaque
(old-style state such as virtio's) is one field of its size. The inverse is `vmdescription.parse`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from vmformat.errors import StreamError
from vmformat.schema import ANNOUNCED, Count
from vmformat.tree import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vmformat.node import Node
    from vmformat.schema import Field, Schema
    from vmformat.section import Section

_PAGE_SIZE: Final = 4096
_INLINE: Final = frozenset({"tmp", "vstruct", "qtailq", "qlist", "gtree"})
_TYPES: Final = {"repeat int8": "scsi-requests", "nullptr": "uint64"}
"""What QEMU calls types of ours."""


def describe_sections(sections: Iterable[Section], page_size: int = _PAGE_SIZE) -> bytes:
    """The JSON text. Sections without a schema, or whose payload is not what it says, are left out."""
    devices = [text for section in sections if (text := _device(section)) is not None]
    return f'{{"page_size": {page_size}, "devices": [{", ".join(devices)}]}}'.encode()


def _device(section: Section) -> str | None:
    schema = section.schema
    if schema is None:
        return None
    try:
        tree = decode(schema, section.payload, 0, section.version)
    except StreamError:
        return None
    head = [("name", json.dumps(section.name)), ("instance_id", str(section.instance))]
    if schema.raw:  # an old-style handler tells its size
        data = _object([("name", '"data"'), ("size", str(tree.size)), ("type", '"buffer"')])
        return _object([*head, ("size", str(tree.size)), ("fields", f"[{data}]")])
    version = min(section.version, schema.version)
    return _object([*head, *_vmsd(schema, tree.children, version)])


def _object(pairs: Iterable[tuple[str, str]]) -> str:
    """An object whose values are JSON already; keys may repeat."""
    return "{" + ", ".join(f'"{key}": {value}' for key, value in pairs) + "}"


def _vmsd(schema: Schema, nodes: Sequence[Node], version: int | None = None) -> list[tuple[str, str]]:
    """What an object says of one vmsd and its bytes."""
    known: dict[str, Field] = {}
    for field in schema.fields:
        known.setdefault(field.name, field)
    fields: list[str] = []
    subs: list[str] = []
    subschemas = {sub.name: sub for sub in schema.subsections}
    for node in nodes:
        if node.type == "subsection":
            sub = subschemas.get(node.name.partition("#")[0])
            if sub is not None:
                subs.append(_object(_vmsd(sub, node.children)))
        elif node.name in known:
            fields += _field(known[node.name], node)
    pairs = [
        ("vmsd_name", json.dumps(schema.name)),
        ("version", str(schema.version if version is None else version)),
        ("fields", f"[{', '.join(fields)}]"),
    ]
    return [*pairs, ("subsections", f"[{', '.join(subs)}]")] if subs else pairs


def _field(field: Field, node: Node) -> Iterator[str]:
    """The objects of one field: one, or one for each element."""
    name = ("name", json.dumps(field.name))
    if field.struct is None or field.struct.raw or field.type not in _INLINE | {"struct"}:
        yield from _leaf(field, node, name)
        return
    if field.count is None:
        yield _object([name, *_nested(field, node)])
        return
    elements = node.children
    if len(elements) > 1 and _compressible(field):
        first = _nested(field, elements[0])
        if _fixed(field.struct) or all(_nested(field, other) == first for other in elements[1:]):
            yield _object([name, ("array_len", str(len(elements))), *first])
            return
    for i, element in enumerate(elements):
        index = [("index", str(i))] if len(elements) > 1 else []
        yield _object([name, *index, *_nested(field, element)])


def _leaf(field: Field, node: Node, name: tuple[str, str]) -> Iterator[str]:
    """Numbers, bytes, and what QEMU does not describe."""
    if field.struct is not None and field.type not in ANNOUNCED:
        kind = ("type", json.dumps(field.struct.name))
    else:
        kind = ("type", json.dumps(_TYPES.get(field.type, field.type)))
    width = field.width
    if field.count is None or not width:
        if field.count is None or node.size:
            yield _object([name, kind, ("size", str(node.size))])
        return
    count = node.size // width
    size = ("size", str(width))
    if count > 1 and field.when is None:
        yield _object([name, ("array_len", str(count)), kind, size])
        return
    for i in range(count):
        yield _object([name, *([("index", str(i))] if count > 1 else []), kind, size])


def _nested(field: Field, node: Node) -> list[tuple[str, str]]:
    """Type, insides and size of one struct or list."""
    assert field.struct is not None
    kind, size = ("type", json.dumps(field.type)), ("size", str(node.size))
    if field.type == "struct":
        return [kind, ("struct", _object(_vmsd(field.struct, node.children))), size]
    if field.type in ANNOUNCED:
        elements = [one for one in node.children if one.name[0] == "["]
        return [kind, *(pair for one in elements for pair in _vmsd(field.struct, one.children)), size]
    version = field.version if field.type == "vstruct" else None
    return [kind, *_vmsd(field.struct, node.children, version), size]


def _compressible(field: Field) -> bool:
    """Whether one description stands for all elements, as QEMU decides it: no conditions, no subsections inside."""
    inner = field.struct
    return field.when is None and (inner is None or (not inner.subsections and all(map(_compressible, inner.fields))))


def _fixed(schema: Schema) -> bool:
    """Whether all elements look alike without a look at each."""
    return all(
        not isinstance(field.count, Count)
        and field.type not in ANNOUNCED
        and field.type not in {"string", "vbuffer"}
        and (field.struct is None or _fixed(field.struct))
        for field in schema.fields
    )
