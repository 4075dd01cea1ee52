"""What a reader of descriptions trips over (facts: stream.md 3.1, 3.3, 3.5): literal bytes and the JSON beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from vmformat import Kind, Section, encode
from vmformat.reading.guess import refine
from vmformat.tree import decode_tolerant
from vmformat.vmdescription import parse

if TYPE_CHECKING:
    from vmformat import Schema


def field(name: str, type_: str, size: int, **more: object) -> dict[str, Any]:
    return {"name": name, "type": type_, **more, "size": size}


def vmsd(name: str, *fields: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"vmsd_name": name, "version": 1, "fields": list(fields), **more}


def struct(name: str, size: int, inner: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"name": name, **more, "type": "struct", "struct": inner, "size": size}


def described(*fields: dict[str, Any], **more: object) -> str:
    device = {"name": "d", "instance_id": 0, **vmsd("d", *fields), **more}
    return json.dumps({"page_size": 4096, "devices": [device]})


X = field("x", "uint8", 1)
PAIR = vmsd("pair", X, field("y", "uint16", 2))

# Keys that repeat, as QEMU writes lists of several elements: no Python object is that.
ELEMENT = '"vmsd_name": "e", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}], '
WITH_SUB = (
    '"vmsd_name": "e", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}], '
    '"subsections": [{"vmsd_name": "e/s", "version": 1, "fields": [{"name": "z", "type": "uint8", "size": 1}]}], '
)


def listed(type_: str, size: int, *elements: str) -> str:
    text = described(field("q", type_, size))
    return text.replace(f'"type": "{type_}", ', f'"type": "{type_}", ' + "".join(elements))


KEY = '"vmsd_name": "k", "version": 1, "fields": [{"name": "a", "type": "uint16", "size": 2}], '
SUB = vmsd("e/s", field("z", "uint8", 1))
SUB_BYTES = "05 03 652f73 00000001"

TRAPS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # 3.1, type by type
    "bool: any byte": (described(field("b", "bool", 1)), "02", {"b": 2}),
    "integers": (
        described(*(field(t, t, s) for t, s in (("int8", 1), ("int16", 2), ("int32", 4), ("int64", 8)))),
        "ff fffe fffffffd fffffffffffffffc",
        {"int8": -1, "int16": -2, "int32": -3, "int64": -4},
    ),
    "unsigned integers": (
        described(*(field(t, t, s) for t, s in (("uint8", 1), ("uint16", 2), ("uint32", 4), ("uint64", 8)))),
        "ff fffe fffffffd fffffffffffffffc",
        {"uint8": 0xFF, "uint16": 0xFFFE, "uint32": 0xFFFFFFFD, "uint64": 0xFFFFFFFFFFFFFFFC},
    ),
    "what must be equal": (
        described(*(field(t, t, s) for t, s in (("uint8 equal", 1), ("uint16 equal", 2), ("int32 equal", 4)))),
        "ff fffe fffffffd",
        {"uint8 equal": 0xFF, "uint16 equal": 0xFFFE, "int32 equal": -3},
    ),
    "int64 equal is unsigned": (described(field("e", "int64 equal", 8)), "ff" * 8, {"e": (1 << 64) - 1}),
    "int32 le is big-endian": (described(field("e", "int32 le", 4)), "00000102", {"e": 0x102}),
    "CPU_Double_U: the upper half first": (
        described(field("d", "CPU_Double_U", 8)),
        "3ff00000 00000001",
        {"d": 0x3FF00000_00000001},
    ),
    "timer that is not pending": (described(field("t", "timer", 8)), "ff" * 8, {"t": -1}),
    "bitmap: its size is in bytes": (
        described(field("m", "bitmap", 8)),
        "00000000 00000005",
        {"m": bytes(7) + b"\5"},
    ),
    "unused bytes": (described(field("u", "unused_buffer", 3), X), "000102 07", {"u": b"\0\1\2", "x": 7}),
    "tmp has fields without a struct": (
        described({**field("f", "tmp", 1), **vmsd("f-tmp", X)}, X),
        "05 06",
        {"f": {"x": 5}, "x": 6},
    ),
    "vstruct has them too": (
        described({**field("v", "vstruct", 1), **vmsd("v", X), "version": 3}, X),
        "05 06",
        {"v": {"x": 5}, "x": 6},
    ),
    "interrupt levels": (
        described(field("i", "pci irq state", 16)),
        "00000000 00000001 00000000 00000001",
        {"i": (0, 1, 0, 1)},
    ),
    "opaque types go by their size": (
        described(field("o", "virtio-of-tomorrow", 3), field("c", "capability", 1), X),
        "010203 04 05",
        {"o": b"\1\2\3", "c": b"\4", "x": 5},
    ),
    "info without a name": (described(field("o", "unknown", 2), X), "0102 05", {"o": b"\1\2", "x": 5}),
    # lists
    "an empty list has no description": (described(field("q", "qtailq", 1), X), "00 09", {"q": [], "x": 9}),
    "list elements repeat their keys in one object": (
        listed("qtailq", 7, ELEMENT, ELEMENT, ELEMENT),
        "01 05 01 06 01 07 00",
        {"q": [{"x": 5}, {"x": 6}, {"x": 7}]},
    ),
    "only the second element of a list has a subsection": (
        listed("qlist", 14, ELEMENT, WITH_SUB),
        f"01 05 01 06 {SUB_BYTES} 09 00",
        {"q": [{"x": 5}, {"x": 6, "e/s": {"@version": 1, "z": 9}}]},
    ),
    # gtrees
    "a gtree of keys that are numbers": (
        listed("gtree", 25, ELEMENT, ELEMENT),
        "00000002 01 0000000000000001 05 01 0000000000000002 06 00",
        {"q": [{"key": 1, "value": {"x": 5}}, {"key": 2, "value": {"x": 6}}]},
    ),
    "a gtree of keys with a description": (
        listed("gtree", 13, KEY, ELEMENT, KEY, ELEMENT),
        "00000002 01 0001 05 01 0002 06 00",
        {"q": [{"key": {"a": 1}, "value": {"x": 5}}, {"key": {"a": 2}, "value": {"x": 6}}]},
    ),
    "a gtree whose insides cannot be told goes by its size": (
        described(field("q", "gtree", 5), X),
        "00000000 00 07",
        {"q": bytes(5), "x": 7},
    ),
    "a gtree that is not of the size of what it describes": (
        listed("gtree", 6, ELEMENT),
        "00000001 07 00",
        {"q": b"\0\0\0\1\7\0"},
    ),
    # arrays of pointers
    "a null pointer calls itself uint64 of size 1": (
        described(field("p", "uint64", 1), X),
        "30 07",
        {"p": 0x30, "x": 7},
    ),
    "a null pointer in newer QEMU": (described(field("p", "nullptr", 1), X), "30 07", {"p": 0x30, "x": 7}),
    "a null pointer to a struct": (described(struct("p", 1, {}), X), "30 07", {"p": 0x30, "x": 7}),
    "a first element that is null stands for all": (
        described(struct("p", 1, {}, array_len=3), X),
        "30 30 30 07",
        {"p": (0x30, 0x30, 0x30), "x": 7},
    ),
    "null pointers in the middle of an array": (
        described(struct("p", 3, PAIR, array_len=4), X),
        "01 0002 30 03 0004 30 07",
        {"p": [{"x": 1, "y": 2}, 0x30, {"x": 3, "y": 4}, 0x30], "x": 7},
    ),
    "runs of null pointers in newer QEMU": (
        described(struct("p", 3, PAIR, array_len=2), field("p", "nullptr", 1, array_len=2), struct("p", 3, PAIR), X),
        "01 0002 03 0004 30 30 05 0006 07",
        {
            "p[0..1]": [{"x": 1, "y": 2}, {"x": 3, "y": 4}],
            "p[2..3]": (0x30, 0x30),
            "p[4]": {"x": 5, "y": 6},
            "x": 7,
        },
    ),
    "runs of null pointers described one by one": (
        described(
            struct("p", 1, {}, index=0) | {"type": "nullptr"},
            field("p", "nullptr", 1, index=1),
            struct("p", 3, PAIR),
        ),
        "30 30 05 0006",
        {"p[0]": 0x30, "p[1]": 0x30, "p[2]": {"x": 5, "y": 6}},
    ),
    # arrays of elements that differ
    "elements of an array with arrays of different lengths in them": (
        described(
            struct("a", 6, vmsd("e", field("n", "uint16", 2), field("v", "uint16", 2, array_len=2)), array_len=3), X
        ),
        "0002 0001 0002 0000 0003 0005 0006 0007 09",
        {"a": [{"n": 2, "v": (1, 2)}, {"n": 0, "v": ()}, {"n": 3, "v": (5, 6, 7)}], "x": 9},
    ),
    "the first of which had one element": (
        described(struct("a", 3, vmsd("e", field("n", "uint8", 1), field("v", "uint16", 2)), array_len=2)),
        "01 0001 02 0002 0003",
        {"a": [{"n": 1, "v": (1,)}, {"n": 2, "v": (2, 3)}]},
    ),
    "elements described one by one, one with a subsection": (
        described(
            struct("a", 1, vmsd("e", X), index=0),
            struct("a", 11, vmsd("e", X, subsections=[SUB]), index=1),
            struct("a", 1, vmsd("e", X), index=2),
        ),
        f"01 02 {SUB_BYTES} 09 03",
        {"a": [{"x": 1}, {"x": 2, "e/s": {"@version": 1, "z": 9}}, {"x": 3}]},
    ),
    # subsections
    "a subsection has no size and is measured by walking": (
        described(X, subsections=[vmsd("d/s", field("v", "uint16", 2, array_len=2), struct("p", 3, PAIR))]),
        "01 05 03 642f73 00000001 0001 0002 03 0004",
        {"x": 1, "d/s": {"@version": 1, "v": (1, 2), "p": {"x": 3, "y": 4}}},
    ),
    "a subsection in a subsection": (
        described(X, subsections=[vmsd("d/s", X, subsections=[vmsd("d/s/t", X)])]),
        "01 05 03 642f73 00000001 02 05 05 642f732f74 00000001 03",
        {"x": 1, "d/s": {"@version": 1, "x": 2, "d/s/t": {"@version": 1, "x": 3}}},
    ),
    "subsections behind a struct are the struct's": (
        described(struct("e", 11, vmsd("e", X, subsections=[SUB])), X),
        f"01 {SUB_BYTES} 09 02",
        {"e": {"x": 1, "e/s": {"@version": 1, "z": 9}}, "x": 2},
    ),
    # the whole
    "the configuration comes first in newer QEMU": (
        described(X).replace(
            '"page_size"', '"configuration": ' + json.dumps(vmsd("configuration", X)) + ', "page_size"'
        ),
        "07",
        {"x": 7},
    ),
    "repeated names are numbered among the declarations": (
        described(field("c[1]", "pci config", 4), field("c[3]", "uint8", 1)),
        "01020304 05",
        {"c[1]": b"\1\2\3\4", "c[3]": 5},
    ),
}


def schema_of(text: str) -> Schema:
    return next(iter(parse(text.encode()).values()))


@pytest.mark.parametrize("trap", TRAPS, ids=str)
def test_trap(trap: str) -> None:
    text, payload, values = TRAPS[trap]
    data = bytes.fromhex(payload)
    schema = refine(schema_of(text), data)
    node, faults = decode_tolerant(schema, data)
    assert not faults
    assert node.values() == values
    assert encode(schema, values) == data
    section = Section(Kind.FULL, 1, "d", 0, 1, data, schema_of(text), 1)
    assert section.decoded().values() == values


def test_what_the_source_said_is_not_what_a_changed_payload_is() -> None:
    """Trap 6: the description is of the source's run; a payload that is no longer that is read as far as it goes."""
    node, faults = decode_tolerant(schema_of(described(X, field("y", "uint32", 4), X)), b"\1\2\3")
    assert node.values() == {"x": 1, "@rest": b"\2\3"}
    assert [(fault.offset, fault.path) for fault in faults] == [(1, "y")]
