"""Payloads that do not fit their schema: what was read before the fault, the fault, the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_vmformat_tree import CASES, PAIR, SUB, one

from vmformat import Count, Field, Schema, StreamError, When, decode, encode
from vmformat.tree import decode_partial, decode_tolerant

LIST = Schema("list", 1, 1, (Field("k", "uint8"), Field("v", "uint16")))

PARTIAL: dict[str, tuple[Schema, str, object, tuple[int, str] | None]] = {
    # payload, values of the partial tree, where the fault is (offset within the payload, path)
    "nothing wrong": (one(Field("a", "uint8")), "07", {"a": 7}, None),
    "cut off within a number": (
        one(Field("a", "uint8"), Field("b", "uint32")),
        "07 0001",
        {"a": 7, "@rest": b"\0\1"},
        (1, "b"),
    ),
    "cut off between fields": (one(Field("a", "uint8"), Field("b", "uint8")), "07", {"a": 7}, (1, "b")),
    "nothing at all": (one(Field("a", "uint8")), "", {}, (0, "a")),
    "bytes behind the last field": (one(Field("a", "uint8")), "07 0809", {"a": 7, "@rest": b"\x08\x09"}, (1, "dev")),
    "cut off within a struct": (
        one(Field("s", "struct", struct=PAIR)),
        "01 02",
        {"s": {"a": 1}, "@rest": b"\2"},
        (1, "s.b"),
    ),
    "cut off within an array": (
        one(Field("a", "uint16", count=3)),
        "0001 0002 03",
        {"a": (1, 2), "@rest": b"\3"},
        (4, "a[2]"),
    ),
    "cut off within an array of buffers": (
        one(Field("a", "buffer", 2, count=2)),
        "6162 63",
        {"a": (b"ab",), "@rest": b"c"},
        (2, "a[1]"),
    ),
    "cut off within an array of structs": (
        one(Field("s", "struct", struct=PAIR, count=2)),
        "01 0002 03 04",
        {"s": [{"a": 1, "b": 2}, {"a": 3}], "@rest": b"\4"},
        (4, "s[1].b"),
    ),
    "a count larger than what follows": (
        one(Field("n", "uint32"), Field("s", "struct", struct=PAIR, count=Count("n"))),
        "7fffffff 01 0002",
        {"n": 0x7FFFFFFF, "s": [{"a": 1, "b": 2}]},
        (7, "s[1].a"),
    ),
    "cut off within a list": (
        one(Field("q", "qtailq", struct=LIST)),
        "01 05 0006 01 07",
        {"q": [{"k": 5, "v": 6}, {"k": 7}]},
        (6, "q[1].v"),
    ),
    "a list without an end": (
        one(Field("q", "qtailq", struct=LIST)),
        "01 05 0006",
        {"q": [{"k": 5, "v": 6}]},
        (4, "q[1]"),
    ),
    "a list of unknown elements": (one(Field("q", "qtailq")), "01 05", {"q": {}, "@rest": b"\1\5"}, (0, "q[0]")),
    "cut off within a subsection": (
        one(Field("a", "uint8"), subsections=(SUB,)),
        "01 05 07 6465762f737562 00000001",
        {"a": 1, "dev/sub": {"@version": 1}},
        (14, "dev/sub.x"),
    ),
    "cut off within a subsection's version": (
        one(Field("a", "uint8"), subsections=(SUB,)),
        "01 05 07 6465762f737562 0000",
        {"a": 1, "@rest": b"\5\7dev/sub\0\0"},
        (1, "dev/sub@version"),
    ),
    "a string longer than what follows": (
        one(Field("s", "string")),
        "05 6869",
        {"@rest": b"\5hi"},
        (0, "s"),
    ),
}


@pytest.mark.parametrize("case", PARTIAL, ids=str)
def test_what_was_read_and_where_it_ended(case: str) -> None:
    schema, text, values, where = PARTIAL[case]
    payload = bytes.fromhex(text)
    node, fault = decode_partial(schema, payload, 100)
    assert (None if fault is None else (fault.offset - 100, fault.path)) == where
    found = node.values()
    assert isinstance(found, dict)
    assert isinstance(values, dict)
    assert {name: value for name, value in found.items() if value != {}} == {
        name: value for name, value in values.items() if value != {}
    }
    if fault is None:
        assert decode(schema, payload, 100) == node
    else:
        with pytest.raises(StreamError) as raised:
            decode(schema, payload, 100)
        assert raised.value.fault == fault


@pytest.mark.parametrize("case", CASES, ids=str)
@given(data=st.data())
def test_whatever_the_payload_the_pieces_cover_it(case: str, data: st.DataObject) -> None:
    schema, text, _ = CASES[case]
    whole = bytearray.fromhex(text)
    cut = data.draw(st.integers(0, len(whole)))
    payload = bytes(whole[:cut]) + data.draw(st.binary(max_size=4))
    node, fault = decode_partial(schema, payload, 100)
    assert (node.offset, node.size) == (100, len(payload))
    rest = node.find("@rest")
    covered = fault.offset - 100 if fault is not None else len(payload)
    assert (b"" if rest is None else rest.value) == payload[covered:]
    for _, inner in node.walk():
        assert 100 <= inner.offset <= inner.end <= 100 + len(payload)


MUST = Field("n <= 2", "must exist", when=When("n", at_most=2))
NEWER = Schema("dev/sub", 3, 2, (Field("x", "uint8"),))
MAPPING = Schema("m", 1, 1, (Field("key", "uint64"), Field("value", "uint8")))

LIES: dict[str, tuple[Schema, str, list[tuple[int, str, str, str]]]] = {
    # payload, (offset within the payload, path, expected, found): none of these ends the reading
    "a bool may be any byte": (one(Field("b", "bool")), "7f", []),
    "a condition that must hold": (
        one(Field("a", "uint8"), Field("n", "uint8"), MUST, Field("z", "uint8")),
        "00 03 00",
        [(1, "n", "n <= 2", "3")],
    ),
    "a condition that holds": (one(Field("n", "uint8"), MUST), "02", []),
    "a condition within a struct": (
        one(Field("s", "struct", struct=Schema("s", 1, 1, (Field("n", "uint8"), MUST)), count=2)),
        "02 09",
        [(1, "s[1].n", "n <= 2", "9")],
    ),
    "an interrupt level": (
        one(Field("i", "pci irq state", 16)),
        "00000000 00000001 00000002 80000000",
        [
            (8, "i[2]", "an interrupt line's level, 0 or 1", "2"),
            (12, "i[3]", "an interrupt line's level, 0 or 1", "2147483648"),
        ],
    ),
    "a number below 0": (
        one(Field("a", "int32 le"), Field("b", "int32 le", count=2)),
        "80000000 00000001 ffffffff",
        [(0, "a", "a number of at least 0", "-2147483648"), (8, "b[1]", "a number of at least 0", "-1")],
    ),
    "a null pointer without its mark": (
        one(Field("p", "nullptr"), Field("q", "nullptr", count=2)),
        "00 30 31",
        [(0, "p", "the mark of a null pointer, 0x30", "0x0"), (2, "q[1]", "the mark of a null pointer, 0x30", "0x31")],
    ),
    "a subsection of a version to come": (
        one(subsections=(NEWER,)),
        "05 07 6465762f737562 00000004 09",
        [(9, "dev/sub@version", "a version of 2 to 3", "4")],
    ),
    "a subsection of a version long gone": (
        one(subsections=(NEWER,)),
        "05 07 6465762f737562 00000001 09",
        [(9, "dev/sub@version", "a version of 2 to 3", "1")],
    ),
    "only the low 8 bits of a version count": (one(subsections=(NEWER,)), "05 07 6465762f737562 00000103 09", []),
    "a tree of another number of elements": (
        one(Field("t", "gtree", struct=MAPPING)),
        "00000002 01 0000000000000007 08 00",
        [(0, "t@count", "1, the number of elements", "2")],
    ),
    "lies in a list": (
        one(Field("q", "qtailq", struct=Schema("e", 1, 1, (Field("a", "int32 le"),)))),
        "01 00000001 01 ffffffff 00",
        [(6, "q[1].a", "a number of at least 0", "-1")],
    ),
}


@pytest.mark.parametrize("case", LIES, ids=str)
def test_what_qemu_would_refuse_is_told_and_read_on(case: str) -> None:
    schema, text, faults = LIES[case]
    payload = bytes.fromhex(text)
    node, found = decode_tolerant(schema, payload, 100)
    assert [(fault.offset - 100, fault.path, fault.expected, fault.found) for fault in found] == faults
    assert node == decode(schema, payload, 100)
    assert encode(schema, node.values()) == payload


UNKNOWN: dict[str, tuple[Schema, str, tuple[int, str] | None]] = {
    "behind the fields": (one(Field("a", "uint8")), "01 05 05 6465762f78 00000001", (1, "")),
    "by prefix, no slash needed": (one(Field("a", "uint8")), "01 05 04 64657678 00000001", (1, "")),
    "behind one that is known": (
        one(subsections=(SUB,)),
        "05 07 6465762f737562 00000001 09 05 05 6465762f78 00000001",
        (14, ""),
    ),
    "within a struct": (
        one(Field("s", "struct", struct=Schema("i", 1, 1, (Field("v", "string"),))), Field("z", "buffer", 9)),
        "00 05 03 692f78 00000001",
        (1, "s"),
    ),
    "not longer than the owner's name": (one(Field("a", "buffer", 6)), "05 03 646576 00", None),
}


@pytest.mark.parametrize("case", UNKNOWN, ids=str)
def test_a_subsection_of_the_owner_s_that_nobody_knows_ends_it(case: str) -> None:
    schema, text, where = UNKNOWN[case]
    payload = bytes.fromhex(text)
    node, faults = decode_tolerant(schema, payload, 100)
    if where is None:
        assert not faults
        return
    (fault,) = faults
    assert (fault.offset - 100, fault.path, fault.expected) == (*where, "a known subsection")
    rest = node.find("@rest")
    assert rest is not None
    assert rest.value == payload[where[0] :]


def test_not_all_of_a_million_lies_are_told() -> None:
    element = Schema("e", 1, 1, (Field("i", "pci irq state", 16), Field("p", "nullptr")))
    schema = one(Field("s", "struct", struct=element, count=5000), Field("q", "qlist", struct=element))
    payload = b"\7" * 17 * 5000 + (b"\1" + b"\7" * 17) * 5000 + b"\0"
    _, faults = decode_tolerant(schema, payload)
    assert 1000 <= len(faults) < 1010
