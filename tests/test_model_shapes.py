"""Schemas whose fields depend on a loaded one."""

from __future__ import annotations

import pytest

from model.devices.shapes import shaped
from vmformat import Field, Reader, Schema, SilentVisitor, compile_plan
from vmformat.tree import blank, encode

FIFO = Schema("Fifo8", 1, 1, (Field("data", "uint8", count=4), Field("head", "uint32"), Field("num", "uint32")))
SHOWN = Schema(
    "esp",
    6,
    3,
    (Field("rregs", "buffer", 16), Field("fifo", "struct", struct=FIFO), Field("cmdfifo", "struct", struct=FIFO)),
)
OUTER = Schema(
    "pciespscsi", 2, 1, (Field("esp.mig_version_id", "uint8", since=2), Field("esp", "struct", struct=SHOWN))
)

COMMON = 16 + 16 + 4 + 4 + 4 + 4
OLD = COMMON + 4 + 4 + 16 + 4 + 1 + 16 + 16 + 4 + 4
FIVE = COMMON + 1 + 1 + 12 + 12 + 1


@pytest.mark.parametrize(
    ("version", "first", "size"),
    [(2, 0, OLD), (2, 4, OLD), (2, 5, FIVE), (2, 6, FIVE + 1), (2, 255, FIVE + 1), (1, None, OLD)],
)
def test_esp(version: int, first: int | None, size: int) -> None:
    data = (b"" if first is None else bytes([first])) + bytes(200)
    reader = Reader(data)
    assert compile_plan(shaped(OUTER)).load(reader, version, SilentVisitor()) is None
    assert reader.pos == size + (first is not None)


def test_what_is_not_known_stays_as_it_is() -> None:
    for schema in (SHOWN, FIFO, Schema("d", 1, 1, (Field("s", "struct", struct=SHOWN),), (FIFO,))):
        assert shaped(schema) is schema


def test_a_field_that_only_older_versions_have() -> None:
    schema = shaped(Schema("e1000", 2, 1, (Field("parent_obj", "uint8"), Field("x", "uint8"))))
    for version, size in ((1, 6), (2, 2)):
        reader = Reader(bytes(20))
        assert compile_plan(schema).load(reader, version, SilentVisitor()) is None
        assert reader.pos == size
        assert len(encode(schema, blank(schema, version), version)) == size
    assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize(("size", "taken", "errno"), [(0, 0, 0), (3, 3, 0), (0x8000_0000, 9, 5)])
def test_a_buffer_whose_size_a_field_tells(size: int, taken: int, errno: int) -> None:
    inner = Schema("vmxnet3/mcast_list", 1, 1, (Field("mcast_list", "buffer", 0),))
    schema = shaped(Schema("vmxnet3", 1, 1, (Field("mcast_list_buff_size", "uint32"),), (inner,)))
    assert Schema.from_json(schema.to_json()) == schema
    head = size.to_bytes(4, "big") + b"\5" + bytes([len(inner.name)]) + inner.name.encode() + b"\0\0\0\1"
    reader = Reader(head + bytes(9))
    refusal = compile_plan(schema).load(reader, 1, SilentVisitor())
    assert (0 if refusal is None else refusal.errno) == errno
    assert reader.pos == len(head) + taken


def test_names_with_numbers_are_told_whole() -> None:
    names = ("_q_ZMMReg[2]", "_q_ZMMReg[3]")
    schema = shaped(Schema("ymmh_reg", 1, 1, tuple(Field(name, "uint64") for name in names)))
    assert tuple(field.plain_name for field in schema.fields) == names
