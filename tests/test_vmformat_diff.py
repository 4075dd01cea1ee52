"""Differences: literal ones, what each pattern means, and that nothing differs without being told."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.corpus import find_machine, find_stream, shipped_machines
from model import parse, section_schemas
from vmformat import (
    Cmd,
    Command,
    Configuration,
    Count,
    Eof,
    Field,
    Gap,
    Header,
    Kind,
    Schema,
    Section,
    Stream,
    StreamError,
    pack,
    read,
    write,
)
from vmformat.diff import Difference, Selector, diff, lines, summary, to_json
from vmformat.edit import Drop, Duplicate, Move, apply

PAIR = Schema("pair", 1, 1, (Field("a", "uint8"), Field("b", "uint8")))
DEVICE = Schema(
    "dev",
    1,
    1,
    (
        Field("level", "int32"),
        Field("name", "string"),
        Field("regs", "uint16", count=3),
        Field("pairs", "struct", struct=PAIR, count=5),
        Field("n", "uint8"),
        Field("many", "struct", struct=PAIR, count=Count("n")),
        Field("texts", "qtailq", struct=Schema("t", 1, 1, (Field("t", "string"),))),
        Field("blob", "buffer", 64),
    ),
    (Schema("dev/one", 1, 1, (Field("x", "uint8"), Field("y", "uint8"))),),
)
VALUES: dict[str, Any] = {
    "level": 1,
    "name": b"abc",
    "regs": (1, 2, 3),
    "pairs": [{"a": i, "b": 0} for i in range(5)],
    "n": 1,
    "many": [{"a": 1, "b": 1}],
    "texts": [{"t": b"x"}],
    "blob": bytes(64),
}
NEWER = Schema(
    "dev",
    2,
    1,
    (Field("level", "uint64"), *DEVICE.fields[1:3], Field("fresh", "uint8"), *DEVICE.fields[3:7]),
    DEVICE.subsections,
)


def device(**changes: Any) -> Section:
    return Section.build(DEVICE, VALUES | changes, section_id=3)


def stream(*records: Any, machine: str = "pc") -> Stream:
    return Stream(Header(), Configuration.build(machine), (*records, Eof()))


def told(one: Stream, other: Stream) -> list[str]:
    """The differences as text."""
    return ["".join(text for _, text in line) for line in lines(diff(one, other))]


FIELDS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("nothing", {}, []),
    ("a number", {"level": -4096}, ["level: 1 -> -0x1000"]),
    ("a string", {"name": b"abcd"}, ['name: "abc" -> "abcd"']),
    ("numbers of an array", {"regs": (1, 9, 9)}, ["regs[1]: 2 -> 9", "regs[2]: 3 -> 9"]),
    ("an element's field", {"pairs": [*VALUES["pairs"][:4], {"a": 4, "b": 7}]}, ["pairs[4].b: 0 -> 7"]),
    (
        "an element more",
        {"n": 2, "many": [{"a": 1, "b": 1}, {"a": 2, "b": 0}]},
        ["n: 1 -> 2", "many[1] added: 2 bytes", "many[1].a added: 2"],
    ),
    (
        "an element less of a list",
        {"texts": []},
        ["texts[0] dropped: 3 bytes", "texts[0]@more dropped: 1", "texts[0].t dropped: 78"],
    ),
    ("a long buffer", {"blob": bytes(40) + b"\1" * 24}, ["blob: zero -> 00*40 01*24"]),
    (
        "a subsection more",
        {"dev/one": {"x": 5, "y": 0}},
        ["dev/one added: 15 bytes", "dev/one.x added: 5"],
    ),
]


@pytest.mark.parametrize(("name", "changes", "right"), FIELDS, ids=[name for name, _, _ in FIELDS])
def test_fields(name: str, changes: dict[str, Any], right: list[str]) -> None:
    found = told(stream(device()), stream(device(**changes)))
    assert found == (["dev", *(f"  {line}" for line in right)] if right else [])
    back = told(stream(device(**changes)), stream(device()))
    assert len(back) == len(found)


def test_many_elements_more_are_one_line() -> None:
    found = told(stream(device()), stream(device(n=9, many=[{"a": 1, "b": 1}, *[{"a": 0, "b": 0}] * 8])))
    assert found == ["dev", "  n: 1 -> 9", "  many[1..8] added: 8 elements, each of 2 bytes"]


def test_another_schema_adds_and_drops_fields() -> None:
    values = {name: value for name, value in VALUES.items() if name != "blob"}
    newer = Section.build(NEWER, values | {"fresh": 5}, section_id=3)
    assert told(stream(device()), stream(newer)) == [
        "dev",
        "  @version: 1 -> 2",
        "  level (int32 -> uint64): 1 -> 1",
        "  fresh added: 5",
        "  blob dropped: zero",
    ]


def section(name: str, payload: bytes = b"\0", kind: Kind = Kind.FULL, id_: int = 1) -> Section:
    return Section(kind, id_, name, 0, 1, payload, footer=id_)


def row(names: str) -> Stream:
    return stream(*map(section, names))


@pytest.mark.parametrize(
    ("one", "other", "right"),
    [
        ("abc", "abc", []),
        ("abc", "ac", ["b  dropped: FULL, version 1, 1 bytes"]),
        ("ac", "abc", ["b  added: FULL, version 1, 1 bytes"]),
        ("ab", "abb", ["b#1  added: FULL, version 1, 1 bytes"]),
        ("abcd", "dabc", ["d  moved, now first"]),
        ("abcd", "bcda", ["a  moved, now behind d"]),
        ("abcd", "badc", ["a  moved, now behind b", "c  moved, now behind d"]),
        ("", "a", ["a  added: FULL, version 1, 1 bytes"]),
    ],
)
def test_records(one: str, other: str, right: list[str]) -> None:
    assert told(row(one), row(other)) == right


OTHERS: list[tuple[str, Stream, Stream, list[str]]] = [
    ("the header", Stream(), Stream(Header(2)), ["header", "  version: 3 -> 2"]),
    ("magic", Stream(), Stream(Header(3, b"QEVX")), ["header", '  magic: "QEVM" -> "QEVX"']),
    ("the machine", stream(), stream(machine="q35"), ["configuration", '  machine: "pc" -> "q35"']),
    ("no configuration", stream(), Stream(records=(Eof(),)), ["configuration", "  its bytes dropped: "]),
    ("a command's field", stream(Command.ping(1)), stream(Command.ping(2)), ["PING", "  cookie: 1 -> 2"]),
    ("a command more", stream(), stream(Command.ping(2)), ["PING  added: 4 bytes"]),
    ("an id", stream(section("a")), stream(section("a", id_=2)), ["a", "  @id: 1 -> 2"]),
    (
        "a footer",
        stream(section("a")),
        stream(Section(Kind.FULL, 1, "a", 0, 1, b"\0", footer=None)),
        ["a", "  @footer: as the id -> none"],
    ),
    ("a kind", stream(section("a")), stream(section("a", kind=Kind.START)), ["a", "  @kind: FULL -> START"]),
    ("bytes that are no record", stream(Gap(b"ab")), stream(Gap(b"ac")), ["bytes", '  its bytes: "ab" -> "ac"']),
    (
        "bytes behind the end",
        stream(),
        Stream(Header(), Configuration.build("pc"), (Eof(),), b"junk"),
        ["bytes", '  trailing: "" -> "junk"'],
    ),
    (
        "a field in a package",
        stream(pack([device(), Command(Cmd.POSTCOPY_RUN)])),
        stream(pack([device(level=2), Command(Cmd.POSTCOPY_RUN)])),
        ["bytes", "  the same fields and pages, in other records or packages"],
    ),
    (
        "a package or none",
        stream(section("a"), Eof()),
        stream(section("a")),
        ["bytes", "  the same fields and pages, in other records or packages"],
    ),
]


@pytest.mark.parametrize(("name", "one", "other", "right"), OTHERS, ids=[name for name, *_ in OTHERS])
def test_everything_else(name: str, one: Stream, other: Stream, right: list[str]) -> None:
    if name == "a field in a package":  # with schemas it is one
        schemas = {("dev", 0): DEVICE}
        found = list(diff(one, other, schemas, schemas))
        assert [(d.record, d.path, d.old, d.new) for d in found] == [("dev", "level", 1, 2)]
        return
    assert told(one, other) == right


def page(address: int, fill: int, block: str = "") -> bytes:
    name = bytes([len(block)]) + block.encode() if block else b""
    flags = (0x08 if fill else 0x02) | (0 if block else 0x20)
    return (address | flags).to_bytes(8, "big") + name + (bytes([fill]) * 4096 if fill else b"\0")


def ram(*pages: bytes, length: int = 0x10000) -> Stream:
    head = (length | 4).to_bytes(8, "big") + b"\2pc" + length.to_bytes(8, "big")
    end = (0x10).to_bytes(8, "big")
    start = Section(Kind.START, 2, "ram", 0, 4, head + end, footer=2)
    part = Section(Kind.PART, 2, "ram", 0, 4, b"".join(pages) + end, footer=2)
    return read(write(stream(start, part)))


RAM: list[tuple[str, Stream, Stream, list[str] | None]] = [
    ("the same", ram(page(0, 1, "pc")), ram(page(0, 1, "pc")), []),
    ("another page", ram(page(0, 1, "pc")), ram(page(0, 2, "pc")), ["pc: 1 page differs at 0x0"]),
    ("what came last counts", ram(page(0, 2, "pc")), ram(page(0, 1, "pc"), page(0, 2)), None),
    (
        "a page full of zeros is a zero page",
        ram(page(0, 0, "pc")),
        ram((8).to_bytes(8, "big") + b"\2pc" + bytes(4096)),
        None,
    ),
    (
        "runs",
        ram(*(page(a << 12, 0, "pc") for a in (0, 1, 2, 5))),
        ram(*(page(a << 12, 0, "pc") for a in (0,))),
        ["pc: 3 pages only in the first at 0x1000..0x2000, 0x5000"],
    ),
    ("pages more", ram(), ram(page(0x3000, 1, "pc")), ["pc: 1 page only in the second at 0x3000"]),
    ("a block's length", ram(), ram(length=0x20000), ["pc.length: 0x10000 -> 0x20000"]),
    (
        "an address far away",
        ram(),
        ram(page(1 << 60, 1, "pc")),
        ["pc: 1 page only in the second at 0x1000000000000000"],
    ),
]


@pytest.mark.parametrize(("name", "one", "other", "right"), RAM, ids=[name for name, *_ in RAM])
def test_ram(name: str, one: Stream, other: Stream, right: list[str] | None) -> None:
    if right is None:
        assert told(one, other) == ["bytes", "  the same fields and pages, in other records or packages"]
    else:
        assert told(one, other) == (["ram", *(f"  {line}" for line in right)] if right else [])


def test_an_xbzrle_page_is_what_it_makes_of_the_page_before() -> None:
    changed = (0x60).to_bytes(8, "big") + b"\1\0\3\1\1\7"
    plain = (8).to_bytes(8, "big") + b"\2pc" + b"\1\7" + b"\1" * 4094
    assert told(ram(page(0, 1, "pc"), changed), ram(plain)) == [
        "bytes",
        "  the same fields and pages, in other records or packages",
    ]


def with_description(**changes: Any) -> Stream:
    field = {"name": "x", "type": "uint8", "size": 1}
    device = {"name": "a", "instance_id": 0, "vmsd_name": "a", "version": 1, "fields": [field]} | changes
    text = json.dumps({"page_size": 4096, "devices": [device]}).encode()
    return Stream(Header(), None, (section("a"), Eof()), b"\6" + len(text).to_bytes(4, "big") + text)


DESCRIPTIONS: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "another version",
        {"version": 2},
        ['a changed: instance_id 0, vmsd_name "a", version 1 -> instance_id 0, vmsd_name "a", version 2'],
    ),
    (
        "a field more",
        {"fields": [{"name": "x", "type": "uint8", "size": 1}, {"name": "y", "type": "bool", "size": 1}]},
        ['a/y added: type "bool", size 1'],
    ),
    ("a field less", {"fields": []}, ['a/x dropped: type "uint8", size 1']),
    ("another device", {"name": "b"}, ["a dropped: a device", "b added: a device"]),
]


@pytest.mark.parametrize(("name", "changes", "right"), DESCRIPTIONS, ids=[name for name, _, _ in DESCRIPTIONS])
def test_descriptions_in_words(name: str, changes: dict[str, Any], right: list[str]) -> None:
    assert told(with_description(), with_description(**changes)) == ["VMDESCRIPTION", *(f"  {line}" for line in right)]


def test_no_description() -> None:
    bare = Stream(Header(), None, (section("a"), Eof()))
    (found,) = diff(with_description(), bare)
    assert (found.kind, found.what) == ("vmdescription", "dropped")


@pytest.mark.parametrize(
    ("pattern", "path", "yes"),
    [
        ("dev", "level", True),
        ("d*", "level", True),
        ("dev@0", "level", True),
        ("dev@1", "level", False),
        ("#4", "level", True),
        ("#5", "level", False),
        ("dev/level", "level", True),
        ("dev/leve?", "level", True),
        ("dev/level", "other.level", True),
        ("dev/level", "levels", False),
        ("dev/pairs", "pairs[3].a", True),
        ("dev/pairs[3]", "pairs[3].a", True),
        ("dev/pairs[2]", "pairs[3].a", False),
        ("dev/pairs[2..4].a", "pairs[3].a", True),
        ("other/level", "level", False),
        ("dev/dev/one", "dev/one.x", True),
    ],
)
def test_what_a_pattern_chooses(pattern: str, path: str, yes: bool) -> None:
    difference = Difference("field", "changed", "dev", path, 1, 2, place=(4,), subject=device())
    assert Selector(pattern).matches(difference) is yes


@pytest.mark.parametrize(
    ("pattern", "record"), [("ram", "ram"), ("header/version", "header"), ("VMD*", "VMDESCRIPTION")]
)
def test_patterns_for_what_is_no_record(pattern: str, record: str) -> None:
    assert Selector(pattern).matches(Difference("ram", "changed", record, "version"))
    assert not Selector("dev").matches(Difference("ram", "changed", record, "version"))


def test_a_pattern_that_cannot_be_one() -> None:
    with pytest.raises(StreamError):
        Selector("a[0..99999999]/x").matches(Difference("ram", "changed", "a", "x"))


def test_json_and_summary() -> None:
    found = list(diff(stream(device(), section("a")), stream(device(level=2, blob=b"\1" * 64, regs=(1, 2, 4)))))
    shown = [to_json(one) for one in found]
    assert json.loads(json.dumps(shown)) == shown
    assert shown[0] == {
        "kind": "field",
        "what": "changed",
        "record": "dev",
        "place": "0",
        "path": "level",
        "type": "int32",
        "old": 1,
        "new": 2,
    }
    assert shown[2]["new"] == "01" * 64
    assert summary(found) == "3 fields in 1 record, 1 record dropped"


@cache
def real(name: str) -> Stream:
    owner = name.partition("/")[0]
    schemas = section_schemas(parse(find_machine(owner).description.read_bytes()))
    return read(find_stream(name).read_bytes(), schemas)


@pytest.mark.parametrize("name", ["q35-modern/after", "seed-24/after", "linux-q35/after"])
def test_a_stream_does_not_differ_from_itself(name: str) -> None:
    if name.partition("/")[0] in shipped_machines():
        assert list(diff(real(name), real(name))) == []


def test_edits_are_what_differs() -> None:
    start = real("q35-modern/after")
    result, changes = apply(start, ["virtio-*/queue[0..1].desc+=0x1000", "cpu/env.regs[3]=5", Drop("mch")])
    found = list(diff(start, result))
    assert [(d.path, d.what) for d in found] == [
        (change.path, "changed" if change.path else "dropped")
        for change in sorted(changes, key=lambda change: int(change.record[1:].partition(" ")[0]))
    ]


def test_moves_are_what_differs() -> None:
    start = real("q35-modern/after")
    result, _ = apply(start, [Move("timer", "after", "globalstate"), Duplicate("cpu")])
    assert {(d.record, d.what) for d in diff(start, result)} == {("timer", "moved"), ("cpu#1", "added")}


@cache
def plain() -> tuple[bytes, Stream]:
    """A stream, read as whoever has nothing but the stream."""
    data = write(real("pc-small/after"))
    return data, read(data)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32))
def test_bytes_that_differ_are_told_whatever_they_are(number: int) -> None:
    dice = random.Random(number)
    data, one = plain()
    mutant = bytearray(data)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(mutant))
        match dice.randrange(4):
            case 0:
                mutant[at] ^= 1 << dice.randrange(8)
            case 1:
                del mutant[at : at + dice.randrange(1, 64)]
            case 2:
                mutant[at:at] = data[: dice.randrange(1, 64)]
            case _:
                del mutant[at + 1 :]
    other = read(bytes(mutant), tolerant=True)
    found = list(diff(one, other))
    assert bool(found) == (data != bytes(mutant))
    assert all("\\n" not in text for line in lines(found, ram=True) for _, text in line)
    assert bool(list(diff(other, one))) == bool(found)
    assert list(diff(other, other)) == []


@given(st.binary(max_size=120), st.binary(max_size=120))
def test_any_bytes_can_be_compared(one: bytes, other: bytes) -> None:
    head = b"QEVM\0\0\0\3"
    found = list(diff(read(head + one, tolerant=True), read(head + other, tolerant=True)))
    assert bool(found) == (one != other)
