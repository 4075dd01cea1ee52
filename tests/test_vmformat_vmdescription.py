from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmformat import decode, describe_sections, encode, read
from vmformat.errors import StreamError
from vmformat.plan import measure
from vmformat.schema import Count, Field, Schema, When
from vmformat.vmdescription import find, merge, parse


def device(*fields: dict[str, Any], name: str = "d", **more: object) -> bytes:
    described = {"name": name, "instance_id": 0, "vmsd_name": name, "version": 1, "fields": list(fields), **more}
    return json.dumps({"page_size": 4096, "devices": [described]}).encode()


def one(text: bytes) -> Schema:
    return next(iter(parse(text).values()))


def field(name: str, type_: str, size: int, **more: object) -> dict[str, Any]:
    return {"name": name, "type": type_, **more, "size": size}


def vmsd(name: str, *fields: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"vmsd_name": name, "version": 1, "fields": list(fields), **more}


X = field("x", "uint8", 1)
INNER = Schema("i", 1, 1, (Field("x", "uint8"),))
BOTH = Schema("i", 1, 1, INNER.fields, (Schema("i/y", 1, 1, INNER.fields),))


@pytest.mark.parametrize(
    ("described", "fields"),
    [
        pytest.param([X], [Field("x", "uint8")], id="integer"),
        pytest.param([field("x", "uint64", 8, array_len=3)], [Field("x", "uint64", count=3)], id="compressed array"),
        pytest.param(
            [field("x", "uint8", 1, index=0), field("x", "uint8", 1, index=1), X],
            [Field("x", "uint8", count=2), Field("x#1", "uint8", label="x")],
            id="array element by element",
        ),
        pytest.param(
            [field("x", "uint8", 1, index=0), field("x", "uint8", 1, index=0)],
            [Field("x", "uint8", count=1), Field("x#1", "uint8", count=1, label="x")],
            id="two arrays of one",
        ),
        pytest.param([field("p", "uint64", 1)], [Field("p", "nullptr")], id="null pointer"),
        pytest.param([field("p", "struct", 1, struct={})], [Field("p", "nullptr")], id="null pointer to a struct"),
        pytest.param([field("x", "uint16", 9)], [Field("x", "buffer", 9)], id="integer of a strange size"),
        pytest.param([field("c", "pci config", 256)], [Field("c", "pci config", 256)], id="config"),
        pytest.param([field("i", "pci irq state", 16)], [Field("i", "pci irq state")], id="irq state"),
        pytest.param([field("v", "virtio", 999)], [Field("v", "virtio", 999)], id="opaque"),
        pytest.param([field("s", "struct", 1, struct=vmsd("i", X))], [Field("s", "struct", struct=INNER)], id="struct"),
        pytest.param([field("t", "tmp", 1, **vmsd("i", X))], [Field("t", "tmp", struct=INNER)], id="tmp"),
        pytest.param([field("q", "qtailq", 1)], [Field("q", "qtailq")], id="empty list"),
        pytest.param([field("q", "qtailq", 3, **vmsd("i", X))], [Field("q", "qtailq", struct=INNER)], id="list"),
        pytest.param(
            [
                field("s", "struct", 1, index=0, struct=vmsd("i", X)),
                field("s", "struct", 9, index=1, struct=vmsd("i", X, subsections=[vmsd("i/y", X)])),
            ],
            [Field("s", "struct", count=2, struct=BOTH)],
            id="an element with a subsection",
        ),
        pytest.param(
            [field("s", "uint8", 1, index=0), field("s", "uint64", 1, index=1)],
            [Field("s[0]", "uint8", label="s"), Field("s[1]", "nullptr", label="s")],
            id="elements of two kinds",
        ),
    ],
)  # fmt: skip
def test_fields(described: list[dict[str, Any]], fields: list[Field]) -> None:
    assert one(device(*described)).fields == tuple(fields)


def test_list_elements_repeat_keys_in_one_object() -> None:
    text = device(field("q", "qtailq", 3, **vmsd("i", X)))
    element = b'"vmsd_name": "i", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}], '
    more = element + b'"subsections": [{"vmsd_name": "i/s", "version": 1, "fields": []}], '
    assert element in text
    struct = one(text.replace(element, element + more)).fields[0].struct
    assert struct is not None
    assert [sub.name for sub in struct.subsections] == ["i/s"]


def test_old_style_handler() -> None:
    old = {"name": "o", "instance_id": 1, "size": 7, "fields": [field("data", "buffer", 7)]}
    assert parse(json.dumps({"devices": [old]}).encode()) == {
        ("o", 1): Schema("o", 0, 0, (Field("data", "buffer", 7),), raw=True)
    }


def test_equal_schemas_are_one_object() -> None:
    devices = [{"name": n, "instance_id": 0, **vmsd("v", X)} for n in ("a", "b")]
    a, b = parse(json.dumps({"devices": devices}).encode()).values()
    assert a is b


def test_known_refinements() -> None:
    schema = one(device(field("log_num", "uint16", 2), field("log_max", "uint16 equal", 2), name="PCIE_AER_ERROR_LOG"))
    assert schema.fields[-1].count == Count("log_num")
    data = b"\0\2\0\x08" + bytes(80) + b"!"
    assert measure(schema, data, 0) == 84
    timers = field("timer", "struct", 1, array_len=3, struct=vmsd("i", X))
    schema = one(device(field("num_timers", "uint8", 1), timers, name="hpet"))
    assert measure(schema, b"\4abcd!", 0) == 5


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff", id="no text"),
        pytest.param(b"[" * 100000, id="deep"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"{}", id="no devices"),
        pytest.param(b'{"devices": [1]}', id="device is no object"),
        pytest.param(device({"name": "x"}), id="no type"),
        pytest.param(device({"name": "x", "type": "uint8", "size": -1}), id="negative size"),
        pytest.param(device({"name": "x", "type": "uint8", "size": 1, "array_len": -5}), id="negative length"),
        pytest.param(device({"name": "x", "type": "struct", "size": 1}), id="no struct"),
        pytest.param(device(name="x", version="1"), id="version is text"),
        pytest.param(b'{"devices": [' + b"9" * 5000 + b"]}", id="a long number"),
    ],
)
def test_wrong_text(text: bytes) -> None:
    with pytest.raises(StreamError) as error:
        parse(text, 0x77)
    assert error.value.offset == 0x77


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "devices",
                        "name",
                        "fields",
                        "type",
                        "size",
                        "vmsd_name",
                        "version",
                        "instance_id",
                        "struct",
                        "subsections",
                    ]
                ),
                x,
            )
        ),
        max_leaves=12,
    )
)
def test_only_stream_errors(value: object) -> None:
    with contextlib.suppress(StreamError):
        parse(json.dumps({"devices": [value]}).encode())


TEXT = b'{"page_size": 4096, "devices": []}'


@pytest.mark.parametrize(
    ("data", "found"),
    [
        pytest.param(b"", None, id="empty"),
        pytest.param(b"\0\6\0\0\0\x22" + TEXT, (6, 40), id="at the end"),
        pytest.param(b"\6\0\0\0\x22" + TEXT + b"junk", (5, 39), id="junk behind"),
        pytest.param(b"\6\0\0\0\x23" + TEXT, None, id="longer than the data"),
        pytest.param(TEXT, None, id="no record"),
        pytest.param(b"\6\0\0\0\x22" + TEXT + TEXT, (5, 39), id="the last is none"),
        pytest.param(b'\6\0\0\0\x13{"configuration": 1', (5, 24), id="newer"),
    ],
)
def test_find(data: bytes, found: tuple[int, int] | None) -> None:
    assert find(data) == found


def test_merge_keeps_what_either_has() -> None:
    s1, s2 = Schema("a/s", 1, 1, ()), Schema("a/t", 1, 1, ())
    a = Schema("a", 1, 1, (Field("q", "qtailq"),), (s1,))
    b = Schema("a", 1, 1, (Field("q", "qtailq", struct=INNER),), (s2, s1))
    assert merge(a, b) == Schema("a", 1, 1, (Field("q", "qtailq", struct=INNER),), (s1, s2))
    assert merge(a, a) is a


def test_of_a_subsection_that_was_only_heard_of_what_is_seen_stands() -> None:
    guessed, seen = (Schema("a/s", 1, 1, (Field("devs", "uint8", count=count),)) for count in (None, 2))
    heard, told = (Schema("a", 1, 1, (), (sub,)) for sub in (guessed, seen))
    assert merge(heard, told).subsections == (guessed,)
    assert merge(heard, told, {"a/s"}).subsections == (seen,)
    outer, inner = (Schema("o", 1, 1, (Field("a", "struct", struct=schema),)) for schema in (heard, told))
    assert merge(outer, inner, {"a/s"}) == inner


@pytest.mark.parametrize("sent", [False, True], ids=["not sent", "sent"])
def test_a_drive_s_identity_comes_when_it_is_set(sent: bool) -> None:
    shown = [field("identify_data", "buffer", 512)] if sent else []
    schema = one(device(field("identify_set", "int32", 4), *shown, X, name="ide_drive"))
    assert [(f.name, f.when) for f in schema.fields] == [
        ("identify_set", None),
        ("identify_data", When("identify_set")),
        ("x", None),
    ]
    assert measure(schema, bytes(4) + b"x", 0) == 5
    assert measure(schema, b"\0\0\0\1" + bytes(512) + b"x", 0) == 517


SHIPPED = Path(__file__).resolve().parent.parent / "corpus" / "seeds"


@pytest.mark.parametrize("name", ["bridges", "q35-usb", "pc-attic"])
def test_what_is_known_again_is_what_would_be_parsed_again(name: str) -> None:
    text = describe_sections(read((SHIPPED / name / "after.vmstate").read_bytes()).sections)
    # A space where QEMU writes none: no device is told by its words then.
    again = text.replace(b'{"name": ', b'{ "name": ')
    assert again != text
    assert parse(again) == parse(text)


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        pytest.param('{"devices": [], "devices": [1]}', [], id="the first of two keys counts"),
        pytest.param(' {"a": [{}, "b"], "devices": [ ] , "c": 1.5e3}\n', [], id="other keys, other spaces"),
        pytest.param('{"devices": [{"name": "a", "instance_id": 7, "vmsd_name": "v", "version": 1, "fields": []}, '
                     '{"name": "b", "instance_id": 8, "vmsd_name": "v", "version": 1, "fields": []}]}',
                     [("a", 7), ("b", 8)], id="two of a kind"),
        pytest.param('{"devices": [{"name": "a", "instance_id": 7, "vmsd_name": "v", "version": 1, "fields": []}, '
                     '{"name": "b", "instance_id": 8, "vmsd_name": "v", "version": 1, "fields": [], "size": 1}]}',
                     [("a", 7), ("b", 8)], id="one that only begins like the other"),
        pytest.param('{"devices": [{"instance_id": 7, "name": "\\u0061", "fields": [], "size": 0}]}', [("a", 7)],
                     id="another order, and an escape"),
    ],
)  # fmt: skip
def test_texts(text: str, devices: list[tuple[str, int]]) -> None:
    assert list(parse(text.encode())) == devices


@pytest.mark.parametrize(
    "text",
    [
        '{"devices": [] ',
        '{"devices": []} x',
        '{"devices": [{"name": "a"} {}]}',
        '{"devices": [{"name": "a", "instance_id": 7, "vmsd_name": ',
        '{"devices": [{"name": "a", "instance_id": 99999999999, "vmsd_name": "v", "version": 1, "fields": []}]}',
        '{"devices": [{"name": "a", "instance_id": 9999999999, "vmsd_name": "v", "version": 1, "fields": []}]}',
        "{1: 2}",
        '{"devices": [],}',
        '{"devices" []}',
    ],
)  # fmt: skip
def test_texts_that_are_none(text: str) -> None:
    with pytest.raises(StreamError) as error:
        parse(text.encode(), 5)
    assert error.value.offset == 5


def test_names_that_come_again_are_told_apart() -> None:
    fields = [{"name": name, "type": "uint8", "size": 1} for name in ("a", "a", "a#1", "a")]
    device = {"name": "d", "instance_id": 0, "vmsd_name": "d", "version": 1, "fields": fields}
    schema = parse(json.dumps({"page_size": 4096, "devices": [device]}).encode())["d", 0]
    assert [field.name for field in schema.fields] == ["a", "a#2", "a#1", "a#3"]
    assert [field.plain_name for field in schema.fields] == ["a", "a", "a#1", "a"]
    assert encode(schema, decode(schema, b"\1\2\3\4").values()) == b"\1\2\3\4"
