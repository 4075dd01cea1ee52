"""VMDESCRIPTIONs of what was built: the text that QEMU writes, and what readers make of it."""

from __future__ import annotations

import json

import pytest

from vmformat import Count, Field, Kind, Schema, Section, When, complete, describe_sections
from vmformat.vmdescription import parse

POINT = Schema("point", 1, 1, (Field("x", "uint8"), Field("y", "uint16")))
POINT_TEXT = (
    '{"vmsd_name": "point", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}, '
    '{"name": "y", "type": "uint16", "size": 2}]}'
)
SUB = Schema("s/more", 2, 2, (Field("b", "uint8"),))
OPAQUE = Schema("old", 1, 1, (Field("n", "uint8"), Field("a", "uint8", count=Count("n"))), raw=True)

FIELDS: dict[str, tuple[tuple[Field, ...], dict[str, object], str]] = {
    "a number": ((Field("a", "uint32"),), {}, '{"name": "a", "type": "uint32", "size": 4}'),
    "an array": ((Field("a", "uint16", count=3),), {}, '{"name": "a", "array_len": 3, "type": "uint16", "size": 2}'),
    "an array of one": ((Field("a", "uint16", count=1),), {}, '{"name": "a", "type": "uint16", "size": 2}'),
    "an array of none": ((Field("a", "uint16", count=0),), {}, ""),
    "an array under a condition": (
        (Field("n", "uint8"), Field("a", "uint8", count=2, when=When("n"))),
        {"n": 1},
        ('{"name": "n", "type": "uint8", "size": 1}, {"name": "a", "index": 0, "type": "uint8", "size": 1}, '
        '{"name": "a", "index": 1, "type": "uint8", "size": 1}'),
    ),
    "a struct": (
        (Field("p", "struct", struct=POINT),),
        {},
        f'{{"name": "p", "type": "struct", "struct": {POINT_TEXT}, "size": 3}}',
    ),
    "structs": (
        (Field("p", "struct", count=2, struct=POINT),),
        {},
        f'{{"name": "p", "array_len": 2, "type": "struct", "struct": {POINT_TEXT}, "size": 3}}',
    ),
    "a list, whose keys repeat": (
        (Field("l", "qtailq", struct=POINT),),
        {"l": [{}, {}]},
        f'{{"name": "l", "type": "qtailq", {POINT_TEXT[1:-1]}, {POINT_TEXT[1:-1]}, "size": 9}}',
    ),
    "a tmp": (
        (Field("t", "tmp", struct=POINT),),
        {},
        f'{{"name": "t", "type": "tmp", {POINT_TEXT[1:-1]}, "size": 3}}',
    ),
    "old-style state": (
        (Field("virtio", "struct", struct=OPAQUE),),
        {"virtio": {"a": (1, 2)}},
        '{"name": "virtio", "type": "old", "size": 3}',
    ),
    "a null pointer": ((Field("a", "nullptr"),), {}, '{"name": "a", "type": "uint64", "size": 1}'),
    "what must exist": ((Field("n", "uint8"), Field("m", "must exist", when=When("n"))), {"n": 1},
                        '{"name": "n", "type": "uint8", "size": 1}'),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "values", "expected"), FIELDS.values(), ids=FIELDS)
def test_fields_are_described_as_qemu_does(fields: tuple[Field, ...], values: dict[str, object], expected: str) -> None:
    section = Section.build(Schema("s", 1, 1, fields), complete(Schema("s", 1, 1, fields), values), name="dev/s")
    text = describe_sections([section]).decode()
    head = '{"page_size": 4096, "devices": [{"name": "dev/s", "instance_id": 0, "vmsd_name": "s", "version": 1, '
    assert text == f'{head}"fields": [{expected}]}}]}}'


def test_structs_that_differ_are_described_one_by_one() -> None:
    element = Schema("e", 1, 1, (Field("n", "uint8"), Field("a", "uint8", count=Count("n"))))
    schema = Schema("s", 1, 1, (Field("p", "struct", count=2, struct=element),))
    values = complete(schema, {"p": [{"a": (1,)}, {"a": (1, 2)}]})
    text = describe_sections([Section.build(schema, values)])
    sizes = [field["size"] for field in json.loads(text)["devices"][0]["fields"]]
    assert sizes == [2, 3]


def test_subsections_are_described_if_they_were_sent() -> None:
    schema = Schema("s", 1, 1, (Field("a", "uint8"),), (SUB,))
    bare = Section.build(schema, complete(schema))
    full = Section.build(schema, complete(schema, {"s/more": {}}))
    assert b"subsections" not in describe_sections([bare])
    known = parse(describe_sections([full]))
    assert known["s", 0].subsections == (SUB,)


def test_an_old_style_handler_tells_its_size() -> None:
    section = Section.build(OPAQUE, complete(OPAQUE, {"a": (5,)}), name="h")
    assert describe_sections([section]).decode() == (
        '{"page_size": 4096, "devices": [{"name": "h", "instance_id": 0, "size": 2, '
        '"fields": [{"name": "data", "size": 2, "type": "buffer"}]}]}'
    )


def test_sections_that_nobody_knows_are_left_out() -> None:
    unknown = Section(Kind.FULL, 1, "x", 0, 1, b"\1\2")
    wrong = Section(Kind.FULL, 1, "point", 0, 1, b"\1\2", POINT)
    assert describe_sections([unknown, wrong]) == b'{"page_size": 4096, "devices": []}'
