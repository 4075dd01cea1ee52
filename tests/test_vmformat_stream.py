from __future__ import annotations

import contextlib
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.corpus import find_stream
from vmformat import (
    Cmd,
    Command,
    Configuration,
    Eof,
    Field,
    Header,
    Kind,
    Schema,
    Section,
    Stream,
    StreamError,
    package_records,
    read,
    write,
)

TIMER = Schema(
    "timer",
    2,
    1,
    (Field("cpu_ticks_offset", "int64"), Field("unused", "buffer", 8), Field("cpu_clock_offset", "int64")),
)
SCHEMAS = {("timer", 0): TIMER}

HEADER = "5145564d 00000003"
CONFIG = "07 00000002 7063"
RAM_START = "01 00000002 03 72616d 00000000 00000004"
RAM_LIST = "0000000000002004 02 7064 0000000000001000 02 7065 0000000000001000 0000000000000010"
RAM_FOOT = "7e 00000002"
RAM_PART = "02 00000002 0000000000000002 02 7064 00 0000000000000022 00 0000000000000010"
TIMER_FULL = "04 00000000 05 74696d6572 00000000 00000002" + "01" * 24
TIMER_FOOT = "7e 00000000"
SMALL = bytes.fromhex(
    f"{HEADER} {CONFIG} {RAM_START} {RAM_LIST} {RAM_FOOT} {RAM_PART} {RAM_FOOT} {TIMER_FULL} {TIMER_FOOT} 00"
)


def stream(*parts: str) -> bytes:
    return bytes.fromhex(" ".join((HEADER, *parts)))


GOOD: dict[str, bytes] = {
    "nothing but an end": stream(CONFIG, "00"),
    "no configuration": stream("00"),
    "configuration with a uuid": stream(
        CONFIG, "05 12 636f6e66696775726174696f6e2f75756964 00000001 00112233445566778899aabbccddeeff", "00"
    ),
    "configuration with capabilities": stream(
        CONFIG, "05 1a 636f6e66696775726174696f6e2f6361706162696c6974696573 00000001 00000002 01 61 02 6263", "00"
    ),
    "an empty machine name": stream("07 00000000", "00"),
    "small": SMALL,
    "no footers": stream(RAM_START, RAM_LIST, RAM_PART, TIMER_FULL, "00"),
    "a footer of another section": stream(TIMER_FULL, "7e 00000009", "00"),
    "a section nobody knows": stream("04 00000005 01 78 00000000 00000001 aabbcc 7e00000005", "00"),
    "a part of nobody": stream("02 00000063 aabb 7e00000063", "00"),
    "a part of a device": stream(TIMER_FULL, TIMER_FOOT, "02 00000000", "02" * 24, TIMER_FOOT, "00"),
    "a device sent as START": stream("01" + TIMER_FULL[2:], TIMER_FOOT, "00"),
    "another timer, of another length": stream(
        "04 00000000 05 74696d6572 00000000 00000002", "01" * 7, TIMER_FOOT, "00"
    ),
    "a name of any bytes": stream("04 00000005 02 ff41 00000000 00000001 7e00000005", "00"),
    "commands": stream("08 0001 0000 08 0002 0004 00000001 08 0063 0003 010203", "00"),
    "a package": stream("08 0007 0004 00000006 08 0004 0000 00", "00"),
    "an empty package": stream("08 0007 0004 00000000", "00"),
    "a package of another length's length": stream("08 0007 0003 000000", "00"),
    "a package in a package": stream("08 0007 0004 00000006 08 0007 0004 00", "00000001 00", "00"),
    "a package in a package in a package": stream(
        "08 0007 0004 0000000b 08 0007 0004 08 0007 0004 00",
        "00000006 08 0007 0004 00",
        "00000001 00",
        "00000001 00",
        "00",
    ),
    "payloads for commands in a package": stream(
        "08 0007 0004 00000019 08 0002 0004 00000001 08 0003 0010 08 0006 0017 08 000a 0003 00",
        "0000000000001000 0000000000001000",
        "00 04 70646566 00 0000000000000000 0000000000001000",
        "02 7064",
        "00",
    ),
    "a package that RUN ends, in a package": stream(
        "08 0007 0004 0000000f 08 0007 0004 08 0005 0000 08 0007 0004", "00000006 08 0005 0000 55", "00"
    ),
    "a package that cannot be read, in a package": stream(
        "08 0007 0004 0000000a 08 0007 0004 08 0007 0004", "00000001 55", "00"
    ),
    "a refused package in a package": stream("08 0007 0004 0000000d 08 0007 0003 010203 08 0005 0000", "00"),
    "bytes behind the end": stream("00", "0102030405"),
    "a lying VMDESCRIPTION": stream("00", "06 7fffffff 7b7d"),
}


def failure(data: bytes) -> StreamError | None:
    """Why it cannot be read; what can be read is written again."""
    try:
        got = read(data, SCHEMAS)
    except StreamError as error:
        return error
    assert write(got) == data
    return None


@pytest.mark.parametrize("case", GOOD, ids=str)
def test_read_and_write_are_inverse(case: str) -> None:
    data = GOOD[case]
    assert write(read(data, SCHEMAS)) == data
    for cut in range(len(data)):
        error = failure(data[:cut])
        assert error is None or (0 <= error.offset <= cut and "\n" not in str(error))


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "offset 0x0 (header): expected more bytes, found the end of the stream"),
    "magic": (b"QEVN\0\0\0\3\0", "offset 0x0 (header.magic)"),
    "version": (b"QEVM\0\0\0\2\0", "offset 0x4 (header.version): expected 3, found 2"),
    "no record": (stream(), "offset 0x8: expected a record or the end-of-stream byte, found the end of the stream"),
    "no such type": (stream("55"), "offset 0x8: expected a record's type byte, found 0x55"),
    "a configuration in the loop": (stream(CONFIG, CONFIG), "found 0x07"),
    "an unknown subsection": (stream(CONFIG, "05 0f 636f6e66696775726174696f6e2f78 00000001 00"), "offset 0xf"),
    "cut in a section header": (stream("04 00000005 07 78"), "offset 0xf (section)"),
    "cut in the RAM": (stream(RAM_START, RAM_LIST[:20]), "(ram): expected more bytes, found the end of the stream"),
    "RAM flags": (stream(RAM_START, "0000000000000003"), "offset 0x19 (ram): expected a RAM record, found flags 0x3"),
    "too many RAM blocks": (
        stream(RAM_START, "0000000000001004 01 61 0000000000002000 00", "00"),
        "expected blocks of the total length told, found 0x1000 bytes more",
    ),
    "unknown and no footer": (
        stream("04 00000005 01 78 00000000 00000001 aabbcc", "00"),
        "(x): expected a payload whose end can be told, found no schema, and no footer behind it",
    ),
    "a short package": (stream("08 0007 0004 00000006 08"), "(PACKAGED): expected 6 bytes, found 1 to the end"),
    "a short package in a package": (
        stream("08 0007 0004 00000006 08 0007 0004 00", "00000006 00"),
        "offset 0x1c (PACKAGED): expected 6 bytes, found 1 to the end",
    ),
    "no length for a package in a package": (
        stream("08 0007 0004 00000006 08 0007 0004 00", "0000"),
        "offset 0x19 (command.payload): expected 4 bytes, found 2 to the end",
    ),
    "a short command": (stream("08 0002 0004 0000"), "(command"),
    "huge": (stream("07 ffffffff 70"), "(machine)"),
}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_what_is_no_stream(case: str) -> None:
    data, text = BAD[case]
    with pytest.raises(StreamError) as caught:
        read(data, SCHEMAS)
    assert text in str(caught.value)


def test_what_small_holds() -> None:
    got = read(SMALL, SCHEMAS)
    assert got.configuration is not None
    assert got.configuration.machine == "pc"
    assert [(s.kind, s.name, s.version, s.footer, s.offset) for s in got.sections] == [
        (Kind.START, "ram", 4, 2, 15),
        (Kind.PART, "ram", 4, 2, 75),
        (Kind.FULL, "timer", 2, 0, 114),
    ]
    timer = got.section("timer")
    assert timer is not None
    node = timer.tree.find("cpu_clock_offset")
    assert node is not None
    assert (node.offset, node.value) == (114 + 19 + 16, 0x0101010101010101)


def test_the_configuration_can_be_read() -> None:
    config = read(GOOD["configuration with capabilities"]).configuration
    assert config is not None
    assert config.capabilities == ("a", "bc")
    values = {"configuration/uuid": {"uuid": bytes(16)}}
    built = Configuration.build("pc", values)
    assert Configuration.read(built.to_bytes(), 0).tree.values() == {
        "machine": b"pc",
        "configuration/uuid": {"@version": 1, "uuid": bytes(16)},
    }


def test_machines_without_footers_must_be_told_or_show_it() -> None:
    data = GOOD["no footers"]
    assert [s.footer for s in read(data, SCHEMAS, footers=False).sections] == [None] * 3
    with pytest.raises(StreamError):
        read(data, SCHEMAS, footers=True)
    with pytest.raises(StreamError):
        read(data.replace(b"timer", b"tremi")[:-1] + b"\1")  # nothing says how long that is
    with pytest.raises(StreamError):
        read(GOOD["no configuration"], configuration=True)
    with pytest.raises(StreamError):
        read(GOOD["small"], configuration=False)


def test_a_package_is_read_when_someone_asks() -> None:
    inner = bytes.fromhex(f"{RAM_PART} {RAM_FOOT} {TIMER_FULL} {TIMER_FOOT}")
    command = Command.packaged(inner + Command(Cmd.POSTCOPY_RUN).to_bytes() + b"junk")
    whole = read(stream(RAM_START, RAM_LIST, RAM_FOOT) + command.to_bytes() + b"\0", SCHEMAS)
    found = whole.records[1]
    assert isinstance(found, Command)
    records = package_records(whole, found, SCHEMAS)
    assert [getattr(r, "name", "") for r in records] == ["ram", "timer", "POSTCOPY_RUN"]
    data = write(whole)
    for record in records[:2]:
        assert isinstance(record, Section)
        assert data[record.payload_offset :].startswith(record.payload)


def test_schemas_of_the_stream_come_first() -> None:
    fields = [{"name": "whole", "type": "buffer", "size": 24}]
    device = {"name": "timer", "instance_id": 0, "vmsd_name": "timer", "version": 2, "fields": fields}
    text = json.dumps({"page_size": 4096, "devices": [device]}).encode()
    data = SMALL + b"\x06" + len(text).to_bytes(4, "big") + text
    got = read(data, SCHEMAS)
    timer = got.section("timer")
    assert timer is not None
    assert [leaf.path for leaf in timer.leaves] == ["whole"]
    assert got.vmdescription == text
    assert write(got) == data


def test_a_stream_made_of_values() -> None:
    values = {"cpu_ticks_offset": -1, "unused": bytes(8), "cpu_clock_offset": 2}
    timer = Section.build(TIMER, values, section_id=7)
    made = Stream(Header(), Configuration.build("pc"), (Command.ping(1), timer, Eof()))
    again = read(write(made), SCHEMAS)
    assert again == made
    assert again.sections[0].tree.values() == values
    changed = timer.replace_bytes(0, b"\1")
    assert changed.payload[:8] == b"\1" + b"\xff" * 7
    with pytest.raises(StreamError):
        timer.replace_bytes(20, bytes(5))
    with pytest.raises(StreamError):
        Section.build(TIMER, {**values, "unused": bytes(9)})


BAD_RECORDS: dict[str, Section | Command | Header] = {
    "section id": Section(Kind.FULL, 1 << 32, "a", 0, 0, b""),
    "name too long": Section(Kind.FULL, 1, "a" * 256, 0, 0, b""),
    "name no Latin-1": Section(Kind.FULL, 1, "\u20ac", 0, 0, b""),
    "footer": Section(Kind.FULL, 1, "a", 0, 0, b"", footer=-1),
    "command": Command(1 << 16),
    "package without its length": Command(Cmd.PACKAGED, b"\0\0\0\1", b"xy"),
    "header": Header(-1),
}


@pytest.mark.parametrize("case", BAD_RECORDS, ids=str)
def test_values_that_no_record_can_hold(case: str) -> None:
    with pytest.raises(StreamError):
        BAD_RECORDS[case].to_bytes()


@given(st.binary(max_size=300), st.booleans())
def test_random_bytes(data: bytes, headed: bool) -> None:
    data = SMALL[:15] + data if headed else data
    try:
        got = read(data, SCHEMAS)
    except StreamError:
        return
    assert write(got) == data


@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=6), st.integers(0, 3))
def test_damaged_streams(changes: list[tuple[int, int]], doubled: int) -> None:
    data = bytearray(SMALL)
    for at, value in changes:
        data[at] = value
    data[30:30] = data[20 : 20 + 7 * doubled]
    try:
        got = read(bytes(data), SCHEMAS)
    except StreamError:
        return
    assert write(got) == data
    for section in got.sections:
        _ = section.tree, section.leaves


@pytest.mark.parametrize("at", range(8, len(SMALL) - 3))
def test_ffffffff_everywhere(at: int) -> None:
    data = SMALL[:at] + b"\xff\xff\xff\xff" + SMALL[at + 4 :]
    with contextlib.suppress(StreamError):
        assert write(read(data, SCHEMAS)) == data


def peak(data: bytes) -> int:
    tracemalloc.start()
    try:
        read(data, SCHEMAS)
    except StreamError:
        pass
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most


MANY: dict[str, tuple[str, int, int]] = {
    # What is repeated, how often, bytes that are RAM.
    "commands": ("08 0001 0000", 20_000, 0),
    "sections": (TIMER_FULL + TIMER_FOOT, 5_000, 0),
    "sections without payload": ("04 00000000 00 00000000 00000000 7e 00000000", 10_000, 0),
    "parts of nobody": ("02 00000777 7e 00000777", 10_000, 0),
    "RAM that never ends": (RAM_START + "0000000000000022 00" * 3, 3_000, 0),
}


@pytest.mark.parametrize("case", MANY, ids=str)
def test_memory_is_in_proportion(case: str) -> None:
    text, times, _ = MANY[case]
    data = SMALL[:15] + bytes.fromhex(text) * times + b"\0"
    assert peak(data) < 1_000_000 + 40 * len(data)


def test_ram_is_not_copied() -> None:
    pages = b"".join((i << 12 | 0x28).to_bytes(8, "big") + bytes(4096) for i in range(1, 2000))
    start = bytes.fromhex(f"{RAM_START} {RAM_LIST} {RAM_FOOT}")
    part = (
        bytes.fromhex("02 00000002 0000000000000008 02 7064") + bytes(4096) + pages + bytes.fromhex("0000000000000010")
    )
    data = SMALL[:15] + start + part + bytes.fromhex(RAM_FOOT) + b"\0"
    assert peak(data) < 200_000
    assert write(read(data)) == data


def test_without_footers_a_zero_is_no_end_if_another_schema_leads_to_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    short = Schema("timer", 2, 1, (Field("cpu_ticks_offset", "int64"),))
    monkeypatch.setattr("vmformat.reading.known.store.schemas_for", lambda _name, _version: (short, TIMER))
    zeros = TIMER_FULL.replace("01" * 24, "00" * 24)
    found = read(stream(RAM_START, RAM_LIST, zeros, TIMER_FULL, "00"), footers=False)
    assert [len(s.payload) for s in found.sections] == [len(bytes.fromhex(RAM_LIST)), 24, 24]


@pytest.mark.parametrize("cut", [700, 6000, 40000])
def test_a_stream_cut_off_in_a_virtio_section_does_not_end_there(cut: int) -> None:
    data = find_stream("q35-modern/after").read_bytes()[:-cut]
    with pytest.raises(StreamError):
        read(data)
    found = read(data, tolerant=True)
    assert found.sections[-1].name.endswith("virtio-blk")
    assert not found.trailing
