"""Streams made of values: what nobody said is zero, counts follow, and readers find what was put in."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from vmformat import (
    Cmd,
    Command,
    Count,
    Device,
    Field,
    Kind,
    Page,
    Ram,
    Schema,
    Section,
    Stream,
    StreamError,
    VirtioShape,
    When,
    build_stream,
    complete,
    decode,
    describe,
    encode,
    package_records,
    read,
    virtio_schema,
    write,
)
from vmformat.build import ram_pages, ram_start
from vmformat.ram.records import BlockEntry, RamState, parse_ram

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

POINT = Schema("point", 1, 1, (Field("x", "uint8"), Field("y", "uint16")))

FILLED: dict[str, tuple[tuple[Field, ...], Mapping[str, Any], str]] = {
    "numbers": ((Field("a", "uint8"), Field("b", "int32")), {}, "00 00000000"),
    "a value given": ((Field("a", "uint8"), Field("b", "uint16")), {"b": 0x102}, "00 0102"),
    "an array": ((Field("a", "uint16", count=2),), {}, "0000 0000"),
    "bytes": ((Field("a", "buffer", 3),), {}, "000000"),
    "a null pointer": ((Field("a", "nullptr"),), {}, "30"),
    "irq levels": ((Field("a", "pci irq state"),), {}, "00" * 16),
    "texts": ((Field("a", "string"), Field("b", "vbuffer")), {}, "00 00000000"),
    "a struct": ((Field("p", "struct", struct=POINT),), {"p": {"y": 5}}, "00 0005"),
    "as many structs as counted": (
        (Field("n", "uint8"), Field("p", "struct", count=Count("n"), struct=POINT)),
        {"n": 2},
        "02 00 0000 00 0000",
    ),
    "a count that follows its array": (
        (Field("n", "uint8"), Field("p", "struct", count=Count("n"), struct=POINT)),
        {"p": [{"x": 1}, {}, {"y": 2}]},
        "03 01 0000 00 0000 00 0002",
    ),
    "a count that is one more than there are": (
        (Field("n", "uint16"), Field("p", "uint8", count=Count("n", less=1))),
        {"p": (7, 8)},
        "0003 07 08",
    ),
    "bytes counted by six": (
        (Field("n", "uint8"), Field("m", "buffer", 6, Count("n"))),
        {"m": bytes(range(12))},
        "02 000102030405 060708090a0b",
    ),
    "a field that another calls for": (
        (Field("n", "uint8"), Field("m", "uint8", when=When("n"))),
        {"n": 1},
        "01 00",
    ),
    "a field that nothing calls for": ((Field("n", "uint8"), Field("m", "uint8", when=When("n"))), {}, "00"),
    "what a load demands": (
        (
            Field("n", "uint8"),
            Field("few", "must exist", when=When("n", at_most=2, invert=True)),
            Field("not many", "must exist", when=When("n", at_most=32)),
        ),
        {},
        "03",
    ),
    "a list without elements": ((Field("l", "qtailq", struct=POINT),), {}, "00"),
    "a list": ((Field("l", "qtailq", struct=POINT),), {"l": [{"x": 9}, {}]}, "01 09 0000 01 00 0000 00"),
    "a tree": (
        (Field("t", "gtree", struct=Schema("e", 0, 0, (Field("key", "uint64"), Field("value", "uint8")))),),
        {"t": [{"key": 1}]},
        "00000001 01 0000000000000001 00 00",
    ),
}


@pytest.mark.parametrize(("fields", "values", "expected"), FILLED.values(), ids=FILLED)
def test_what_nobody_said_is_zero(fields: tuple[Field, ...], values: Mapping[str, Any], expected: str) -> None:
    schema = Schema("s", 1, 1, fields)
    payload = encode(schema, complete(schema, values))
    assert payload == bytes.fromhex(expected)
    assert encode(schema, decode(schema, payload).values()) == payload


def test_values_by_path_reach_into_structs_and_elements() -> None:
    schema = Schema("s", 1, 1, (Field("p", "struct", count=3, struct=POINT), Field("q", "struct", struct=POINT)))
    values = complete(schema, given={"p[1].y": 0x0304, "q.x": 5})
    assert encode(schema, values) == bytes.fromhex("00 0000 00 0304 00 0000 05 0000")


def test_subsections_are_there_if_they_are_named() -> None:
    schema = Schema("s", 1, 1, (Field("a", "uint8"),), (Schema("s/t", 2, 2, (Field("b", "uint8"),)),))
    assert encode(schema, complete(schema)) == b"\0"
    assert encode(schema, complete(schema, {"s/t": {}})) == b"\0" + b"\x05\x03s/t\0\0\0\2\0"


def test_old_versions_lack_what_came_later() -> None:
    schema = Schema("s", 2, 1, (Field("a", "uint8"), Field("b", "uint8", since=2)))
    assert encode(schema, complete(schema, version=1), 1) == b"\0"


REFUSED: dict[str, tuple[tuple[Field, ...], Mapping[str, Any]]] = {
    "a count by a field that is not there": ((Field("a", "uint8", count=Count("n")),), {}),
    "a condition on a field that is not there": ((Field("a", "uint8", when=When("n")),), {}),
    "an array beyond all sense": (
        (Field("n", "uint32"), Field("a", "uint64", count=Count("n"))),
        {"n": 0x7FFF_FFFF},
    ),
    "structs beyond all sense": (
        (Field("n", "uint32"), Field("a", "struct", count=Count("n"), struct=POINT)),
        {"n": 0x7FFF_FFFF},
    ),
    "a number for a struct": ((Field("a", "struct", struct=POINT),), {"a": 3}),
    "a field that the schema does not have": ((Field("a", "uint8"),), {"b": 1}),
    "a number too large": ((Field("a", "uint8"),), {"a": 256}),
}


@pytest.mark.parametrize(("fields", "values"), REFUSED.values(), ids=REFUSED)
def test_values_that_do_not_fit(fields: tuple[Field, ...], values: Mapping[str, Any]) -> None:
    schema = Schema("s", 1, 1, fields)
    with pytest.raises(StreamError):
        encode(schema, complete(schema, values))


BLK = virtio_schema(VirtioShape("blk", express=True, vectors=3))
DEVICES = (
    Device(POINT, "point", values={"x": 1}),
    Device(POINT, "point", 1),
    Device(
        BLK,
        "0000:00:02.0/virtio-blk",
        values={
            "virtio": {
                "queues": {"queue": [{"num": 256, "desc": 0x1000}]},
                "core": {"virtio/started": {"started": 1}},
            }
        },
        given={"virtio.pci.version_id": 2},
    ),
)
RAM = Ram.of({"pc.ram": 0x20000, "pc.bios": 0x1000}, [Page("pc.ram", 0x1000, b"ab" * 2048), Page("pc.ram", 0, 7)])


def built(**changes: Any) -> Stream:
    return build_stream(DEVICES, **{"machine": "pc-q35-7.2", "ram": RAM, **changes})


FORMS: dict[str, dict[str, Any]] = {
    "precopy": {},
    "nothing but devices": {"ram": None},
    "without footers": {"footers": False},
    "of an old machine type": {"footers": False, "machine": None, "described": False},
    "with all of a configuration": {
        "capabilities": ("x-ignore-shared",),
        "uuid": bytes(range(16)),
        "page_bits": 12,
    },
    "without a VMDESCRIPTION": {"described": False},
    "postcopy": {"form": "postcopy"},
}


@pytest.mark.parametrize("changes", FORMS.values(), ids=FORMS)
def test_what_was_built_is_read_and_written_back(changes: dict[str, Any]) -> None:
    stream = built(**changes)
    data = write(stream)
    known = {(device.name, device.instance): device.schema for device in DEVICES}
    again = read(data, known)
    assert write(again) == data
    assert [type(r) for r in again.records] == [type(r) for r in stream.records]
    assert [(s.kind, s.name, s.instance) for s in again.sections] == [
        (s.kind, s.name, s.instance) for s in stream.sections
    ]
    queue = "virtio.queues.queue[0].desc"
    package = next((r for r in again.records if isinstance(r, Command) and r.cmd == Cmd.PACKAGED), None)
    inside = again.records if package is None else package_records(again, package, known)
    blk = next(r for r in inside if isinstance(r, Section) and r.name.endswith("virtio-blk"))
    found = blk.tree.find(queue)
    assert found is not None
    assert found.value == 0x1000


def test_ram_is_listed_and_its_pages_name_their_block_once() -> None:
    start = ram_start([BlockEntry(0, "a", 0x2000), BlockEntry(0, "b", 0x1000)])
    assert start.payload.hex(" ", -8) == bytes.fromhex(
        "0000000000003004 01 61 0000000000002000 01 62 0000000000001000 0000000000000010"
    ).hex(" ", -8)
    pages = ram_pages([Page("a", 0x1000), Page("a", 0, 5), Page("b", 0, bytes(4096))], kind=Kind.END)
    records = list(parse_ram(pages.payload, 0, RamState()))
    assert [getattr(r, "named", None) for r in records] == [True, False, True, False]
    assert [getattr(r, "flags", None) for r in records] == [0x02, 0x22, 0x08, 0x10]


@pytest.mark.parametrize("page", [Page("a", 1), Page("a", 0, b"short")], ids=["between pages", "too short"])
def test_pages_are_whole(page: Page) -> None:
    with pytest.raises(StreamError):
        ram_pages([page])


def test_the_stream_describes_itself() -> None:
    stream = built()
    known = describe(write(stream))
    assert list(known) == [("point", 0), ("point", 1), ("0000:00:02.0/virtio-blk", 0)]
    assert known["point", 0] == POINT


def test_analyze_migration_reads_what_we_build(tmp_path: Path) -> None:
    script = os.environ.get("VMFUZZ_ANALYZE_MIGRATION")
    if not script:
        pytest.skip("VMFUZZ_ANALYZE_MIGRATION names no analyze-migration.py")
    path = tmp_path / "stream"
    path.write_bytes(write(built()))
    done = subprocess.run(
        [sys.executable, script, "-f", str(path), "-d", "state"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert '"x": "0x01"' in done.stdout
