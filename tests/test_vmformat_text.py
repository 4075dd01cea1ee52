"""The text form: literal texts, the law that no byte is lost, what is said of a text that somebody changed wrongly."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.corpus import find_stream, shipped_machines
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
from vmformat.ram.context import RamContext
from vmformat.text import TextError, bytes_from_text, from_text, record_lines, records_from_text, to_text
from vmformat.text.fields import field_bytes
from vmformat.text.ram_lines import ram_bytes, ram_lines
from vmformat.text.values import (
    ValueFault,
    read_bytes,
    read_integer,
    read_numbers,
    shown_bytes,
    shown_integer,
    shown_numbers,
)

PAIR = Schema("pair", 1, 1, (Field("a", "uint16"), Field("b", "uint8", count=2)))
DEVICE = Schema(
    "dev",
    1,
    1,
    (
        Field("level", "int32"),
        Field("on", "bool"),
        Field("text", "buffer", 8),
        Field("pairs", "struct", struct=PAIR, count=5),
        Field("n", "uint8"),
        Field("numbers", "uint16", count=Count("n")),
        Field("name", "string"),
        Field("list", "qtailq", struct=PAIR),
        Field("long", "le32", count=20),
    ),
    (Schema("dev/more", 3, 1, (Field("x", "uint8"),)),),
)
VALUES = {
    "level": -4096,
    "on": 1,
    "text": b"paused\0\0",
    "pairs": [{"a": 0, "b": (0, 0)}, {"a": 300, "b": (1, 2)}, *[{"a": 0, "b": (0, 0)}] * 3],
    "n": 1,
    "numbers": (7,),
    "name": b'a "b"',
    "list": [{"a": 1, "b": (0, 0)}],
    "long": (0,) * 19 + (9,),
    "dev/more": {"x": 5},
}
RAM = bytes.fromhex(
    "0000000000002004 02 7064 00000000000020000000000000000002 02 7064 00 000000000000102200 000000000000202200"
) + bytes.fromhex("0000000000003028 %s 0000000000000010" % ("01" * 4096))
STREAM = Stream(
    Header(),
    Configuration.build("pc", {"configuration/uuid": {"uuid": bytes(16)}}),
    (
        Section(Kind.START, 2, "ram", 0, 4, RAM, footer=2),
        Command.ping(7),
        pack([Section.build(DEVICE, VALUES, section_id=3), Command(Cmd.POSTCOPY_RUN)]),
        Section(Kind.FULL, 4, "odd\n", 1, 0, b"\1\2", footer=None),
        Section(Kind.PART, 2, "ram", 0, 4, bytes(7) + b"\x10", footer=9),
        Eof(),
    ),
    b'\x06\0\0\0\x1e{"page_size": 1, "devices":[]}junk',
)
SCHEMAS = {("dev", 0): DEVICE, ("odd\n", 1): Schema("odd", 0, 0, (Field("x y", "uint8", count=2),))}

TEXT = r"""vmfuzz stream text 1
HEADER version 3
CONFIGURATION
  machine: vbuffer = "pc"
  configuration/uuid: subsection = "configuration/uuid" version 1
  configuration/uuid.uuid: buffer[16] = zero
START "ram" instance 0 version 4 id 2
  sizes 0x2000
  block "pd" 0x2000
  zero 0x0 "pd"
  zero 0x1000..0x2000
  page 0x3000 = 01*4096
  eos
COMMAND PING
  cookie: uint32 = 7
COMMAND PACKAGED
  FULL "dev" instance 0 version 1 id 3
    level: int32 = -0x1000
    on: bool = true
    text: buffer[8] = "paused" zero
    pairs[0].a: uint16 = 0
    pairs[0].b: uint8[2] = zero
    pairs[1].a: uint16 = 0x12c
    pairs[1].b: uint8[2] = [1, 2]
    pairs[2..4]: struct[4] = zero
    n: uint8 = 1
    numbers: uint16[1] = [7]
    name: string = "a \"b\""
    list[0]@more: uint8 = 1
    list[0].a: uint16 = 1
    list[0].b: uint8[2] = zero
    list@end: uint8 = 0
    long[0..15]: le32[16] = zero
    long[16..19]: le32[4] = [0, 0, 0, 9]
    dev/more: subsection = "dev/more" version 3
    dev/more.x: uint8 = 5
  COMMAND POSTCOPY_RUN
FULL "odd\x0a" instance 1 version 0 id 4 footer none
  x\x20y: uint8[2] = [1, 2]
PART id 2 footer 9 of "ram"
  eos
EOF
VMDESCRIPTION
  | {"page_size": 1, "devices":[]}
BYTES
  data: buffer[4] = "junk"
"""


def law(data: bytes) -> str:
    """A text of whatever a tolerant reader makes of it says the same bytes."""
    text = to_text(read(data, SCHEMAS, tolerant=True), SCHEMAS)
    assert bytes_from_text(text) == data
    assert text.isascii()
    return text


def test_every_part_has_its_lines() -> None:
    assert law(write(STREAM)).splitlines() == TEXT.splitlines()


def test_a_text_is_read_as_a_stream() -> None:
    stream = from_text(TEXT, SCHEMAS)
    assert stream == read(write(STREAM), SCHEMAS, tolerant=True)
    assert stream.section("odd\n", 1) is not None


def test_a_text_without_indentation_or_with_remarks_says_the_same() -> None:
    changed = TEXT.replace("  level:", "\n# a remark\n      level:").replace("\n", "\r\n")
    assert bytes_from_text(changed) == write(STREAM)


@pytest.mark.parametrize(
    ("name", "old", "new", "at", "right"),
    [
        ("number", "level: int32 = -0x1000", "level: int32 = 2", 4, b"\0\0\0\2"),
        ("text", '"paused"', '"running"', 9, b"running\0"),
    ],
)
def test_one_changed_value(name: str, old: str, new: str, at: int, right: bytes) -> None:
    stream = from_text(TEXT.replace(old, new), SCHEMAS)
    (match,) = stream.find("#2.0/level", SCHEMAS)
    section = match.record
    assert isinstance(section, Section)
    start = 0 if name == "number" else 5
    assert section.payload[start : start + len(right)] == right


def test_lengths_follow_what_is_there() -> None:
    longer = from_text(
        TEXT.replace('name: string = "a', 'name: string = "longer a').replace('"pc"', '"pc-q35-7.2"'), SCHEMAS
    )
    assert longer.configuration is not None
    assert longer.configuration.machine == "pc-q35-7.2"
    (match,) = longer.find("#2.0/name", SCHEMAS)
    assert match.node.value == b'longer a "b"'


def test_lengths_that_lie_are_said() -> None:
    data = bytes_from_text(
        TEXT.replace("COMMAND PACKAGED", "COMMAND PACKAGED length 5").replace("PING", "PING length 9")
    )
    assert bytes.fromhex("0800020009 00000007") in data
    assert bytes.fromhex("0800070004 00000005") in data
    short = TEXT.replace("VMDESCRIPTION", "VMDESCRIPTION length 99")
    assert "VMDESCRIPTION length 99" in law(bytes_from_text(short))


GAPS = [
    ("nothing", b""),
    ("a cut header", b"QEVM\0\0"),
    ("another magic", b"QEVX\0\0\0\3\0"),
    ("another version", b"QEVM\0\0\0\2\0"),
    ("a container before it", b"container" + write(STREAM)),
    ("a cut configuration", b"QEVM\0\0\0\3\7\0\0\0\xffpc"),
    ("an unknown record", b"QEVM\0\0\0\3\x55\x55"),
    ("a package that says too much", b"QEVM\0\0\0\3\x08\0\7\0\4\0\0\0\x20\0"),
    ("a package without a length", b"QEVM\0\0\0\3\x08\0\7\0\0\0"),
    ("an empty package", b"QEVM\0\0\0\3\x08\0\7\0\4\0\0\0\0\0"),
    ("bytes behind a package's end", b"QEVM\0\0\0\3\x08\0\7\0\4\0\0\0\3\0\1\2\0"),
    ("a package in a package", b"QEVM\0\0\0\3\x08\0\7\0\4\0\0\0\6\x08\0\7\0\4\0\0\0\0\1\0\0"),
    ("a page cut off", write(STREAM)[:3000]),
    ("an unknown command", b"QEVM\0\0\0\3\x08\0\x63\0\2ab\0"),
    ("a description of other bytes", b"QEVM\0\0\0\3\0\6\0\0\0\2\xff\n"),
]


@pytest.mark.parametrize(("name", "data"), GAPS, ids=[name for name, _ in GAPS])
def test_damage_is_kept(name: str, data: bytes) -> None:
    law(data)


def test_what_cannot_be_read_is_told_in_a_remark() -> None:
    stream = read(write(Stream(records=(Section.build(DEVICE, VALUES), Eof()))), SCHEMAS)
    section = stream.sections[0]
    cut = Stream(records=(section.replace_payload(section.payload[:12]), Eof()))
    text = to_text(cut)
    assert '  text: buffer[7] = "paused" zero' not in text
    assert "  # offset" in text


def test_a_record_by_itself() -> None:
    stream = read(write(STREAM), SCHEMAS, tolerant=True)
    lines = list(record_lines(stream, stream.records[1]))
    assert lines == ["COMMAND PING", "  cookie: uint32 = 7"]
    assert records_from_text("\n".join(lines)) == (Command.ping(7),)
    assert records_from_text("BYTES\n  a: uint8 = 0x55") == (Gap(b"\x55"),)


ERRORS = [
    ("no text at all", "QEVM", "a.txt:1: expected vmfuzz stream text 1, found QEVM"),
    (
        "a number too large",
        TEXT.replace("= -0x1000", "= 0x80000000"),
        "a.txt:18: expected a number of type int32 (-0x80000000 to 0x7fffffff), found 0x80000000",
    ),
    (
        "no number",
        TEXT.replace("= -0x1000", "= many"),
        "a.txt:18: expected a number of type int32 (-0x80000000 to 0x7fffffff), found many",
    ),
    (
        "nothing behind =",
        TEXT.replace("= -0x1000", "="),
        "a.txt:18: expected a number of type int32 (-0x80000000 to 0x7fffffff), found nothing",
    ),
    ("too many bytes", TEXT.replace('"paused" zero', '"suspended"'), "a.txt:20: expected 8 bytes, found 9"),
    ("too few numbers", TEXT.replace("[1, 2]", "[1]", 1), "a.txt:24: expected 2 numbers, found 1"),
    (
        "an unknown type",
        TEXT.replace("on: bool", "on: boolean"),
        "a.txt:19: expected a type of the text form, found boolean",
    ),
    (
        "no field",
        TEXT.replace("on: bool = true", "on is true"),
        "a.txt:19: expected PATH: TYPE = VALUE, found on is true",
    ),
    (
        "an unknown record",
        TEXT.replace("COMMAND PING", "COMMAND PONG"),
        "a.txt:14: expected a number, or one of INVALID",
    ),
    ("no id", TEXT.replace("version 4 id 2", "version 4"), "a.txt:7: expected id NUMBER, found none"),
    (
        "an id too large",
        TEXT.replace("version 4 id 2", "version 4 id 0x100000000"),
        "a.txt:7: expected a number of type uint32",
    ),
    ("no name", TEXT.replace('START "ram"', "START"), 'a.txt:7: expected a "NAME" behind START and FULL'),
    (
        "something else behind a record",
        TEXT.replace("EOF", "EOF now 1"),
        "a.txt:42: expected nothing behind EOF, each once, found now",
    ),
    (
        "a record in a section",
        TEXT.replace("COMMAND PING", "  COMMAND PING"),
        "a.txt:14: expected a field of the START in line 7, or COMMAND not indented",
    ),
    (
        "a field of no record",
        TEXT.replace("HEADER version 3", "x: uint8 = 1"),
        "a.txt:2: expected a record (HEADER, CONFIGURATION",
    ),
    (
        "a description elsewhere",
        TEXT.replace("VMDESCRIPTION\n", ""),
        "a.txt:43: expected a description's text within VMDESCRIPTION",
    ),
    ("a page of no size", TEXT.replace("01*4096", "01*5000"), "a.txt:12: expected at most 4096 bytes, found 01*5000"),
    (
        "an odd address",
        TEXT.replace("page 0x3000", "page 0x3001"),
        "a.txt:12: expected a multiple of 0x1000, found 0x3001",
    ),
    (
        "fields in a package",
        TEXT.replace("COMMAND PACKAGED\n", "COMMAND PACKAGED\n  a: uint8 = 1\n"),
        "a.txt:16: expected records within PACKAGED",
    ),
]


@pytest.mark.parametrize(("name", "text", "said"), ERRORS, ids=[name for name, _, _ in ERRORS])
def test_what_is_wrong_is_one_line_with_its_place(name: str, text: str, said: str) -> None:
    with pytest.raises(TextError) as caught:
        bytes_from_text(text, name="a.txt")
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, StreamError)


BYTES = [
    (b"", True, '""'),
    (bytes(5), True, "zero"),
    (bytes(3), False, "000000"),
    (b"running" + bytes(93), True, '"running" zero'),
    (b"a", False, "61"),
    (b'q"\\', False, r'"q\"\\"'),
    (b"\xff" * 16 + b"\1", False, "ff*16 01"),
    (b"\1" + bytes(20) + b"\2" + bytes(4), True, "01 00*20 02 zero"),
]


@pytest.mark.parametrize(("data", "sized", "words"), BYTES, ids=[words for _, _, words in BYTES])
def test_bytes_as_words(data: bytes, sized: bool, words: str) -> None:
    assert shown_bytes(data, sized=sized) == words
    assert read_bytes(words, len(data) if sized else None) == data


@given(st.binary(max_size=300) | st.builds(bytes, st.integers(0, 300)), st.booleans())
def test_all_bytes_have_words(data: bytes, sized: bool) -> None:
    assert read_bytes(shown_bytes(data, sized=sized), len(data) if sized else None) == data


@pytest.mark.parametrize(
    "type_", ["bool", "int8", "uint8", "int16", "le32", "uint64", "int64", "timer", "uint32 equal"]
)
@given(data=st.data())
def test_all_numbers_have_words(type_: str, data: st.DataObject) -> None:
    signed = type_ in {"int8", "int16", "int64", "timer"}
    bits = {"bool": 8, "int8": 8, "uint8": 8, "int16": 16, "le32": 32, "uint32 equal": 32}.get(type_, 64)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    value = data.draw(st.integers(low, high))
    assert read_integer(shown_integer(value, type_), type_) == value
    assert read_numbers(shown_numbers((value, value), type_), type_, 2) == (value, value)
    for beyond in (low - 1, high + 1):
        with pytest.raises(ValueFault):
            read_integer(str(beyond), type_)


@pytest.mark.parametrize(
    ("line", "data"),
    [
        ('a.b/c: subsection = "b/c" version 1', b"\5\3b/c\0\0\0\1"),
        ("q[2..4]: struct[3] = zero", bytes(9)),
        ("x: string = hex:00ff", b"\2\0\xff"),
        ("x: buffer = 00", b"\0"),
        ("x: le16[2] = [0b11, 0o17]", b"\3\0\x0f\0"),
        ("x: uint8[0] = []", b""),
    ],
)
def test_lines_that_a_person_may_write(line: str, data: bytes) -> None:
    assert field_bytes(line) == data


@pytest.mark.parametrize(
    "line", ["q[2..4]: struct[999999999] = zero", "x: buffer[99999999999] = zero", "x: uint8[9999999999999] = zero"]
)
def test_no_word_stands_for_more_bytes_than_is_sane(line: str) -> None:
    with pytest.raises(ValueFault):
        field_bytes(line)


BIG = RamContext(page_size=16384)
RAMS = [
    (
        "pages of another size",
        bytes(8)[:6] + b"\0\x08\1a" + bytes(16384) + (0x4022).to_bytes(8, "big") + b"\0" + (0x10).to_bytes(8, "big"),
        BIG,
    ),
    ("xbzrle", (0x1060).to_bytes(8, "big") + b"\1\0\3abc" + (0x10).to_bytes(8, "big"), RamContext()),
    (
        "xbzrle with another header",
        (0x1060).to_bytes(8, "big") + b"\2\0\3abc" + (0x10).to_bytes(8, "big"),
        RamContext(),
    ),
    ("compressed", (0x1120).to_bytes(8, "big") + b"\0\0\0\3abc" + (0x10).to_bytes(8, "big"), RamContext()),
    (
        "flush and hook",
        (0x200).to_bytes(8, "big") + (0x80).to_bytes(8, "big") + (0xA0).to_bytes(8, "big"),
        RamContext(),
    ),
    (
        "a block with an address",
        (0x1004).to_bytes(8, "big")
        + b"\1a"
        + (0x1000).to_bytes(8, "big")
        + (1 << 32).to_bytes(8, "big")
        + (0x10).to_bytes(8, "big"),
        RamContext(ignore_shared=True),
    ),
    (
        "a block list that goes on with the last block",
        (0x1024).to_bytes(8, "big") + b"\1a" + (0x1000).to_bytes(8, "big") + (0x10).to_bytes(8, "big"),
        RamContext(),
    ),
    ("what is none", b"\0" * 7, RamContext()),
]


@pytest.mark.parametrize(("name", "data", "context"), RAMS, ids=[name for name, _, _ in RAMS])
def test_ram(name: str, data: bytes, context: RamContext) -> None:
    size, found = 4096, b""
    for line in ram_lines(data, context):
        if line.startswith("page_size"):
            size = context.page_size
        elif line.startswith(("payload", "mapped")):
            found += field_bytes(line)
        else:
            found += ram_bytes(line, size)
    assert found == data


@cache
def seeds() -> tuple[bytes, ...]:
    found = [find_stream(f"{name}/after").read_bytes() for name in shipped_machines()]
    return tuple(sorted((data for data in found if len(data) < 200_000), key=len))


@pytest.mark.parametrize("name", shipped_machines())
@pytest.mark.parametrize("moment", ["before", "after"])
def test_shipped_streams_are_kept(name: str, moment: str) -> None:
    data = find_stream(f"{name}/{moment}").read_bytes()
    assert bytes_from_text(to_text(read(data))) == data


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32))
def test_mutated_streams_are_kept(number: int) -> None:
    dice = random.Random(number)
    data = bytearray(dice.choice(seeds()[:8]))
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(data))
        match dice.randrange(4):
            case 0:
                data[at] = dice.randrange(256)
            case 1:
                del data[at : at + dice.randrange(64)]
            case 2:
                data[at:at] = data[: dice.randrange(64)]
            case _:
                del data[at + 1 :]
    law(bytes(data))


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_kept(data: bytes, headed: bool) -> None:
    law(b"QEVM\0\0\0\3" + data if headed else data)


def test_time_is_linear_in_deep_and_long_names() -> None:
    schema = Schema("end", 1, 1, (Field("x", "uint8", count=4),))
    for i in range(60):
        schema = Schema(f"s{i}", 1, 1, (Field("n" * 500, "struct", struct=schema), Field("y", "uint8")))
    section = Section.build(schema, _nested(60), name="deep")
    stream = read(write(Stream(records=(section, Eof()))), {("deep", 0): schema})
    text = to_text(stream)
    assert bytes_from_text(text) == write(stream)
    assert len(text) < 100_000


def _nested(depth: int) -> dict[str, object]:
    values: dict[str, object] = {"x": (1, 2, 3, 4)}
    for _ in range(depth):
        values = {"n" * 500: values, "y": 1}
    return values
