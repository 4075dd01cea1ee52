from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import DEVICE, NESTED, SCHEMAS, STREAM, VALUES

from fuzz.corpus import find_machine, find_stream
from model import parse, section_schemas
from vmformat import (
    Command,
    Eof,
    Kind,
    Section,
    Stream,
    StreamError,
    read,
    write,
)
from vmformat.render import Detail, Records, lines, plain, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = """\
0x00000000 HEADER version 3
0x00000008 CONFIGURATION pc
            configuration/uuid subsection, version 1
0x00000027    uuid = 16 zero bytes (00000000-0000-0000-0000-000000000000)
0x00000037 #0 START ram instance 0 id 2 version 4, 48 bytes
0x00000050  pd  0x2000 bytes (8 KiB)
            pd: 2 zero pages
0x0000007d #1 COMMAND PING, cookie 7
0x00000086 #2 COMMAND PACKAGED, 63 bytes of records
0x0000008f   #2.0 FULL dev instance 0 id 3 version 1, 36 bytes
0x000000a0    level = 0x1000 (4096)
0x000000a4    on = true
0x000000a5    text = 'paused' and 2 zero bytes
0x000000ad    raw = fe ff
              pairs
0x000000af      [0]: a = 0, b = 2 zeros
0x000000b3      [1]: a = 0x12c, b = 1 2
0x000000b7      [2..4] = all zero
0x000000c3    n = 0
0x000000c4    list = nothing
0x000000c9   #2.1 COMMAND POSTCOPY_RUN
0x000000ce #3 FULL odd\\n instance 1 id 4 version 0, 2 bytes, no footer
0x000000e0  x = 1 2
0x000000e2 #4 EOF
0x000000e3 TRAILING 4 bytes that nobody reads
"""

FLAT = """\
0x00000027 configuration/configuration/uuid.uuid = 16 zero bytes (00000000-0000-0000-0000-000000000000)
0x000000a0   dev@0/level = 0x1000 (4096)
0x000000af   dev@0/pairs[0].a = 0
0x000000b1   dev@0/pairs[0].b = 2 zeros
0x000000b3   dev@0/pairs[1].a = 0x12c (300)
0x000000b7   dev@0/pairs[2..4] = all zero
0x000000e0 odd\\n@1/x = 1 2
"""

DEPTH_0 = """\
0x00000000 HEADER version 3
0x00000008 CONFIGURATION pc
0x0000000f  configuration/uuid: 40 bytes
0x00000037 #0 START ram instance 0 id 2 version 4, 48 bytes
0x0000007d #1 COMMAND PING, cookie 7
0x00000086 #2 COMMAND PACKAGED, 63 bytes of records
0x0000008f   #2.0 FULL dev instance 0 id 3 version 1, 36 bytes
0x000000c9   #2.1 COMMAND POSTCOPY_RUN
0x000000ce #3 FULL odd\\n instance 1 id 4 version 0, 2 bytes, no footer
0x000000e2 #4 EOF
0x000000e3 TRAILING 4 bytes that nobody reads
"""


def test_text() -> None:
    stream = read(write(STREAM), SCHEMAS)
    assert list(lines(stream, SCHEMAS)) == TEXT.splitlines()


def test_flat_has_a_whole_path_in_each_line() -> None:
    shown = list(lines(read(write(STREAM), SCHEMAS), SCHEMAS, Detail(flat=True)))
    assert [line for line in FLAT.splitlines() if line not in shown] == []


def test_depth_0_is_records_alone() -> None:
    assert list(lines(read(write(STREAM), SCHEMAS), SCHEMAS, Detail(depth=0))) == DEPTH_0.splitlines()


def test_depth_1_ends_at_the_first_structs() -> None:
    shown = list(lines(read(write(STREAM), SCHEMAS), SCHEMAS, Detail(depth=1)))
    assert "              pairs" in shown
    deep = list(lines(read(write(STREAM), SCHEMAS), SCHEMAS, Detail(depth=1, flat=True)))
    assert "0x000000af   dev@0/pairs[0]: 4 bytes" in deep


def test_limit_and_no_limit() -> None:
    values = {**VALUES, "pairs": [{"a": i + 1, "b": (0, 0)} for i in range(5)]}
    stream = Stream(records=(Section.build(DEVICE, values, section_id=3), Eof()))
    stream = read(write(stream), {("dev", 0): DEVICE})
    shown = list(lines(stream, detail=Detail(limit=2)))
    assert "0x00000030    [2..4] = 3 more, not shown" in shown
    everything = list(lines(stream, detail=Detail.everything()))
    assert sum(line.strip().endswith("b = 2 zeros") for line in everything) == 5


def test_equal_elements_take_one_line() -> None:
    values = {**VALUES, "pairs": [{"a": 7, "b": (1, 1)}] * 4 + [{"a": 0, "b": (0, 0)}]}
    stream = Stream(records=(Section.build(DEVICE, values, section_id=3), Eof()))
    shown = list(lines(read(write(stream), {("dev", 0): DEVICE})))
    at = shown.index("            pairs")
    assert [line[10:] for line in shown[at + 1 : at + 4]] == [
        "    [0]: a = 7, b = 1 1",
        "    [1..3] = as [0]",
        "    [4]: a = 0, b = 2 zeros",
    ]


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
    assert by_name["text"]["text"] == "paused"
    assert "text" not in by_name["raw"]
    assert by_name["pairs"]["count"] == 5
    elements = by_name["pairs"]["elements"]
    assert isinstance(elements, list)
    assert len(elements) == 1
    assert got["trailing"] == 4


def test_what_cannot_be_decoded_is_still_shown() -> None:
    stream = Stream(records=(Command.packaged(b"\x55"), Section(Kind.START, 2, "ram", 0, 4, b"\0" * 7, footer=2)))
    records = Records(stream)
    shown = list(plain(records.lines()))
    assert shown[2] == "0x00000000   #0.0 GAP 1 byte, no record: 55"
    assert "expected" in shown[4]
    assert [fault.expected for fault in records.faults] == ["a record's type byte", "more bytes"]
    faults = to_json(stream)["faults"]
    assert isinstance(faults, list)
    assert len(faults) == 2


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
    assert all(line.isprintable() for line in lines(stream, SCHEMAS, Detail.everything()))
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
