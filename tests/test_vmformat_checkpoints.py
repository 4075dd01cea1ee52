"""COLO sessions: the records in each checkpoint, also shown, counted and stripped."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from test_vmformat_ram_pages import LIST, stream
from test_vmformat_ram_walk import counted, word

from vmformat import Cmd, Command, Eof, Fault, Section, Stream, read, write
from vmformat.channels.checkpoints import moments
from vmformat.coverage import coverage
from vmformat.render.line import text
from vmformat.render.records import Records
from vmformat.strip import Wanted, stripped, stripped_pieces

EOS = word(0, 0x10)
TIMER = bytes.fromhex("04 00000000 05 74696d6572 00000000 00000002") + bytes(24) + bytes.fromhex("7e 00000000")
PAGES = word(0, 8) + counted(b"pc.ram") + b"\xaa" * 4096 + word(0x1000, 0x22) + b"\0"
RAM = b"\3\0\0\0\2" + PAGES + EOS + b"\x7e\0\0\0\2\0"
DESCRIPTION = b'{"page_size": 4096, "devices": []}'
SESSION = struct.pack(">II", 1, 3) + RAM + struct.pack(">IQ", 4, len(TIMER) + 1) + TIMER + b"\0" + struct.pack(">I", 1)


def with_session(session: bytes) -> Stream:
    got = stream(LIST, EOS)
    trailing = b"\6" + struct.pack(">I", len(DESCRIPTION)) + DESCRIPTION + session
    return read(write(replace(got, records=(Command(Cmd.ENABLE_COLO), *got.records), trailing=trailing)))


def test_moments() -> None:
    got = with_session(SESSION)
    start = len(write(got)) - len(SESSION)
    first, ram, devices, last = moments(got)
    assert [one.title for one in (first, ram, devices, last)] == [
        *("CHECKPOINT_REQUEST", "VMSTATE_SEND", "VMSTATE_SIZE", "CHECKPOINT_REQUEST")
    ]
    assert (first.offset, ram.offset, ram.head, devices.head) == (start, start + 4, 4, 12)
    pages, end = ram.records
    assert isinstance(pages, Section)
    assert (pages.name, pages.payload, pages.offset) == ("ram", PAGES + EOS, start + 8)
    assert end == Eof()
    (timer, _) = devices.records
    assert isinstance(timer, Section)
    assert (timer.name, timer.version) == ("timer", 2)
    assert last.offset + last.size == len(write(got))


def test_damage() -> None:
    faults: list[Fault] = []
    got = with_session(SESSION[:-6])
    assert [one.title for one in moments(got, faults=faults)] == ["CHECKPOINT_REQUEST", "VMSTATE_SEND"]
    assert [fault.found for fault in faults] == [f"{12 + len(TIMER) - 1} bytes to the end"]


def test_a_stream_without_one() -> None:
    assert list(moments(stream(LIST, EOS))) == []


def test_it_is_shown_and_counted() -> None:
    got = with_session(SESSION)
    shown = "\n".join(text(line) for line in Records(got).lines())
    assert "COLO VMSTATE_SEND" in shown
    assert "FULL timer" in shown
    names = {one.name: one for one in coverage(got)}
    assert "trailing" not in names
    assert names["colo"].size == 4 + 4 + 12 + 4
    assert sum(one.size for one in names.values()) == len(write(got)) - len(PAGES)


@pytest.mark.parametrize("described", [True, False])
def test_it_is_stripped(described: bool) -> None:
    got = with_session(SESSION)
    made = stripped(got, Wanted(vmdescription=described))
    assert made.trailing == (got.trailing[: -len(SESSION)] if described else b"") + SESSION.replace(PAGES, b"")
    assert b"".join(stripped_pieces(got, Wanted(vmdescription=described))) == write(made)
    assert stripped(got, Wanted("all")) == got
