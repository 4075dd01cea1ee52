"""The reader's way over ram records: every encoding, measured and told apart."""

from __future__ import annotations

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmformat.errors import StreamError
from vmformat.plan import Refusal
from vmformat.ram.context import RamContext
from vmformat.ram.records import BlockEntry, RamRecord, RamState, iter_records
from vmformat.ram.walk import MEM_SIZE, Piece, Sliced, entries, fitting, measure_ram, walk
from vmformat.reader import Reader

EOS = struct.pack(">Q", 0x10)
CONTEXT = RamContext()


def word(address: int, flags: int) -> bytes:
    return struct.pack(">Q", address | flags)


def counted(name: bytes) -> bytes:
    return bytes([len(name)]) + name


def entry(name: bytes, length: int, *more: int) -> bytes:
    return counted(name) + struct.pack(f">{1 + len(more)}Q", length, *more)


def mapped(name: bytes, length: int, at: int, gap: int = 0, base: int = 0) -> bytes:
    """An entry with mapped-ram whose first byte stands at `at`: one page present in each byte of the bitmap."""
    head = entry(name, length)
    bitmap_at = at + len(head) + 28
    bits = (length // 4096 + 63) // 64 * 8
    offsets = base + bitmap_at, base + bitmap_at + bits + gap
    return head + struct.pack(">IQQQ", 1, 4096, *offsets) + b"\1" * bits + bytes(gap) + b"\xaa" * length


PAGE = bytes(range(256)) * 16
PACKED = zlib.compress(PAGE)

ENCODINGS = {
    "nothing": (b"", CONTEXT),
    "a page": (word(0x1000, 0x08) + counted(b"pc.ram") + PAGE, CONTEXT),
    "a page of the same block": (word(0x1000, 0x28) + PAGE, CONTEXT),
    "zero": (word(0x1000, 0x02) + counted(b"pc.ram") + b"\0", CONTEXT),
    "zero of the same block, filled": (word(0x1000, 0x22) + b"\xaa", CONTEXT),
    "XBZRLE": (word(0x1000, 0x60) + b"\1\0\4\0\2ab", CONTEXT),
    "compressed": (word(0x1000, 0x120) + struct.pack(">I", len(PACKED)) + PACKED, CONTEXT),
    "compressed, named": (word(0, 0x100) + counted(b"b") + struct.pack(">I", len(PACKED)) + PACKED, CONTEXT),
    "flush of multifd": (word(0, 0x200), CONTEXT),
    "hook": (word(0, 0x80), CONTEXT),
    "an empty list": (word(0, 0x04), CONTEXT),
    "two lists": ((word(0x1000, 0x04) + entry(b"b", 0x1000)) * 2, CONTEXT),
    "shared blocks": (word(0x1000, 0x04) + entry(b"b", 0x1000, 0xC0000), RamContext(ignore_shared=True)),
    "a huge page": (word(0x1000, 0x04) + entry(b"b", 0x1000, 0x200000), RamContext(advised=0x201000)),
    "a huge page and another": (
        word(0x2000, 0x04) + entry(b"b", 0x1000, 0x200000) + entry(b"c", 0x1000),
        RamContext(advised=0x201000),
    ),
    "a huge page, shared": (
        word(0x1000, 0x04) + entry(b"b", 0x1000, 0x200000, 0xC0000),
        RamContext(ignore_shared=True, advised=0x201000),
    ),
    "a page of 1 KiB": (word(0x400, 0x28) + PAGE[:1024] + word(0x800, 0x22) + b"\0", RamContext(1024)),
    "a page of 64 KiB": (word(0x10000, 0x28) + PAGE * 16 + word(0x20000, 0x22) + b"\0", RamContext(65536)),
    "a page of 8 KiB": (
        word(0x2000, 0x08) + counted(b"b") + PAGE * 2 + word(0x4000, 0x28) + PAGE * 2,
        RamContext(8192),
    ),
    "mapped": (word(0x2000, 0x04) + mapped(b"b", 0x2000, 8), RamContext(mapped_ram=True)),
    "mapped, with a gap": (
        word(0x3000, 0x04) + mapped(b"b", 0x2000, 8, 9) + mapped(b"c", 0x1000, 8 + 10 + 28 + 8 + 9 + 0x2000),
        RamContext(mapped_ram=True),
    ),
    "mapped, from the middle of a file": (
        word(0x2000, 0x04) + mapped(b"b", 0x2000, 8, 9, base=0x100000),
        RamContext(mapped_ram=True),
    ),
}


@pytest.mark.parametrize(("data", "context"), ENCODINGS.values(), ids=ENCODINGS.keys())
def test_measures(data: bytes, context: RamContext) -> None:
    whole = data + EOS
    sources: tuple[Sliced, ...] = whole, whole + b"tail", memoryview(whole + b"tail")
    for source in sources:
        assert measure_ram(source, 0, context) == len(whole)
    shifted = b"...." + whole
    assert measure_ram(shifted, 4, context) == len(shifted)
    for cut in {1, 4, len(data) // 2, len(data) - 1, len(data)} - {0}:
        with pytest.raises(StreamError):
            list(walk(whole[:cut], 0, context))
        with pytest.raises(StreamError):
            list(walk(whole, 0, context, cut))


@pytest.mark.parametrize(("data", "context"), ENCODINGS.values(), ids=ENCODINGS.keys())
def test_what_nobody_told_is_found(data: bytes, context: RamContext) -> None:
    whole = data + EOS
    assert fitting(whole, 0, context) == context
    assert measure_ram(whole, 0, fitting(whole, 0, CONTEXT)) == len(whole)


def test_nothing_fits_garbage() -> None:
    assert fitting(b"\xff" * 100, 0, RamContext(8192)) == RamContext(8192)
    assert fitting(b"", 0, CONTEXT) == CONTEXT


def test_tells_them_apart() -> None:
    zero = word(0x2000, 0x22) + b"\0"
    data = word(0, 0x08) + counted(b"pc.ram") + PAGE + zero * 5 + word(0x3000, 0x22) + b"\7" + word(0, 0x200) + EOS
    page, run, filled, flush, end = walk(data, 0, CONTEXT)
    assert page == Piece(0, 0x08, 0, b"pc.ram", 15, 15 + 4096)
    assert run == Piece(4111, 0x22, 0x2000, None, 4119, 4111 + 45)
    assert (run.records, filled.records, flush.kind, end.end) == (5, 1, 0x200, len(data))


def test_entries() -> None:
    data = entry(b"ram", 0x1000, 0x200000, 7) + entry(b"rom", 0x1000, 9)
    context = RamContext(ignore_shared=True, advised=0x201000)
    first, second = entries(data, 0, 0x2000, context, len(data))
    assert (first.name, first.length, first.page_size, first.address) == (b"ram", 0x1000, 0x200000, 7)
    assert (second.name, second.page_size, second.address, second.end) == (b"rom", None, 9, len(data))


@pytest.mark.parametrize(
    ("data", "context", "found"),
    [
        pytest.param(word(0, 0x12), CONTEXT, "flags 0x12", id="two kinds"),
        pytest.param(word(0, 0x01), CONTEXT, "flags 0x1", id="the flag of old"),
        pytest.param(word(0, 0x400), CONTEXT, "flags 0x400", id="a flag nobody knows"),
        pytest.param(word(0x1000, 4) + entry(b"b", 0x3000), CONTEXT, "0x2000 bytes more", id="beyond the sum"),
        pytest.param(
            word(0x1000, 4) + entry(b"b", 0x1000) + struct.pack(">IQQQ", 1, 4096, 8, 7) + bytes(9999),
            RamContext(mapped_ram=True),
            "0x7",
            id="pages before the bitmap",
        ),
        pytest.param(
            word(1 << 60, 4) + entry(b"b", 1 << 60) + struct.pack(">IQQQ", 1, 4096, 8, 9) + bytes(9999),
            RamContext(mapped_ram=True),
            "0x9",
            id="a bitmap larger than the file",
        ),
    ],
)
def test_faults(data: bytes, context: RamContext, found: str) -> None:
    with pytest.raises(StreamError) as error:
        list(walk(data + EOS, 0, context))
    assert error.value.found == found


CONTEXTS = st.builds(
    RamContext, st.sampled_from([1024, 4096, 65536]), st.booleans(), st.booleans(), st.sampled_from([0, 0x201000])
)


@given(st.lists(st.sampled_from([*(data for data, _ in ENCODINGS.values()), b"\0\1\x22", bytes(7)])), CONTEXTS)
def test_pieces_touch_each_other(parts: list[bytes], context: RamContext) -> None:
    data = b"".join(parts) + EOS
    at = 0
    with contextlib.suppress(StreamError):
        for piece in walk(data, 0, context):
            assert piece.start == at
            assert piece.start + 8 <= piece.data <= piece.end <= len(data)
            assert (piece.end - piece.start) % 9 == 0 or piece.records == 1
            at = piece.end
    fitting(data, 0, context)


LOADED = st.sampled_from([data for data, context in ENCODINGS.values() if context == CONTEXT])


@given(st.lists(LOADED | st.binary(max_size=12), max_size=6))
def test_what_the_loader_takes_is_walked_alike(parts: list[bytes]) -> None:
    data = b"".join(parts) + EOS
    taken = list(iter_records(Reader(data), RamState()))
    if isinstance(taken[-1], Refusal):
        return
    walked: list[tuple[int, ...]] = []
    listed: list[tuple[int, bytes, int]] = []
    for piece in walk(data, 0, CONTEXT):
        size = (piece.end - piece.start) // piece.records
        walked += [(at, piece.flags) for at in range(piece.start, piece.end, size)]
        if piece.kind == MEM_SIZE:
            found = entries(data, piece.data, piece.address, CONTEXT, len(data))
            listed += [(one.start, one.name, one.length) for one in found]
    assert walked == [(one.offset, one.flags) for one in taken if isinstance(one, RamRecord)]
    blocks = [one for one in taken if isinstance(one, BlockEntry)]
    assert listed == [(one.offset, one.name.encode("latin-1"), one.length) for one in blocks]
