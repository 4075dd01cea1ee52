from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmformat.errors import StreamError
from vmformat.plan import Refusal
from vmformat.ram.context import PAGE_SIZE, RamContext
from vmformat.ram.records import (
    BlockEntry,
    Flag,
    RamRecord,
    RamState,
    iter_records,
    parse_ram,
    write_record,
    xbzrle,
)
from vmformat.ram.walk import measure_ram
from vmformat.reader import Reader

LENGTHS = {"pc.ram": 0x4000, "rom": 0x1000}
EOS = bytes(7) + b"\x10"
PAGE = bytes(range(256)) * 16


def word(address: int, flags: int) -> bytes:
    return (address | flags).to_bytes(8, "big")


def named(address: int, flags: int, name: bytes = b"pc.ram") -> bytes:
    return word(address, flags) + bytes([len(name)]) + name


def entry(name: bytes, length: int) -> bytes:
    return bytes([len(name)]) + name + length.to_bytes(8, "big")


LIST = word(0x5000, 0x04) + entry(b"pc.ram", 0x4000) + entry(b"rom", 0x1000) + EOS


def test_reads_the_records_of_a_section() -> None:
    data = LIST[:-8] + named(0x1000, 0x08) + PAGE + word(0x2000, 0x22) + b"\xaa" + EOS + b"junk"
    reader = Reader(data, base=0x100)
    assert list(iter_records(reader, RamState(), LENGTHS)) == [
        RamRecord(0x100, 0x04, 0x5000),
        BlockEntry(0x108, "pc.ram", 0x4000),
        BlockEntry(0x117, "rom", 0x1000),
        RamRecord(0x123, 0x08, 0x1000, "pc.ram", True, PAGE, 0x132),
        RamRecord(0x1132, 0x22, 0x2000, "pc.ram", False, b"\xaa", 0x113A),
        RamRecord(0x113B, 0x10, 0),
    ]
    assert reader.pos == len(data) - 4


def test_a_block_stays_named_in_the_next_section() -> None:
    state = RamState()
    list(iter_records(Reader(named(0, 0x02) + b"\0" + EOS), state, LENGTHS))
    assert state.last == "pc.ram"
    again = next(iter_records(Reader(word(0x1000, 0x22) + b"\0" + EOS), state, LENGTHS))
    assert isinstance(again, RamRecord)
    assert again.block == "pc.ram"


@pytest.mark.parametrize(
    ("data", "errno", "messages", "before"),
    [
        pytest.param(b"", 22, ["Unknown combination of migration flags: 0x0"], 0, id="empty"),
        pytest.param(
            word(0, 0x28) + PAGE,
            22,
            ["Ack, bad migration stream!", "Illegal RAM offset 0"],
            0,
            id="no block to continue",
        ),
        pytest.param(
            named(0x1000, 0x08, b"px.ram"),
            22,
            ["Can't find block px.ram", "Illegal RAM offset 1000"],
            0,
            id="unknown block",
        ),
        pytest.param(named(0x4000, 0x02) + b"\0", 22, ["Illegal RAM offset 4000"], 0, id="beyond the block"),
        pytest.param(word(0, 0x12), 22, ["Can't find block ", "Illegal RAM offset 0"], 0, id="flags 0x12, no name"),
        pytest.param(named(0, 0x12), 22, ["Unknown combination of migration flags: 0x12"], 0, id="flags 0x12"),
        pytest.param(named(0, 0x0A), 22, ["Unknown combination of migration flags: 0xa"], 0, id="flags 0x0a"),
        pytest.param(word(0, 0x200), 22, ["Unknown combination of migration flags: 0x200"], 0, id="flags 0x200"),
        pytest.param(word(0, 0x01), 22, ["Unknown combination of migration flags: 0x1"], 0, id="flags 0x01"),
        pytest.param(word(0, 0x80), 22, [], 0, id="hook"),
        pytest.param(word(0, 0x100), 22, ["Received an unexpected compressed page"], 0, id="compressed"),
        pytest.param(
            word(0x1000, 0x04) + entry(b"px.bios", 0x1000),
            22,
            ['Unknown ramblock "px.bios", cannot accept migration'],
            1,
            id="unknown block in the list",
        ),
        pytest.param(
            word(0x6000, 0x04) + LIST[8:-8] + EOS,
            22,
            ['Unknown ramblock "", cannot accept migration'],
            3,
            id="total too large",
        ),
        pytest.param(named(0, 0x08) + PAGE[:100], 5, [], 1, id="cut off in a page"),
        pytest.param(
            named(0x2000, 0x40) + b"\2\0\0",
            22,
            ["Failed to load XBZRLE page - wrong compression!", "Failed to decompress XBZRLE page at 2000"],
            0,
            id="xbzrle header",
        ),
        pytest.param(
            named(0, 0x40) + b"\1\x10\1",
            22,
            ["Failed to load XBZRLE page - len overflow!", "Failed to decompress XBZRLE page at 0"],
            0,
            id="xbzrle length",
        ),
    ],
)
def test_refuses(data: bytes, errno: int, messages: list[str], before: int) -> None:
    *records, last = iter_records(Reader(data), RamState(), LENGTHS)
    assert isinstance(last, Refusal)
    assert (last.errno, list(last.messages), len(records)) == (errno, messages, before)


def test_a_name_ends_at_a_nul() -> None:
    record = next(iter_records(Reader(named(0, 0x02, b"rom\0x") + b"\0" + EOS), RamState(), LENGTHS))
    assert isinstance(record, RamRecord)
    assert record.block == "rom"


def test_ignore_shared_lists_addresses() -> None:
    data = word(0x1000, 0x04) + entry(b"rom", 0x1000) + (7).to_bytes(8, "big") + EOS
    assert list(parse_ram(data, 0, RamState(), ignore_shared=True))[1] == BlockEntry(8, "rom", 0x1000, 7)
    assert measure_ram(data, 0, RamContext(ignore_shared=True)) == len(data)


@pytest.mark.parametrize("cut", [0, 7, 8, 20, len(LIST) - 9, len(LIST) - 1])
def test_parsing_a_piece_raises(cut: int) -> None:
    with pytest.raises(StreamError):
        measure_ram(LIST[:cut], 0)


records = st.one_of(
    st.builds(
        lambda page, name, kind, body: RamRecord(0, kind | (0 if name else 0x20), page << 12, name, bool(name), body),
        st.integers(0, 1 << 40),
        st.none() | st.text(st.characters(codec="latin-1"), max_size=255),
        st.just(int(Flag.ZERO)),
        st.binary(min_size=1, max_size=1),
    ),
    st.builds(
        lambda page, body: RamRecord(0, int(Flag.XBZRLE), page << 12, "b", True, body),
        st.integers(0, 1 << 40),
        st.binary(max_size=PAGE_SIZE),
    ),
)


@given(st.lists(records, max_size=6))
def test_write_is_the_inverse(some: list[RamRecord]) -> None:
    data = b"".join(map(write_record, some)) + EOS
    again = list(parse_ram(b"..." + data, 3, RamState()))
    assert b"".join(map(write_record, again)) == data
    assert measure_ram(b"..." + data, 3) == len(data) + 3
    assert [(r.address, r.data) for r in again[:-1] if isinstance(r, RamRecord)] == [(r.address, r.data) for r in some]


@given(st.binary(max_size=64))
def test_any_bytes_come_to_an_end(data: bytes) -> None:
    for lengths in (None, LENGTHS):
        reader = Reader(data)
        last = list(iter_records(reader, RamState(), lengths))[-1]
        assert isinstance(last, Refusal) or last.offset + 8 == reader.pos


@pytest.mark.parametrize(
    ("encoded", "page", "after"),
    [
        pytest.param(b"\0\2ab", b"....", b"ab..", id="at the start"),
        pytest.param(b"\1\1a\1\1b", b"....", b".a.b", id="two runs"),
        pytest.param(b"\x80\1\1z", b"." * 200, b"." * 128 + b"z" + b"." * 71, id="two-byte length"),
        pytest.param(b"", b"....", b"....", id="nothing"),
        pytest.param(b"\0\2a", b"....", None, id="cut off"),
        pytest.param(b"\0\0", b"....", None, id="no new bytes"),
        pytest.param(b"\0\1a\0\1b", b"....", None, id="nothing kept in between"),
        pytest.param(b"\3\2ab", b"....", None, id="beyond the page"),
        pytest.param(b"\5\1a", b"....", None, id="kept beyond the page"),
        pytest.param(b"\x80\x80\1a", b"....", None, id="length too long"),
        pytest.param(b"\1", b"....", None, id="kept alone"),
    ],
)
def test_xbzrle(encoded: bytes, page: bytes, after: bytes | None) -> None:
    target = bytearray(page)
    problem = xbzrle(encoded, target)
    if after is None:
        assert problem == "Failed to load XBZRLE page - decode error!"
    else:
        assert problem is None
        assert bytes(target) == after
