"""Payloads that do not fit their schema: what was read before the fault, the fault, the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_vmformat_tree import CASES, PAIR, SUB, one

from vmformat import Count, Field, Schema, StreamError, decode
from vmformat.tree import decode_partial

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
