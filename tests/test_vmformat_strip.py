from __future__ import annotations

from vmformat.framing import Kind
from vmformat.ram import RamState, parse_ram
from vmformat.records import Eof, Header
from vmformat.section import Section
from vmformat.stream import Stream, read, write
from vmformat.strip import strip

EOS = bytes(7) + b"\x10"
LIST = b"\0\0\0\0\0\x02\0\x04" + b"\2ab" + b"\0\0\0\0\0\x02\0\0" + EOS
FIRST = b"\0\0\0\0\0\0\0\x08\2ab" + b"\xaa" * 4096 + EOS
SECOND = b"\0\0\0\0\0\0\x10\x28" + b"\xbb" * 4096 + EOS


def ram(kind: Kind, payload: bytes) -> Section:
    name, version = ("ram", 4) if kind is Kind.START else ("", 0)
    return Section(kind, 2, name, 0, version, payload, None, 2)


def test_strip_carries_the_block_over_sections_that_go() -> None:
    parts = (ram(Kind.START, LIST), ram(Kind.PART, FIRST), ram(Kind.PART, SECOND), ram(Kind.END, EOS))
    stream = read(write(Stream(Header(), None, (*parts, Eof()), b"")))
    stripped = strip(stream, {"ab": [(0x1001, 2)]})
    assert [section.kind for section in stripped.sections] == [Kind.START, Kind.PART, Kind.END]
    (page, _) = parse_ram(stripped.sections[1].payload, 0, RamState())
    assert page == next(iter(parse_ram(b"\0\0\0\0\0\0\x10\x08\2ab\0\xbb\xbb" + bytes(4093) + EOS, 0, RamState())))
    assert write(read(write(stripped))) == write(stripped)


def test_strip_of_everything() -> None:
    stream = read(write(Stream(Header(), None, (ram(Kind.START, LIST), ram(Kind.END, FIRST), Eof()), b"")))
    assert [section.payload for section in strip(stream, {}).sections] == [LIST, EOS]
