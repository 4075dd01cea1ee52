"""Packages in packages, whose bodies stand in the main channel behind the package around them (stream.md 1.7)."""

from __future__ import annotations

import struct
from typing import Any

import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from test_vmformat_stream import HEADER, TIMER_FOOT, TIMER_FULL, peak

from model import REFERENCE, Machine, load
from vmformat import Cmd, Command, Eof, Section, Stream, StreamError, lines, pack, package_records, read, to_json, write

THREE_DEEP = bytes.fromhex(
    f"{HEADER}"
    # The first package: a package, then a ping of its own.
    "08 0007 0004 0000000f 08 0007 0004 08 0002 0004 00000001 00"
    # The second: a package, then a bitmap.
    "00000010 08 0007 0004 08 000a 0003 08 0007 0004 00"
    # The third: a section.
    f"00000031 {TIMER_FULL} {TIMER_FOOT} 00"
    # The bitmap of the second, and then its other package.
    "02 7064"
    "00000001 00"
    # The main channel again.
    "08 0002 0004 00000002 00"
)


def shape(stream: Stream, records: tuple[Any, ...]) -> list[Any]:
    """Names and pings, packages as lists."""
    result: list[Any] = []
    for record in records:
        if isinstance(record, Command) and record.cmd == Cmd.PACKAGED:
            result.append(shape(stream, package_records(stream, record)))
        elif isinstance(record, Command):
            result.append((record.name, record.payload))
        else:
            result.append(record.name if isinstance(record, Section) else "EOF")
    return result


def test_three_deep() -> None:
    got = read(THREE_DEEP)
    assert write(got) == THREE_DEEP
    ping, bitmap = ("PING", b"\0\0\0\1"), ("RECV_BITMAP", b"\2pd")
    assert shape(got, got.records) == [
        [[["timer", "EOF"], bitmap, ["EOF"], "EOF"], ping, "EOF"],
        ("PING", b"\0\0\0\2"),
        "EOF",
    ]


def test_offsets_count_from_the_start_of_the_stream() -> None:
    got = read(THREE_DEEP)
    todo = list(got.records)
    seen = 0
    while todo:
        record = todo.pop()
        if isinstance(record, Command) and record.cmd == Cmd.PACKAGED:
            assert THREE_DEEP[record.package_offset :].startswith(record.package + record.outside)
            todo += package_records(got, record)
        inside = record.halves()[0] if isinstance(record, Command) else record.to_bytes()
        assert THREE_DEEP[record.offset :].startswith(inside)
        seen += 1
    assert seen == 13


def test_records_of_a_package_can_be_packed_again_or_stand_alone() -> None:
    got = read(THREE_DEEP)
    outer = got.records[0]
    assert isinstance(outer, Command)
    inner = package_records(got, outer)
    assert pack(inner) == outer
    assert pack([]) == Command.packaged(b"")
    unwrapped = got.replace_record(0, *inner[:-1])
    assert read(write(unwrapped)) == unwrapped
    wrapped = Stream(records=(pack(got.records), Eof()))
    again = read(write(wrapped))
    assert again == wrapped
    assert shape(again, again.records) == [shape(got, got.records), "EOF"]


def test_run_ends_every_package_around_it() -> None:
    got = read(bytes.fromhex(f"{HEADER} 08 0007 0004 0000000b 08 0007 0004 08 0002 0004 00 00000005 08 0005 0000 00"))
    assert shape(got, got.records) == [[[("POSTCOPY_RUN", b"")]], "EOF"]


def test_a_package_that_cannot_be_read_ends_the_one_around_it() -> None:
    got = read(bytes.fromhex(f"{HEADER} 08 0007 0004 00000006 08 0007 0004 00 00000001 55 00"))
    outer = got.records[0]
    assert isinstance(outer, Command)
    inner = package_records(got, outer)
    assert [type(record) for record in inner] == [Command]
    assert isinstance(inner[0], Command)
    with pytest.raises(StreamError, match="type byte"):
        package_records(got, inner[0])


def test_only_a_package_is_followed_by_what_others_take() -> None:
    with pytest.raises(StreamError):
        Command(Cmd.PING, bytes(4), outside=b"x").to_bytes()


def test_any_depth() -> None:
    depth = 4_000
    package = bytes.fromhex("08 0007 0004 00")
    data = bytes.fromhex(f"{HEADER} 08 0007 0004")
    data += (len(package).to_bytes(4, "big") + package) * depth + bytes.fromhex("00000001 00 00")
    assert peak(data) < 1_000_000 + 40 * len(data)
    got = read(data)
    assert len(got.records) == 2
    assert write(got) == data
    shown = list(lines(got))
    assert any("nested too deep to be shown" in line for line in shown)
    assert len(shown) < 100
    assert "nested too deep to be shown" in str(to_json(got))


def command(cmd: int, payload: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack(">BHH", 8, cmd, len(payload) if length is None else length) + payload


def write_package(node: Any, *, run: bool) -> tuple[bytes, bytes]:
    """The body of a package, and what it takes from the main channel."""
    body, outside = b"", b""
    for item in node:
        if isinstance(item, list):
            inner, more = write_package(item, run=False)
            body += command(7, length=4)
            outside += struct.pack(">I", len(inner)) + inner + more
        elif item == "timer":
            body += tiny.timer()
        elif item == "ram":
            body += tiny.ram({0: b"x"})
        elif item == "ping":
            body += command(2, bytes(4))
        elif item == "discard":
            payload = b"\0\6pc.ram\0" + struct.pack(">QQ", 0, 4096)
            body += command(6, length=len(payload))
            outside += payload
    return body + (command(4) + command(5) if run else tiny.EOF), outside


PACKAGES = st.recursive(
    st.lists(st.sampled_from(["timer", "ram", "ping", "discard"]), max_size=4),
    lambda inner: st.lists(st.sampled_from(["timer", "ping", "discard"]) | inner, max_size=4),
    max_leaves=6,
)


def sections(stream: Stream, records: tuple[Any, ...]) -> list[str]:
    """Names of all sections, in the order of their records."""
    result = []
    for record in records:
        if isinstance(record, Section):
            result.append(record.name)
        elif isinstance(record, Command) and record.cmd == Cmd.PACKAGED:
            result += sections(stream, package_records(stream, record))
    return result


def names(node: Any) -> list[str]:
    """The sections that `write_package` writes."""
    if isinstance(node, list):
        return [name for item in node for name in names(item)]
    return {"timer": ["timer"], "ram": ["ram", "ram"]}.get(node, [])


@pytest.fixture(scope="module")
def machine() -> Machine:
    return tiny.machine()


@settings(max_examples=200)
@given(PACKAGES, st.booleans(), st.binary(max_size=12))
def test_what_the_loader_accepts_can_be_read(machine: Machine, node: Any, run: bool, trailing: bytes) -> None:
    body, outside = write_package(node, run=run)
    data = tiny.HEADER + command(1) + command(3) + command(7, length=4) + struct.pack(">I", len(body)) + body + outside
    data += tiny.timer() + tiny.EOF + trailing
    machine.reset()
    assert load(machine, data, REFERENCE()).verdict in {"accepted", "waiting"}  # waiting: discards, and no LISTEN
    got = read(data)
    assert write(got) == data
    assert got.trailing == trailing
    assert sections(got, got.records) == [*names(node), "timer"]
    packed = got.records[2]
    assert isinstance(packed, Command)
    assert pack(package_records(got, packed)) == packed


PARTS = (
    tiny.timer(),
    tiny.EOF,
    command(7, length=4),
    command(2, bytes(4)),
    command(3),
    bytes(3),
    b"\0\0\0\1\0",
    b"\x0a",
)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PARTS), max_size=12), st.integers(0, 40))
def test_whatever_the_loader_accepts_can_be_read(machine: Machine, parts: list[bytes], length: int) -> None:
    rest = b"".join(parts)
    data = tiny.HEADER + command(1) + command(7, length=4) + struct.pack(">I", length) + rest + bytes(8)
    machine.reset()
    if load(machine, data, REFERENCE()).verdict == "accepted":
        assert write(read(data)) == data
