from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmformat import Count, Field, Schema, StreamError, When, blank, decode, encode

if TYPE_CHECKING:
    from vmformat.node import Node

PAIR = Schema("pair", 1, 1, (Field("a", "uint8"), Field("b", "uint16")))
SUB = Schema("dev/sub", 1, 1, (Field("x", "uint8"),))
KEYED = Schema("keyed", 1, 1, (Field("key", "uint64"), Field("value", "uint8")))


def one(*fields: Field, **kwargs: Any) -> Schema:
    return Schema("dev", 3, 1, fields, **kwargs)


CASES: dict[str, tuple[Schema, str, Any]] = {
    "nothing": (one(), "", {}),
    "integers are big-endian": (one(Field("a", "uint16"), Field("b", "int32")), "0102 fffffffe", {"a": 258, "b": -2}),
    "host integers are not": (one(Field("a", "le16"), Field("b", "le32")), "0102 01000000", {"a": 0x201, "b": 1}),
    "a bool keeps its byte": (one(Field("a", "bool")), "7f", {"a": 127}),
    "a buffer": (one(Field("a", "buffer", 3)), "616263", {"a": b"abc"}),
    "an array": (one(Field("a", "uint16", count=3)), "0001 0002 ffff", {"a": (1, 2, 65535)}),
    "an array of buffers": (one(Field("a", "buffer", 2, count=2)), "6162 6364", {"a": (b"ab", b"cd")}),
    "interrupt levels": (
        one(Field("a", "pci irq state", 16)),
        "00000000 00000001 00000000 00000000",
        {"a": (0, 1, 0, 0)},
    ),
    "a counted array": (
        one(Field("n", "uint8"), Field("a", "uint16", count=Count("n", 2))),
        "01 0005 0006",
        {"n": 1, "a": (5, 6)},
    ),
    "a negative count is none": (
        one(Field("n", "uint32"), Field("a", "uint16", count=Count("n"))),
        "ffffffff",
        {"n": 0xFFFFFFFF, "a": ()},
    ),
    "a struct": (one(Field("s", "struct", struct=PAIR)), "01 0002", {"s": {"a": 1, "b": 2}}),
    "an array of structs": (
        one(Field("s", "struct", struct=PAIR, count=2)),
        "01 0002 00 0000",
        {"s": [{"a": 1, "b": 2}, {"a": 0, "b": 0}]},
    ),
    "no structs at all": (
        one(Field("n", "uint8"), Field("s", "struct", struct=PAIR, count=Count("n"))),
        "00",
        {"n": 0, "s": []},
    ),
    "a list": (
        one(Field("q", "qtailq", struct=PAIR)),
        "01 01 0002 02 03 0004 00",
        {"q": [{"a": 1, "b": 2}, {"@more": 2, "a": 3, "b": 4}]},
    ),
    "a list that a negative number ends": (one(Field("q", "repeat int8", struct=PAIR)), "80", {"q": [-128]}),
    "an element, and another end": (
        one(Field("q", "repeat int8", struct=PAIR)),
        "02 01 0002 ff",
        {"q": [{"@more": 2, "a": 1, "b": 2}, -1]},
    ),
    "elements announced by name": (
        one(Field("q", "repeat uint32", struct=PAIR)),
        "00010203 01 0002 00000000",
        {"q": [{"@more": 0x10203, "a": 1, "b": 2}]},
    ),
    "what depends on how it was announced": (
        one(Field("q", "repeat", struct=Schema("x", 1, 1, (Field("a", "uint8", when=When("@more", among=(3, 5))),)))),
        "03 07 04 00",
        {"q": [{"@more": 3, "a": 7}, {"@more": 4}]},
    ),
    "an empty list": (one(Field("q", "repeat", struct=PAIR)), "00", {"q": []}),
    "a tree": (
        one(Field("t", "gtree", struct=KEYED)),
        "00000001 01 0000000000000007 08 00",
        {"t": [{"key": 7, "value": 8}]},
    ),
    "strings": (
        one(Field("a", "string"), Field("b", "vbuffer")),
        "02 6869 00000001 21",
        {"a": b"hi", "b": b"!"},
    ),
    "absent by version": (one(Field("a", "uint8"), Field("b", "uint8", since=4)), "01", {"a": 1}),
    "present by condition": (
        one(Field("f", "uint8"), Field("x", "uint8", when=When("f", 4))),
        "04 09",
        {"f": 4, "x": 9},
    ),
    "absent by condition": (one(Field("f", "uint8"), Field("x", "uint8", when=When("f", 4))), "03", {"f": 3}),
    "a count in an earlier struct": (
        one(Field("s", "struct", struct=PAIR), Field("x", "uint8", count=Count("s.a"))),
        "02 0000 0506",
        {"s": {"a": 2, "b": 0}, "x": (5, 6)},
    ),
    "a check takes no bytes": (
        one(Field("a", "uint8"), Field("a in range", "must exist", when=When("a", at_most=2))),
        "01",
        {"a": 1},
    ),
    "a subsection": (
        one(Field("a", "uint8"), subsections=(SUB,)),
        "01 05 07 6465762f737562 00000001 09",
        {"a": 1, "dev/sub": {"@version": 1, "x": 9}},
    ),
    "a subsection twice, of an odd version": (
        one(subsections=(SUB,)),
        "05 07 6465762f737562 00000101 09 05 07 6465762f737562 00000001 0a",
        {"dev/sub": {"@version": 0x101, "x": 9}, "dev/sub#1": {"@version": 1, "x": 10}},
    ),
    "subsections in the middle of an old-style payload": (
        one(Field("", "subsections"), Field("z", "uint8"), subsections=(SUB,), raw=True),
        "05 07 6465762f737562 00000001 09 05",
        {"dev/sub": {"@version": 1, "x": 9}, "z": 5},
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bytes_and_values(case: str) -> None:
    schema, text, values = CASES[case]
    payload = bytes.fromhex(text)
    assert decode(schema, payload).values() == values
    assert encode(schema, values) == payload


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_byte_belongs_to_a_leaf(case: str) -> None:
    schema, text, _ = CASES[case]
    payload = bytes.fromhex(text)
    root = decode(schema, payload, 100)
    leaves = [node for _, node in root.walk() if not node.children]
    assert all(100 <= node.offset <= node.end <= 100 + len(payload) for node in leaves)
    # All but a subsection's marker and name is in some leaf.
    names = sum(2 + len("dev/sub") for path, node in root.walk() if node.type == "subsection")
    assert sum(node.size for node in leaves) + names == len(payload)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_paths_find_their_nodes(case: str) -> None:
    schema, text, _ = CASES[case]
    root = decode(schema, bytes.fromhex(text))
    for path, node in root.walk():
        found = root.find(path)
        assert found is not None
        assert (found.offset, found.size, found.value) == (node.offset, node.size, node.value)
    assert root.find("no such field") is None


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cut_or_prolonged(case: str) -> None:
    schema, text, _ = CASES[case]
    payload = bytes.fromhex(text)
    for cut in [payload[:i] for i in range(len(payload))] + [payload + b"\0\0"]:
        error = failure(schema, cut)
        assert error is None or 0 <= error.offset <= len(cut)


def failure(schema: Schema, payload: bytes) -> StreamError | None:
    """Why it cannot be decoded; what can be is encoded again."""
    try:
        values = decode(schema, payload).values()
    except StreamError as error:
        return error
    assert encode(schema, values) == payload
    return None


BAD_VALUES: dict[str, tuple[Schema, Any, str]] = {
    "missing": (one(Field("a", "uint8")), {}, "(a): expected a value that fits, found no value at all"),
    "unknown": (one(), {"b": 1}, "unknown field 'b'"),
    "too big": (one(Field("a", "uint8")), {"a": 256}, "(a)"),
    "of another type": (one(Field("a", "uint8")), {"a": b"x"}, "(a)"),
    "too short": (one(Field("a", "buffer", 3)), {"a": b"x"}, "1 bytes, not 3"),
    "too few": (one(Field("a", "uint16", count=3)), {"a": (1,)}, "not 3 numbers"),
    "too few structs": (one(Field("s", "struct", struct=PAIR, count=2)), {"s": []}, "(s): expected"),
    "no struct": (one(Field("s", "struct", struct=PAIR)), {"s": 1}, "(s)"),
    "inside": (one(Field("s", "struct", struct=PAIR)), {"s": {"a": 1, "b": -1}}, "(s.b)"),
    "a string too long": (one(Field("a", "string")), {"a": b"x" * 256}, "(a)"),
    "nothing to count by": (one(Field("x", "uint8", count=Count("n"))), {"x": ()}, "an earlier field 'n'"),
    "no dict": (one(Field("a", "uint8")), [1], "no dict of fields but list"),
}


@pytest.mark.parametrize("case", BAD_VALUES, ids=str)
def test_values_that_do_not_fit(case: str) -> None:
    schema, values, text = BAD_VALUES[case]
    with pytest.raises(StreamError) as caught:
        encode(schema, values)
    assert text in str(caught.value)


def test_a_huge_count_takes_no_memory_and_no_time() -> None:
    schema = one(Field("n", "uint32"), Field("a", "uint64", count=Count("n", 16)))
    with pytest.raises(StreamError) as caught:
        decode(schema, b"\x00\xff\xff\xff" + bytes(64))
    assert caught.value.path == "a[8]"
    empty = Schema("empty", 1, 1, ())
    schema = one(Field("n", "uint32"), Field("a", "struct", struct=empty, count=Count("n")))
    assert encode(schema, decode(schema, b"\x7f\xff\xff\xff").values()) == b"\x7f\xff\xff\xff"


def test_blank_values() -> None:
    schema = one(Field("n", "uint8"), Field("s", "struct", struct=PAIR, count=2), Field("q", "qlist", struct=PAIR))
    assert encode(schema, blank(schema)) == bytes(8)


INTEGER_TYPES = st.sampled_from(["uint8", "int16", "uint32", "uint64", "le16", "le64", "timer", "bool"])


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> Schema:
    fields = []
    for i in range(draw(st.integers(0, 4))):
        kinds = ["int", "array", "buffer", "counted", "string", *(["struct", "structs", "list"] if depth else [])]
        name = f"f{i}"
        match draw(st.sampled_from(kinds)):
            case "int":
                fields.append(Field(name, draw(INTEGER_TYPES)))
            case "array":
                fields.append(Field(name, draw(INTEGER_TYPES), count=draw(st.integers(0, 4))))
            case "buffer":
                fields.append(Field(name, "buffer", draw(st.integers(1, 5))))
            case "counted":
                fields += [Field(f"n{i}", "uint8"), Field(name, draw(INTEGER_TYPES), count=Count(f"n{i}"))]
            case "string":
                fields.append(Field(name, draw(st.sampled_from(["string", "vbuffer"]))))
            case "struct":
                fields.append(Field(name, "struct", struct=draw(schemas(depth - 1))))
            case "structs":
                fields.append(Field(name, "struct", struct=draw(schemas(depth - 1)), count=draw(st.integers(0, 3))))
            case _:
                kind = draw(st.sampled_from(["repeat", "repeat int8", "repeat uint32"]))
                fields.append(Field(name, kind, struct=draw(schemas(depth - 1))))
    subs = (Schema("v/s", 2, 1, (Field("x", "uint16"),)),) if draw(st.booleans()) else ()
    return Schema("v", 1, 1, tuple(fields), subs)


@given(schemas(), st.binary(max_size=200))
def test_what_decodes_encodes_to_the_same(schema: Schema, payload: bytes) -> None:
    try:
        root: Node = decode(schema, payload)
    except StreamError:
        return
    assert encode(schema, root.values()) == payload


@given(schemas())
def test_blank_is_a_payload(schema: Schema) -> None:
    payload = encode(schema, blank(schema))
    assert not any(payload)
    assert encode(schema, decode(schema, payload).values()) == payload
