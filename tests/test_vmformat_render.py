from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.corpus import find_machine, find_stream
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
    Schema,
    Section,
    Stream,
    StreamError,
    pack,
    read,
    write,
)
from vmformat.render import lines, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

PAIR = Schema("pair", 1, 1, (Field("a", "uint16"), Field("b", "uint8", count=2)))
DEVICE = Schema(
    "dev",
    1,
    1,
    (
        Field("level", "int32"),
        Field("on", "bool"),
        Field("text", "buffer", 8),
        Field("raw", "buffer", 2),
        Field("pairs", "struct", struct=PAIR, count=5),
        Field("n", "uint8"),
        Field("list", "uint16", count=Count("n")),
    ),
)
VALUES = {
    "level": 4096,
    "on": 1,
    "text": b"paused\0\0",
    "raw": b"\xfe\xff",
    "pairs": [{"a": 0, "b": (0, 0)}, {"a": 300, "b": (1, 2)}, *[{"a": 0, "b": (0, 0)}] * 3],
    "n": 0,
    "list": (),
}
RAM = bytes.fromhex(
    "0000000000002004 02 7064 00000000000020000000000000000002 02 7064 00 0000000000001022 00 0000000000000010"
)
STREAM = Stream(
    Header(),
    Configuration.build("pc", {"configuration/uuid": {"uuid": bytes(16)}}),
    (
        Section(Kind.START, 2, "ram", 0, 4, RAM, footer=2),
        Command.ping(7),
        Command.packaged(Section.build(DEVICE, VALUES, section_id=3).to_bytes() + Command(Cmd.POSTCOPY_RUN).to_bytes()),
        Section(Kind.FULL, 4, "odd\n", 1, 0, b"\1\2", footer=None),
        Eof(),
    ),
    b"junk",
)
SCHEMAS = {("dev", 0): DEVICE, ("odd\n", 1): Schema("odd", 0, 0, (Field("x", "uint8", count=2),))}

TEXT = """\
0x00000000 header: version 3
0x00000008 configuration: machine 'pc'
  0x00000023 configuration/uuid@version = 1
  0x00000027 configuration/uuid.uuid = 16 zero bytes
0x00000037 START ram instance 0 id 2 version 4, 48 bytes
  0x00000048 block list: 0x2000 bytes in all
  0x00000050 block 'pd': 0x2000 bytes
             block 'pd': 2 ZERO pages
0x0000007d COMMAND PING, cookie 7
0x00000086 COMMAND PACKAGED, length 0x3f
  0x0000008f FULL dev instance 0 id 3 version 1, 36 bytes
    0x000000a0 level = 0x1000
    0x000000a4 on = 1
    0x000000a5 text = 'paused' and 2 zero bytes
    0x000000ad raw = fe ff
    0x000000af pairs[0].a = 0
    0x000000b1 pairs[0].b = 2 zeros
    0x000000b3 pairs[1].a = 0x12c
    0x000000b5 pairs[1].b = 1 2
    0x000000b7 pairs[2..4] = all zero
    0x000000c3 n = 0
    0x000000c4 list = nothing
  0x000000c9 COMMAND POSTCOPY_RUN
0x000000ce FULL odd\\n instance 1 id 4 version 0, 2 bytes, no footer
  0x000000e0 x = 1 2
0x000000e2 EOF
0x000000e3 4 bytes: bytes that nobody reads
"""


def test_text() -> None:
    stream = read(write(STREAM), SCHEMAS)
    assert list(lines(stream, SCHEMAS)) == TEXT.splitlines()
    assert "  0x000000e0 | 01 02" in list(lines(stream, SCHEMAS, hexdump=True))


def test_json() -> None:
    stream = read(write(STREAM), SCHEMAS)
    got = to_json(stream, SCHEMAS)
    assert json.loads(json.dumps(got)) == got
    records = got["records"]
    assert isinstance(records, list)
    package = records[2]
    assert isinstance(package, dict)
    inner = package["records"]
    assert isinstance(inner, list)
    section = inner[0]
    assert isinstance(section, dict)
    fields = section["fields"]
    assert isinstance(fields, list)
    by_name = {field["name"]: field for field in fields if isinstance(field, dict)}
    assert by_name["level"] == {"name": "level", "type": "int32", "offset": 0xA0, "size": 4, "value": 4096}
    assert by_name["on"]["value"] is True
    assert by_name["text"]["value"] == b"paused\0\0".hex()
    assert by_name["pairs"]["count"] == 5
    elements = by_name["pairs"]["elements"]
    assert isinstance(elements, list)
    assert len(elements) == 1
    assert got["trailing"] == 4


def test_what_cannot_be_decoded_is_still_shown() -> None:
    stream = Stream(records=(Command.packaged(b"\x55"), Section(Kind.START, 2, "ram", 0, 4, b"\0" * 7, footer=2)))
    shown = list(lines(stream))
    assert "found 0x55" in shown[2]
    assert "expected" in shown[4]
    assert json.dumps(to_json(stream))


def device(section_id: int) -> Section:
    return Section.build(DEVICE, VALUES, section_id=section_id)


NESTED = write(
    Stream(
        records=(
            Section(Kind.START, 2, "ram", 0, 4, RAM, footer=2),
            pack([pack([pack([device(3), Eof()]), Command(Cmd.RECV_BITMAP, b"\2pd"), Eof()]), device(5), Eof()]),
            device(6),
            Eof(),
        ),
        trailing=b"\6\0\0\0\2{}",
    )
)


def check_shown(data: bytes) -> bool:
    """Whether the bytes can be shown; if not, there is one line of error."""
    stream: Stream | None
    text = ""
    try:
        stream = read(data, SCHEMAS)
    except StreamError as error:
        text = str(error)
        stream = None
    if stream is None:
        assert text.isprintable()
        return False
    assert all(line.isprintable() for line in lines(stream, SCHEMAS, hexdump=True))
    json.dumps(to_json(stream, SCHEMAS))
    return True


def test_every_beginning_of_a_stream_gives_lines_or_one_error() -> None:
    shown = [cut for cut in range(len(NESTED) + 1) if check_shown(NESTED[:cut])]
    end = len(NESTED) - 7
    assert shown == list(range(end, len(NESTED) + 1))


@given(st.lists(st.tuples(st.integers(8, len(NESTED) - 1), st.integers(0, 255)), max_size=4), st.integers(0))
def test_damaged_streams_give_lines_or_one_error(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(NESTED)
    for at, value in changes:
        data[at] = value
    check_shown(bytes(data[: cut % (len(data) + 1)] if cut else data))


def peak(do: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        do()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_large_stream_takes_memory_in_proportion(moment: str) -> None:
    """At most 64 MB and 40 bytes for each byte that is not RAM."""
    data = Path(find_stream(f"seed-24/{moment}")).read_bytes()
    schemas = section_schemas(parse(Path(find_machine("seed-24").description).read_bytes()))
    stream = read(data, schemas)
    most = 64 * 1024 * 1024 + 40 * (
        len(data) - sum(len(section.buffer) for section in stream.sections if section.is_ram)
    )
    assert peak(lambda: read(data, schemas)) < most
    assert peak(lambda: write(stream)) < most
    assert peak(lambda: list(lines(stream, schemas))) < most
    assert peak(lambda: to_json(stream, schemas)) < most
    assert peak(lambda: [section.leaves for section in stream.sections]) < most
