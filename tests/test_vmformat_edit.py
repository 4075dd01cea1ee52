"""Edits: what follows of a changed field, what is done to records, what a QEMU makes of the result."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.corpus import find_machine, find_stream
from fuzz.qemu import load
from model import parse, section_schemas
from vmformat import (
    Cmd,
    Command,
    Configuration,
    Count,
    Eof,
    Field,
    Header,
    Kind,
    Node,
    Schema,
    Schemas,
    Section,
    Stream,
    StreamError,
    When,
    pack,
    package_records,
    read,
    write,
)
from vmformat.edit import (
    Add,
    Assign,
    Drop,
    Duplicate,
    Insert,
    Move,
    Remove,
    apply,
    parse_edit,
    parse_move,
    split_target,
)
from vmformat.edit.description import Description
from vmformat.text import TextError

if TYPE_CHECKING:
    from pathlib import Path

    from vmformat.edit import Change, Edit

PAIR = Schema("pair", 1, 1, (Field("a", "uint8"), Field("b", "uint8")))
TEXT = Schema("text", 1, 1, (Field("t", "string"),))
DEVICE = Schema(
    "dev",
    2,
    1,
    (
        Field("n", "uint8"),
        Field("numbers", "uint16", count=Count("n", times=2)),
        Field("pairs.m", "uint8"),
        Field("pairs", "struct", struct=PAIR, count=Count("pairs.m", less=1)),
        Field("texts", "qtailq", struct=TEXT),
        Field("flags", "uint8"),
        Field("extra", "uint32", when=When("flags", mask=2)),
        Field("name", "string"),
        Field("len", "uint16"),
        Field("data", "buffer", 1, Count("len")),
        Field("level", "int8"),
        Field("regs", "uint32", count=3),
        Field("macs", "buffer", 2, count=2),
        Field("fixed", "buffer", 4),
        Field("on", "bool"),
        Field("deep", "struct", struct=Schema("deep", 1, 1, (Field("x", "le16"),), (PAIR,))),
    ),
    (
        Schema("dev/one", 1, 1, (Field("x", "uint8"),)),
        Schema("dev/two", 3, 1, (Field("k", "uint8"), Field("v", "uint8", count=Count("k")))),
        Schema("dev/old", 2, 1, (Field("first", "uint8"), Field("second", "uint8", since=2))),
    ),
)
VALUES: dict[str, Any] = {
    "n": 1,
    "numbers": (1, 2),
    "pairs.m": 2,
    "pairs": [{"a": 1, "b": 2}],
    "texts": [{"t": b"x"}, {"t": b"y"}],
    "flags": 0,
    "name": b"abc",
    "len": 2,
    "data": b"\1\2",
    "level": -1,
    "regs": (1, 2, 3),
    "macs": (b"\1\2", b"\3\4"),
    "fixed": b"\1\2\3\4",
    "on": 1,
    "deep": {"x": 1},
    "dev/two": {"k": 1, "v": (7,)},
}
SCHEMAS: Schemas = {("dev", 0): DEVICE}


def stream(**changes: Any) -> Stream:
    section = Section.build(DEVICE, VALUES | changes, section_id=3)
    return read(write(Stream(Header(), Configuration.build("pc"), (section, Command.ping(7), Eof()))), SCHEMAS)


def edited(*edits: Edit | str, start: Stream | None = None, raw: bool = False) -> tuple[Stream, tuple[Change, ...]]:
    result, changes = apply(start or stream(), edits, SCHEMAS, raw=raw)
    again = read(write(result), SCHEMAS, tolerant=True)
    if not raw:
        assert again.faults == ()
    assert again.records == result.records
    for one, other in zip(again.records, result.records, strict=True):
        assert one.offset == other.offset
    return again, changes


def values(of: Stream) -> dict[str, Any]:
    found = of.sections[0].tree.values()
    assert isinstance(found, dict)
    return found


FOLLOWS: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
    ("a number", ("dev/level=-5",), {"level": -5}),
    ("a number in binary", ("dev/level=0b101",), {"level": 5}),
    ("or", ("dev/flags|=0x10",), {"flags": 0x10}),
    ("and", ("dev/len&=2",), {}),
    ("exclusive or", ("dev/regs[1]^=0xff",), {"regs": (1, 0xFD, 3)}),
    ("more", ("dev/level+=2",), {"level": 1}),
    ("less", ("dev/level-=0x7f",), {"level": -128}),
    ("a truth", ("dev/on=false",), {"on": 0}),
    ("an array", ("dev/regs=[4, 0x5, 0b110]",), {"regs": (4, 5, 6)}),
    ("an array of zeros", ("dev/regs=zero",), {"regs": (0, 0, 0)}),
    ("elements", ("dev/regs[1..2]=9",), {"regs": (1, 9, 9)}),
    ("all elements", ("dev/regs[*]+=1",), {"regs": (2, 3, 4)}),
    ("a byte of a buffer", ("dev/fixed[2]=0xff",), {"fixed": b"\1\2\xff\4"}),
    ("a buffer", ("dev/fixed=hex:0a0b0c0d",), {"fixed": b"\n\v\f\r"}),
    ("a shorter text in a buffer", ('dev/fixed="ab"',), {"fixed": b"ab\0\0"}),
    ("a buffer in an array", ("dev/macs[1]=hex:ffff",), {"macs": (b"\1\2", b"\xff\xff")}),
    ("an array of buffers", ("dev/macs=hex:0a0b0c0d",), {"macs": (b"\n\v", b"\f\r")}),
    ("an element's field", ("dev/pairs[0].b=9",), {"pairs": [{"a": 1, "b": 9}]}),
    ("a struct's field", ("dev/deep.x=0x0102",), {"deep": {"x": 0x102}}),
    ("a longer string", ('dev/name="longer"',), {"name": b"longer"}),
    ("a string as typed", ("dev/name=longer than it was",), {"name": b"longer than it was"}),
    ("a string made shorter", ("dev/name@length=1",), {"name": b"a"}),
    ("a string in a list", ("dev/texts[1].t=zz",), {"texts": [{"t": b"x"}, {"t": b"zz"}]}),
    ("more numbers: their count", ("dev/numbers=[1,2,3,4]",), {"n": 2, "numbers": (1, 2, 3, 4)}),
    ("no numbers", ("dev/numbers=[]",), {"n": 0, "numbers": ()}),
    ("a greater count: zeros", ("dev/n=3",), {"n": 3, "numbers": (1, 2, 0, 0, 0, 0)}),
    ("a smaller count", ("dev/n=0",), {"n": 0, "numbers": ()}),
    (
        "a count with a dot and one less",
        ("dev/pairs.m=4",),
        {"pairs.m": 4, "pairs": [{"a": 1, "b": 2}, *[{"a": 0, "b": 0}] * 2]},
    ),
    ("an array's length", ("dev/pairs@length=2",), {"pairs.m": 3, "pairs": [{"a": 1, "b": 2}, {"a": 0, "b": 0}]}),
    ("a buffer and its count", ("dev/data=hex:010203",), {"len": 3, "data": b"\1\2\3"}),
    ("a buffer's length", ("dev/data@length=5",), {"len": 5, "data": b"\1\2\0\0\0"}),
    ("a list's length", ("dev/texts@length=3",), {"texts": [{"t": b"x"}, {"t": b"y"}, {"t": b""}]}),
    ("a condition that holds now", ("dev/flags=2",), {"flags": 2, "extra": 0}),
    ("and a value for its field", ("dev/flags=2", "dev/extra=9"), {"flags": 2, "extra": 9}),
    ("a condition that holds no more", ("dev/flags=2", "dev/flags=0"), {"flags": 0}),
    ("a subsection", ("dev/+dev/one",), {"dev/one": {"@version": 1, "x": 0}}),
    ("and its field", ("dev/+dev/one", "dev/dev/one.x=9"), {"dev/one": {"@version": 1, "x": 9}}),
    ("a subsection's count", ("dev/dev/two.v=[1,2,3]",), {"dev/two": {"@version": 3, "k": 3, "v": (1, 2, 3)}}),
    (
        "an older subsection has fewer fields",
        ("dev/+dev/old", "dev/dev/old@version=1"),
        {"dev/old": {"@version": 1, "first": 0}},
    ),
    ("a subsection of a struct", ("dev/+deep.pair",), {"deep": {"x": 1, "pair": {"@version": 1, "a": 0, "b": 0}}}),
    ("an element of an array goes", ("dev/-pairs[0]",), {"pairs.m": 0, "pairs": []}),
    ("an element of a list goes", ("dev/-texts[0]",), {"texts": [{"t": b"y"}]}),
]


@pytest.mark.parametrize(("name", "edits", "right"), FOLLOWS, ids=[name for name, _, _ in FOLLOWS])
def test_what_depends_on_a_field_follows(name: str, edits: tuple[str, ...], right: dict[str, Any]) -> None:
    result, changes = edited(*edits)
    two = {"dev/two": {"@version": 3, "k": 1, "v": (7,)}}
    assert values(result) == VALUES | two | right
    assert len(changes) >= len(edits)


def test_a_subsection_goes() -> None:
    result, _ = edited("dev/-dev/two")
    assert values(result) == {name: value for name, value in VALUES.items() if name != "dev/two"}


def test_subsections_stand_in_the_order_of_the_schema() -> None:
    result, _ = edited("dev/+dev/old", "dev/+dev/one")
    assert [name for name in values(result) if "/" in name] == ["dev/one", "dev/two", "dev/old"]


def test_what_changed_is_told() -> None:
    _, changes = edited("dev/regs[0..1]=0x20", 'dev/name="z"', "PING/cookie=1")
    assert [(c.record, c.path, c.old, c.new) for c in changes] == [
        ("#0 dev", "regs[0]", "1", "0x20"),
        ("#0 dev", "regs[1]", "2", "0x20"),
        ("#0 dev", "name", '"abc"', "7a"),
        ("#1 PING", "cookie", "7", "1"),
    ]


RAW: list[tuple[str, str, bytes, bytes]] = [
    ("a count alone", "dev/n=9", b"\1\0\1\0\2", b"\x09\0\1\0\2"),
    ("a length alone", "dev/name@length=200", b"\3abc", b"\xc8abc"),
    ("a longer string, the length as it was", 'dev/name="abcdef"', b"\3abc", b"\3abcdef"),
    ("a mark of a list", "dev/texts@end=5", b"\1\1y\0", b"\1\1y\5"),
    ("an array without its count", "dev/numbers=[1,2,3]", b"\1\0\1\0\2\2", b"\1\0\1\0\2\0\3\2"),
    ("an id without the footer", "dev/@id=5", b"\4\0\0\0\3\3dev", b"\4\0\0\0\5\3dev"),
]


@pytest.mark.parametrize(("name", "edit", "old", "new"), RAW, ids=[name for name, *_ in RAW])
def test_raw_edits_write_at_their_place_only(name: str, edit: str, old: bytes, new: bytes) -> None:
    before = write(stream())
    assert before.count(old) == 1
    result, _ = apply(stream(), [edit], SCHEMAS, raw=True)
    assert write(result) == before.replace(old, new)


HEADS: list[tuple[str, str, str, bytes]] = [
    ("id and footer", "dev/@id=0x11", "pc", b"\x7e\0\0\0\x11"),
    ("instance", "dev/@instance=4", "pc", b"\3dev\0\0\0\4\0\0\0\2"),
    ("version", "dev/@version+=5", "pc", b"\3dev\0\0\0\0\0\0\0\7"),
    ("name", "dev/@name=device", "pc", b"\6device"),
    ("footer", "dev/@footer=none", "pc", b"\3\1\7\x08\0\2"),
    ("kind", "dev/@kind=START", "pc", b"pc\1\0\0\0\3\3dev"),
    ("a command's number", "PING/@cmd=11", "pc", b"\x08\0\x0b\0\4\0\0\0\7"),
    ("a command by name", "PING/@cmd=POSTCOPY_RUN", "pc", b"\x08\0\5\0\4\0\0\0\7"),
    ("the header's version", "version=2", "pc", b"QEVM\0\0\0\2"),
    ("magic", "header/magic=hex:51455652", "pc", b"QEVR"),
    ("the machine", "configuration/machine=q35", "q35", b"\7\0\0\0\3q35"),
]


@pytest.mark.parametrize(("name", "edit", "machine", "found"), HEADS, ids=[name for name, *_ in HEADS])
def test_what_stands_around_payloads(name: str, edit: str, machine: str, found: bytes) -> None:
    result, (change,) = apply(stream(), [edit], SCHEMAS)
    assert write(result).count(found) == 1
    assert result.configuration is not None
    assert result.configuration.machine == machine
    assert change.new


def test_a_capability_is_added_to_the_configuration() -> None:
    made = Configuration.build("pc", {"configuration/capabilities": {"count": 0, "capabilities": []}})
    start = read(write(Stream(Header(), made, (Eof(),))))
    result, _ = apply(start, ["configuration/count=1", "configuration/capabilities[0].name=x-ignore-shared"])
    assert result.configuration is not None
    assert result.configuration.capabilities == ("x-ignore-shared",)


ERRORS: list[tuple[str, str, str]] = [
    (
        "nothing of that name",
        "dev/nothing=1",
        "dev/nothing: expected a pattern that finds a field, found nothing of that name in the stream",
    ),
    (
        "no record",
        "nobody/level=1",
        "nobody/level: expected a pattern that finds a field, found nothing of that name in the stream",
    ),
    ("out of range", "dev/level=128", "#0 dev/level: expected a number of type int8 (-0x80 to 0x7f), found 128"),
    (
        "out of range by sum",
        "dev/level+=0x81",
        "#0 dev/level: expected a number of type int8 (-0x80 to 0x7f), found 0x80",
    ),
    ("negative", "dev/n=-1", "#0 dev/n: expected a number of type uint8 (0 to 0xff), found -1"),
    ("no number", "dev/n=many", "#0 dev/n: expected a number of type uint8 (0 to 0xff), found many"),
    ("an operator for bytes", "dev/fixed|=1", "#0 dev/fixed: expected = for what is no number, found |="),
    ("too long a text", 'dev/fixed="abcde"', "#0 dev/fixed: expected 4 bytes, found 5"),
    ("too short a buffer", "dev/fixed=hex:00", "#0 dev/fixed: expected 4 bytes, found 1"),
    ("too many numbers", "dev/regs=[1,2,3,4]", "#0 dev/regs: expected 3 numbers, found 4"),
    ("no list", "dev/regs=5", "#0 dev/regs: expected a list of 3 numbers of type uint32, [1, 2, 3], found 5"),
    (
        "a number that its count cannot tell",
        "dev/numbers=[1]",
        "#0 dev/numbers: expected a number of elements that 'n' can tell, found 1",
    ),
    ("too long a string", "dev/name=" + "x" * 256, "#0 dev/name: expected at most 255 bytes, found 256"),
    ("a record", "dev=1", "dev: expected a field of a record, PATTERN/FIELD, found a record"),
    (
        "a mark of a list",
        "dev/texts@end=5",
        "#0 dev/texts@end: expected elements to be added or removed, or a raw edit, found @end",
    ),
    (
        "a length of what has none",
        "dev/level@length=2",
        "#0 dev/level: expected an array, a list, a string or a buffer, found none of these",
    ),
    ("a fixed array's length", "dev/regs@length=2", "#0 dev/regs: expected 3 elements, as always, found 2"),
    (
        "a subsection that is there",
        "dev/+dev/two",
        "dev/+dev/two: expected a pattern that finds a field, found nothing of that name in the stream",
    ),
    (
        "a field that cannot go",
        "dev/-level",
        "#0 dev/level: expected a subsection or an element of an array or list, found a field",
    ),
    ("no edit", "dev/level", "expected PATTERN=VALUE, RECORD/+SUBSECTION or RECORD/-FIELD, found dev/level"),
    ("a name too long", "dev/@name=" + "x" * 256, "dev/@name: expected a name of at most 255 bytes, found 256"),
    (
        "an id too large",
        "dev/@id=0x100000000",
        "dev/@id: expected a number of type uint32 (0 to 0xffffffff), found 0x100000000",
    ),
    ("a kind", "dev/@kind=EOF", "dev/@kind: expected = and one of START, PART, END, FULL, found =EOF"),
]


@pytest.mark.parametrize(("name", "edit", "said"), ERRORS, ids=[name for name, _, _ in ERRORS])
def test_what_cannot_be_done_is_one_line(name: str, edit: str, said: str) -> None:
    with pytest.raises(StreamError) as caught:
        apply(stream(), [edit], SCHEMAS)
    assert str(caught.value) == said


def test_a_count_does_not_make_arrays_without_end() -> None:
    schema = Schema("dev", 1, 1, (Field("n", "uint32"), Field("a", "uint64", count=Count("n", unsigned=True))))
    start = read(write(Stream(records=(Section.build(schema, {"n": 0, "a": ()}), Eof()))), {("dev", 0): schema})
    with pytest.raises(StreamError, match="a count that calls for at most"):
        apply(start, ["dev/n=0xffffffff"])


def test_a_name_of_several_lines_is_one_line() -> None:
    section = Section(Kind.FULL, 3, "a\nb", 0, 1, b"\1", footer=3)
    with pytest.raises(TextError) as caught:
        apply(Stream(records=(section, Eof())), ["*/-payload"])
    assert str(caught.value) == "#0 a\\nb/payload: expected a schema that explains the section, found none"


def test_without_a_schema_bytes_can_be_written() -> None:
    section = Section(Kind.FULL, 3, "x", 0, 1, b"\1\2\3", footer=3)
    start = read(write(Stream(records=(section, Eof()))))
    result, _ = apply(start, ["x/payload[1]=9"])
    assert result.sections[0].payload == b"\1\x09\3"
    result, _ = apply(start, ['x/payload="longer"'])
    assert result.sections[0].payload == b"longer"


def test_a_block_name_in_a_command_tells_its_length() -> None:
    discard = Command(Cmd.POSTCOPY_RAM_DISCARD, b"\0\2pc\0" + bytes(16))
    start = read(write(Stream(records=(discard, Eof()))))
    result, _ = apply(start, ["POSTCOPY_RAM_DISCARD/block=pc.ram", "POSTCOPY_RAM_DISCARD/length[0]=0x1000"])
    command = result.records[0]
    assert isinstance(command, Command)
    assert command.payload == b"\0\6pc.ram\0" + bytes(8) + (0x1000).to_bytes(8, "big")


def package() -> Stream:
    inner = Section.build(DEVICE, VALUES, section_id=3)
    outer = pack([Command.ping(1), pack([inner, Eof()]), inner, Command(Cmd.POSTCOPY_RUN)])
    return read(write(Stream(records=(outer, Command.ping(2), Eof()))), SCHEMAS)


def test_in_packages_lengths_follow() -> None:
    result, changes = edited('dev/name="a longer one"', start=package())
    assert [change.record for change in changes] == ["#0.1.0 dev", "#0.2 dev"]
    found = result.find("dev/name", SCHEMAS)
    assert [match.node.value for match in found] == [b"a longer one"] * 2
    command = result.records[0]
    assert isinstance(command, Command)
    assert len(command.package) == int.from_bytes(command.payload, "big")


def test_records_in_packages_are_dropped_and_moved() -> None:
    result, changes = edited(Drop("#0.1.0"), Move("#0.2", "before", "#0.0"), start=package())
    assert [change.new for change in changes] == ["dropped", "moved before #0.0 PING"]
    command = result.records[0]
    assert isinstance(command, Command)
    names = [getattr(record, "name", "EOF") for record in package_records(result, command, SCHEMAS)]
    assert names == ["dev", "PING", "PACKAGED", "POSTCOPY_RUN"]


def row(*edits: Edit) -> list[str]:
    sections = [Section(Kind.FULL, i, name, 0, 1, b"\0", footer=i) for i, name in enumerate("abcd")]
    result, _ = apply(read(write(Stream(records=(*sections, Eof())))), edits)
    assert read(write(result), tolerant=True).records == result.records
    return [record.name if isinstance(record, Section) else "-" for record in result.records]


OTHER = Section(Kind.FULL, 9, "z", 0, 1, b"\0", footer=9)


@pytest.mark.parametrize(
    ("edits", "right"),
    [
        ([Drop("a")], "bcd-"),
        ([Drop("[bc]"), Drop("b")], None),
        ([Drop("#1"), Drop("#2")], "ad-"),
        ([Drop("EOF")], "abcd"),
        ([Duplicate("b")], "abbcd-"),
        ([Duplicate("*")], "aabbccdd-"),
        ([Move("a", "after", "d")], "bcda-"),
        ([Move("d", "before", "a")], "dabc-"),
        ([Move("#0", "after", "#1"), Move("#3", "before", "#2")], "badc-"),
        ([Insert((OTHER,))], "abcdz-"),
        ([Insert((OTHER, OTHER), "after", "a")], "azzbcd-"),
        ([Insert((OTHER,), "before", "b"), Drop("b")], "azcd-"),
    ],
)
def test_records(edits: list[Edit], right: str | None) -> None:
    if right is None:
        with pytest.raises(StreamError, match="a pattern that finds a record"):
            row(*edits)
    else:
        assert "".join(row(*edits)) == right


def test_patterns_of_records_mean_the_stream_as_it_came() -> None:
    result, changes = edited("dev/@name=other", Drop("dev"))
    assert [change.new for change in changes] == ['"other"', "dropped"]
    assert not result.sections


@pytest.mark.parametrize("edit", [Move("a", "after", "a"), Move("x", "after", "a"), Move("a", "after", "x"), Drop("x")])
def test_moves_that_cannot_be(edit: Edit) -> None:
    with pytest.raises(TextError):
        row(edit)


@cache
def described() -> Stream:
    """A stream with a VMDESCRIPTION."""
    devices = [
        {
            "name": name,
            "instance_id": instance,
            "vmsd_name": name,
            "version": 1,
            "fields": [{"name": "x", "type": "uint8", "size": 1}],
        }
        for name, instance in (("a", 0), ("a", 1), ("nobody", 0), ("b", 0))
    ]
    text = json.dumps({"page_size": 4096, "devices": devices}).encode()
    sections = [
        Section(Kind.FULL, i, name, instance, 1, bytes([i]), footer=i)
        for i, (name, instance) in enumerate((("a", 0), ("a", 1), ("b", 0)))
    ]
    trailing = b"\6" + len(text).to_bytes(4, "big") + text
    return read(write(Stream(Header(), None, (*sections, Eof()), trailing)))


@pytest.mark.parametrize(
    ("edits", "right"),
    [
        ([], ["a0", "a1", "nobody0", "b0"]),
        ([Drop("a@1")], ["a0", "b0", "nobody0"]),
        ([Drop("#0")], ["a1", "nobody0", "b0"]),
        ([Duplicate("b")], ["a0", "a1", "nobody0", "b0", "b0"]),
        ([Move("b", "before", "#0")], ["b0", "a0", "a1", "nobody0"]),
        (["b/@name=c", "b/@instance=4"], None),
        (["b/@name=c"], ["a0", "a1", "nobody0", "c0"]),
    ],
)
def test_the_description_follows(edits: list[Edit | str], right: list[str] | None) -> None:
    if right is None:
        with pytest.raises(TextError):  # it is called otherwise by then
            apply(described(), edits)
        return
    result, _ = apply(described(), edits)
    found = Description.of(result.trailing)
    assert found is not None
    assert [f"{name}{instance}" for name, instance in found.keys] == right
    again = read(write(result))
    assert again.trailing == result.trailing
    assert all(section.tree.find("x") is not None for section in again.sections)


def test_the_description_stays_in_a_raw_edit() -> None:
    result, _ = apply(described(), [Drop("a")], raw=True)
    assert result.trailing == described().trailing


@pytest.mark.parametrize(
    "text", [b'{"page_size": 4096, "devices": [{}]}', b'{"page_size": 1}', b'{"page_size": 4096, "devices": [1']
)
def test_a_description_that_cannot_be_understood_stays(text: bytes) -> None:
    trailing = b"\6" + len(text).to_bytes(4, "big") + text
    start = Stream(Header(), None, (OTHER, OTHER, Eof()), trailing)
    result, _ = apply(start, [Drop("#0")])
    assert result.trailing == trailing
    assert len(result.records) == 2


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("a/b=1", Assign("a/b", "=", "1")),
        ("a/b |= 0x10", Assign("a/b", "|=", "0x10")),
        ("a/b-=1", Assign("a/b", "-=", "1")),
        ('a/b="x=y"', Assign("a/b", "=", '"x=y"')),
        ("a*/+b/c", Add("a*", "b/c")),
        ("0000:00:02.0/a/-b[2]", Remove("0000:00:02.0/a", "b[2]")),
    ],
)
def test_edits_as_typed(text: str, edit: Edit) -> None:
    assert parse_edit(text) == edit


def test_moves_as_typed() -> None:
    assert parse_move("0000:00:02.0/a:after:#3") == Move("0000:00:02.0/a", "after", "#3")
    assert split_target("a.vmstate:x:before:0000:00:02.0/b") == ("a.vmstate:x", "before", "0000:00:02.0/b")
    assert split_target("a.vmstate:x:FULL") == ("a.vmstate:x:FULL", "before", None)
    with pytest.raises(TextError):
        parse_move("a:beside:b")


def guest(*pages: bytes) -> Stream:
    """A stream with a block list and pages."""
    start = Section(
        Kind.START,
        2,
        "ram",
        0,
        4,
        (0x3004).to_bytes(8, "big")
        + b"\2pc"
        + (0x2000).to_bytes(8, "big")
        + b"\1r"
        + (0x1000).to_bytes(8, "big")
        + END,
        footer=2,
    )
    part = Section(Kind.PART, 2, "ram", 0, 4, b"".join(pages) + END, footer=2)
    return read(write(Stream(records=(start, part, Eof()))))


END = (0x10).to_bytes(8, "big")
ZERO = (0x1002).to_bytes(8, "big") + b"\2pc\0"
XBZRLE = (0x60).to_bytes(8, "big") + b"\1\0\3\1\1\7"


@pytest.mark.parametrize(
    ("name", "edit", "old", "new"),
    [
        (
            "a block's length and the sum of all",
            "ram:START/blocks[1].length=0x2000",
            "3004027063000000000000200001720000000000001000",
            "4004027063000000000000200001720000000000002000",
        ),
        ("a longer name", "ram:START/blocks[1].name=rom", "01720000000000001000", "03726f6d0000000000001000"),
        ("the block of a page", "ram:PART/[0].block=r", "1002 02706300", "1002 017200"),
        ("what a page is filled with", "ram:PART/[0].fill=0xff", "1002 02706300", "1002 027063ff"),
        ("a body and its length", "ram:PART/[1].data=hex:010107010109", "0060 010003010107", "0060 010006010107010109"),
        ("a record less", "ram:PART/-[1]", "0000000000000060 010003010107", ""),
    ],
)
def test_records_of_ram(name: str, edit: str, old: str, new: str) -> None:
    start = guest(ZERO, XBZRLE)
    result, changes = apply(start, [edit])
    assert write(start).count(bytes.fromhex(old)) == 1
    assert write(result) == write(start).replace(bytes.fromhex(old), bytes.fromhex(new))
    assert len(changes) == 1
    assert read(write(result), tolerant=True).faults == ()


def test_a_record_of_ram_that_cannot_be() -> None:
    with pytest.raises(TextError, match="expected"):
        apply(guest(ZERO), ["ram:PART/[0].address_flags=0x1048"])


@cache
def real() -> tuple[Stream, Schemas]:
    schemas = section_schemas(parse(find_machine("q35-modern").description.read_bytes()))
    return read(find_stream("q35-modern/after").read_bytes(), schemas), schemas


def leaves_of(of: Stream) -> list[tuple[int, str, Node]]:
    found = []
    for number, record in enumerate(of.records):
        if isinstance(record, Section) and not record.is_ram:
            found += [(number, path, node) for path, node in record.tree.walk() if isinstance(node.value, int)]
    return found


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_one_changed_number_changes_one_number(data: st.DataObject) -> None:
    start, schemas = real()
    known = [item for item in leaves() if "[" not in item[1] or item[1].count("vq[") == 0]
    number, path, node = data.draw(st.sampled_from(known))
    value = data.draw(st.integers(0, 255 if node.size == 1 else 0x7FFF)) if node.type != "int8" else 1
    try:
        result, changes = apply(start, [f"#{number}/{path}={value}"], schemas)
    except StreamError:
        return  # a count, or a mark of a list, that cannot say so
    again = read(write(result), schemas, tolerant=True)
    assert any(change.path == path for change in changes)
    if len(write(result)) == len(write(start)):
        # Damaged config spaces may be told apart otherwise than before: the bytes are what counts.
        at = node.offset
        old, new = write(start), write(result)
        assert old[:at] == new[:at]
        assert old[at + node.size :] == new[at + node.size :]
    assert len(again.records) == len(start.records)


@cache
def leaves() -> list[tuple[int, str, Node]]:
    return leaves_of(real()[0])


def test_no_edit_is_no_change() -> None:
    start, schemas = real()
    result, changes = apply(start, [], schemas)
    assert write(result) == write(start)
    assert changes == ()


@cache
def with_description() -> Stream:
    """A stream of the shipped machine, with the VMDESCRIPTION that the program writes for it."""
    start, schemas = real()
    devices = []
    for section in start.sections:
        if section.kind is Kind.FULL:
            schema = schemas[section.name, section.instance]
            size = sum(child.size for child in section.tree.children)
            fields = [{"name": "virtio", "type": "virtio", "size": size}] if schema.name.startswith("virtio-") else []
            if not fields:
                fields = [{"name": "data", "type": "buffer", "size": len(section.payload)}]
            vmsd = {"name": section.name, "instance_id": section.instance, "vmsd_name": schema.name}
            devices.append({**vmsd, "version": section.version, "fields": fields})
    text = json.dumps({"page_size": 4096, "devices": devices}).encode()
    whole = Stream(start.header, start.configuration, start.records, b"\6" + len(text).to_bytes(4, "big") + text)
    return read(write(whole))


def test_the_size_of_what_a_description_leaves_opaque_follows() -> None:
    start = with_description()
    result, _ = apply(start, ["virtio-net/mac_table.in_use=3", Duplicate("virtio-blk")])
    again = read(write(result))
    assert again.vmdescription is not None
    devices = json.loads(again.vmdescription)["devices"]
    sizes = {device["name"]: device["fields"][0]["size"] for device in devices}
    assert len(devices) == len([section for section in again.sections if section.kind is Kind.FULL])
    assert sizes == {section.name: len(section.payload) for section in again.sections if section.kind is Kind.FULL}


def test_a_section_that_has_grown_is_described_anew() -> None:
    start = described()
    grown = Schema("a", 1, 1, (Field("x", "uint8"),), (Schema("a/more", 4, 4, (Field("y", "uint16"),)),))
    result, _ = apply(start, ["a@1/+a/more", "a@1/a/more.y=5"], {("a", 1): grown})
    again = read(write(result))
    found = again.section("a", 1)
    assert found is not None
    assert found.tree.values() == {"x": 1, "a/more": {"@version": 4, "y": 5}}
    assert again.vmdescription is not None
    (one, other, *_) = json.loads(again.vmdescription)["devices"]
    assert "subsections" not in one
    assert [sub["vmsd_name"] for sub in other["subsections"]] == ["a/more"]


def test_what_is_inserted_is_described() -> None:
    schema = Schema("z", 1, 1, (Field("x", "uint8"),))
    new = Section.build(schema, {"x": 5}, section_id=9)
    result, _ = apply(described(), [Insert((new,), "before", "b")])
    again = read(write(result))
    found = again.section("z")
    assert found is not None
    assert found.tree.values() == {"x": 5}


def test_analyze_migration_reads_what_was_edited(tmp_path: Path) -> None:
    script = os.environ.get("VMFUZZ_ANALYZE_MIGRATION")
    if not script:
        pytest.skip("VMFUZZ_ANALYZE_MIGRATION names no analyze-migration.py")
    path = tmp_path / "stream"
    edits: list[Edit | str] = [
        "virtio-net/mac_table.in_use=3",
        Drop("mch"),
        Duplicate("cpu"),
        Move("virtio-blk", "before", "timer"),
    ]
    path.write_bytes(write(apply(with_description(), edits)[0]))
    command = [sys.executable, script, "-f", str(path), "-d", "state"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"globalstate (' in done.stdout  # the last one: it did not lose its way before


QEMU: list[tuple[str, list[Edit | str], str, object]] = [
    ("a run state", ['globalstate/runstate="shutdown"'], "globalstate/runstate", b"shutdown" + bytes(92)),
    ("a moved BAR", ["virtio-net/config[1].bar1=0xfe523000"], "virtio-net/config[1].bar1", 0xFE523000),
    ("a subsection less", ["virtio-blk/-virtio/started"], "virtio-blk/virtio/started.started", None),
    (
        "a subsection more",
        ["virtio-net/+virtio/broken", "virtio-net/virtio/broken.broken=true"],
        "virtio-net/virtio/broken.broken",
        1,
    ),
    ("an array that grew", ["virtio-net/mac_table.in_use=3"], "virtio-net/mac_table.in_use", 3),
    ("a section less", [Drop("virtio-blk")], "virtio-blk/virtio/started.started", None),
    (
        "sections repeated and moved",
        [Duplicate("timer"), Move("mch", "before", "timer")],
        "timer/cpu_ticks_offset",
        ...,
    ),
    ("a machine's name", ["configuration/machine=pc"], "configuration/machine", b"pc-q35-7.2"),
    (
        "subsections that only the store knows",
        ["configuration/+configuration/uuid", "cpu/+cpu/tsc_khz"],
        "cpu/env.eip",
        ...,
    ),
    ("a section in a package", ["virtio-net/mac=[2,0,0,0,0,9]"], "virtio-net/mac", (2, 0, 0, 0, 0, 9)),
]


@pytest.mark.qemu
@pytest.mark.parametrize(("name", "edits", "pattern", "right"), QEMU, ids=[name for name, *_ in QEMU])
def test_a_qemu_takes_it(name: str, edits: list[Edit | str], pattern: str, right: object, real_qemu: str) -> None:
    start, schemas = real()
    description = json.loads(find_machine("q35-modern").description.read_bytes())
    if name == "a section in a package":
        ram = [record for record in start.sections if record.is_ram]
        devices = [record for record in start.sections if not record.is_ram]
        start = read(write(start.with_records([*ram, pack([*devices, Eof()]), Eof()])), schemas)
    result, _ = apply(start, edits, schemas)
    got = load(description["arguments"], write(result), binary=real_qemu, save=True)
    assert got.verdict == "accepted", got.messages
    assert got.saved is not None, got.unsaved
    found = [match.node.value for match in read(got.saved).find(pattern)]
    if right is not ...:
        assert found == ([] if right is None else [right])
    if name == "a moved BAR":
        assert re.search(r"00000000fe523000-\w+ \(prio 0, i/o\): msix-table", got.flat)
