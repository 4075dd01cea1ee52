"""Every byte of a stream under a name, and the rows of bytes made of that."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import NESTED, SCHEMAS, STREAM

from fuzz.corpus import find_stream
from vmformat import read, write
from vmformat.render import Detail, plain
from vmformat.render.hexdump import hex_lines
from vmformat.render.pieces import Piece, Pieces

NARROW = """\
0x00000000 header
0x00000000  51 45 56 4d|00 00 00 03  magic version
0x00000008 configuration
0x00000008  07|00 00 00 02 70 63     type machine
             configuration/uuid
0x0000000f  05 12 63 6f 6e 66 69 67  subsection
0x00000017  75 72 61 74 69 6f 6e 2f
0x0000001f  75 75 69 64|00 00 00 01  @version
0x00000027  00 00 00 00 00 00 00 00  uuid
0x0000002f  00 00 00 00 00 00 00 00
0x00000037 START ram@0
0x00000037  01|00 00 00 02|03 72 61  type section_id name
0x0000003f  6d|00 00 00 00|00 00 00  instance version
0x00000047  04|00 00 00 00 00 00 20  word
0x0000004f  04|02 70 64|00 00 00 00  block length
0x00000057  00 00 20 00
0x0000005b  *  pd: 2 zero pages at 0x0 (21 bytes)
0x00000070  00 00 00 00 00 00 00 10  end
0x00000078  7e|00 00 00 02           footer section_id
0x0000007d COMMAND PING
0x0000007d  08|00 02|00 04|00 00 00  type command length cookie
0x00000085  07
0x00000086 COMMAND PACKAGED
0x00000086  08|00 07|00 04|00 00 00  type command length length
0x0000008e  3f
0x0000008f FULL dev@0
0x0000008f  04|00 00 00 03|03 64 65  type section_id name
0x00000097  76|00 00 00 00|00 00 00  instance version
0x0000009f  01|00 00 10 00|01|70 61  level on text
0x000000a7  75 73 65 64 00 00|fe ff  raw
             pairs
0x000000af  00 00|00 00|01 2c|01 02  [0].a [0].b [1].a [1].b
0x000000b7  *  [2..4]: all zero (12 bytes)
0x000000c3  00|7e|00 00 00 03        n footer section_id
0x000000c9 COMMAND POSTCOPY_RUN
0x000000c9  08|00 05|00 00           type command length
0x000000ce FULL odd\\n@1
0x000000ce  04|00 00 00 04|04 6f 64  type section_id name
0x000000d6  64 0a|00 00 00 01|00 00  instance version
0x000000de  00 00|01 02              x
0x000000e2 EOF
0x000000e2  00                       type
0x000000e3 TRAILING
0x000000e3  6a 75 6e 6b              (not read)
"""


def pieces(data: bytes, detail: Detail | None = None) -> list[Piece]:
    return list(Pieces(read(data, SCHEMAS, tolerant=True), SCHEMAS, detail or Detail()).all())


def check_tiling(data: bytes, found: list[Piece]) -> None:
    """The pieces are the stream, from end to end."""
    at = 0
    for piece in found:
        assert piece.offset == at, piece
        assert piece.size > 0
        if not piece.folded:
            assert piece.data == data[at : at + piece.size], piece
        at += piece.size
    assert at == len(data)


def test_rows() -> None:
    assert list(plain(hex_lines(pieces(write(STREAM)), 80))) == NARROW.splitlines()


def test_a_wide_terminal_has_16_bytes_in_a_row() -> None:
    rows = list(plain(hex_lines(pieces(write(STREAM)), 120)))
    assert "0x00000037  01|00 00 00 02|03 72 61 6d|00 00 00 00|00 00 00  type section_id name instance version" in rows


@pytest.mark.parametrize("width", [80, 120, 200])
def test_rows_of_bytes_are_no_wider_than_the_terminal(width: int) -> None:
    rows = list(plain(hex_lines(pieces(find_stream("pc-small/after").read_bytes()), width)))
    of_bytes = [row for row in rows if re.match(r"0x[0-9a-f]{8}  [0-9a-f]{2}\b", row)]
    assert len(of_bytes) > 300
    assert max(map(len, of_bytes)) <= width


def test_zeros_within_a_field_are_folded() -> None:
    piece = Piece(0x100, 100, "r", "", "field", b"\1" + bytes(98) + b"\2")
    assert list(plain(hex_lines([piece], 80))) == [
        "0x00000100 r",
        "0x00000100  01 00 00 00 00 00 00 00  field",
        "0x00000108  *  88 zero bytes",
        "0x00000160  00 00 00 02",
    ]
    assert len(list(hex_lines([piece], 80, fold=False))) == 14


@pytest.mark.parametrize("detail", [Detail(), Detail(limit=2), Detail.everything()], ids=["folded", "limit", "all"])
@pytest.mark.parametrize("data", [write(STREAM), NESTED, NESTED[:100], b"", b"\0" * 50], ids=len)
def test_pieces_tile_the_stream(data: bytes, detail: Detail) -> None:
    check_tiling(data, pieces(data, detail))


@pytest.mark.parametrize("name", ["pc-small/after", "microvm-virtio/after", "virtio-zoo/after"])
def test_pieces_tile_real_streams(name: str) -> None:
    data = find_stream(name).read_bytes()
    check_tiling(data, pieces(data))
    folded = pieces(data, Detail.everything())
    check_tiling(data, folded)
    assert not any(piece.folded for piece in folded)


@given(st.lists(st.tuples(st.integers(0, len(NESTED) - 1), st.integers(0, 255)), max_size=4), st.integers(0))
def test_pieces_tile_damaged_streams(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(NESTED)
    for at, value in changes:
        data[at] = value
    damaged = bytes(data[: cut % (len(data) + 1)] if cut else data)
    check_tiling(damaged, pieces(damaged))


@given(st.binary(max_size=200))
def test_pieces_tile_any_bytes(data: bytes) -> None:
    check_tiling(data, pieces(data))


def test_found_fields_alone() -> None:
    stream = read(write(STREAM), SCHEMAS)
    found = Pieces(stream, SCHEMAS, Detail()).matching(stream.find("dev/pairs[1]", SCHEMAS))
    assert list(plain(hex_lines(found, 80))) == [
        "0x000000b3 FULL dev@0",
        "             pairs",
        "0x000000b3  01 2c|01 02              [1].a [1].b",
    ]
