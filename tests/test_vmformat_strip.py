"""Streams without RAM: what stays is what was wanted, and says what it said before."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_vmformat_ram_pages import EOS, LIST, capabilities, ram, stream
from test_vmformat_ram_walk import PACKED, PAGE, counted, entry, mapped, word

from vmformat import Cmd, Command, Eof, Header, Kind, Section, Stream, StreamError, pack, package_records, read, write
from vmformat.ram.pages import ram_blocks, ram_pages
from vmformat.strip import Wanted, strip, stripped, stripped_pieces, without_zeros

SECOND_PAGE = b"\xbb" * 4096
PAGES = {
    "page": word(0, 8) + counted(b"pc.ram") + PAGE,
    "same block": word(0x1000, 0x28) + SECOND_PAGE,
    "zeros": word(0x2000, 0x22) + b"\0" + word(0x3000, 0x22) + b"\0",
    "XBZRLE": word(0, 0x60) + b"\1\0\4\0\2ab",
    "compressed": word(0x4000, 0x120) + struct.pack(">I", len(PACKED)) + PACKED,
    "rom": word(0, 2) + counted(b"rom") + b"\xaa",
    "zero rom": word(0, 0x22) + b"\0",
}
ALL = b"".join(PAGES.values())


def payloads(got: Stream) -> list[bytes]:
    return [section.payload for section in got.sections]


def named(address: int, page: bytes, block: bytes = b"pc.ram") -> bytes:
    kind, body = (2, b"\0") if page == bytes(4096) else (8, page)
    return word(address, kind) + counted(block) + body


CASES: dict[str, tuple[Wanted, list[bytes]]] = {
    "none": (Wanted(), [LIST, EOS]),
    "all": (Wanted("all"), [LIST, ALL + EOS, EOS]),
    "zero": (
        Wanted("zero"),
        [
            LIST,
            named(0, bytes(4096))
            + named(0x1000, bytes(4096))
            + PAGES["zeros"]
            + named(0, bytes(4096))
            + named(0x4000, bytes(4096))
            + named(0, bytes(4096), b"rom")
            + PAGES["zero rom"]
            + EOS,
            EOS,
        ],
    ),
    "all but a block": (Wanted("all", frozenset({"pc.ram"})), [LIST, PAGES["rom"] + PAGES["zero rom"] + EOS, EOS]),
    "a range": (
        Wanted(keep={"pc.ram": [(0x1002, 3)]}),
        [LIST, named(0x1000, b"\0\0" + b"\xbb" * 3 + bytes(4091)) + EOS, EOS],
    ),
    "a range in two pages": (
        Wanted(keep={"pc.ram": [(0x1FFF, 2)]}),
        [LIST, named(0x1000, bytes(4095) + b"\xbb") + named(0x2000, bytes(4096)) + EOS, EOS],
    ),
    "a range that XBZRLE changes": (
        Wanted(keep={"pc.ram": [(0, 4)]}),
        [LIST, named(0, PAGE[:4] + bytes(4092)) + named(0, b"ab" + PAGE[2:4] + bytes(4092)) + EOS, EOS],
    ),
    "a compressed range": (
        Wanted(keep={"pc.ram": [(0x4001, 1)]}),
        [LIST, named(0x4000, b"\0\1" + bytes(4094)) + EOS, EOS],
    ),
    "a range of a filled page": (
        Wanted(keep={"rom": [(4095, 9)]}),
        [LIST, named(0, bytes(4095) + b"\xaa", b"rom") + named(0, bytes(4096), b"rom") + EOS, EOS],
    ),
    "no zeros": (
        Wanted("all", drop_zero=True),
        [
            LIST,
            PAGES["page"]
            + PAGES["same block"]
            + PAGES["XBZRLE"]
            + PAGES["compressed"]
            + PAGES["rom"]
            + named(0, bytes(4096), b"rom")  # it replaces another
            + EOS,
            EOS,
        ],
    ),
    "no zeros of none": (Wanted("zero", drop_zero=True), [LIST, EOS]),
    "a range without zeros": (
        Wanted(keep={"pc.ram": [(0x1000, 0x2000)]}, drop_zero=True),
        [LIST, named(0x1000, SECOND_PAGE) + EOS, EOS],
    ),
}


@pytest.mark.parametrize(("wanted", "expected"), CASES.values(), ids=CASES.keys())
def test_strips(wanted: Wanted, expected: list[bytes]) -> None:
    got = stream(LIST, ALL + EOS, EOS)
    made = stripped(got, wanted)
    assert payloads(made) == expected
    data = write(made)
    assert write(read(data)) == data
    assert b"".join(stripped_pieces(got, wanted)) == data


def test_a_block_is_named_again_behind_what_goes() -> None:
    rest = word(0x2000, 0x28) + SECOND_PAGE
    got = stream(LIST, PAGES["page"] + EOS, PAGES["zeros"] + EOS, PAGES["rom"] + EOS, PAGES["zero rom"] + EOS)
    made = stripped(got, Wanted("all", frozenset({"pc.ram"})))
    assert payloads(made) == [LIST, EOS, EOS, PAGES["rom"] + EOS, PAGES["zero rom"] + EOS]
    got = stream(LIST, PAGES["rom"] + PAGES["page"] + rest + EOS, EOS)
    made = stripped(got, Wanted("all", frozenset({"rom"}), drop_zero=True))
    assert payloads(made)[1] == PAGES["page"] + rest + EOS
    got = stream(LIST, word(0, 2) + counted(b"pc.ram") + b"\0" + rest + EOS, EOS)
    assert payloads(without_zeros(got))[1] == named(0x2000, SECOND_PAGE) + EOS


def test_sections_left_empty_go() -> None:
    parts = (ram(Kind.START, LIST), ram(Kind.PART, PAGES["page"] + EOS), ram(Kind.PART, EOS), ram(Kind.END, EOS))
    got = read(write(Stream(Header(), None, (*parts, Eof()), b"")))
    assert [section.kind for section in strip(got, {}).sections] == [Kind.START, Kind.END]
    assert stripped(got, Wanted("all")) == got


def test_what_XBZRLE_changes_must_be_there() -> None:  # noqa: N802
    got = stream(LIST, word(0, 0x40) + counted(b"pc.ram") + b"\1\0\4\0\2ab" + EOS, EOS)
    assert payloads(strip(got, {"pc.ram": [(0x1000, 1)]})) == [LIST, EOS]
    with pytest.raises(StreamError, match="a page sent before, which XBZRLE changes"):
        strip(got, {"pc.ram": [(0, 1)]})
    with pytest.raises(StreamError, match="a page sent before, which XBZRLE changes"):
        list(stripped_pieces(got, Wanted(keep={"pc.ram": [(0, 1)]})))


def mapped_stream(*others: str) -> Stream:
    configuration = capabilities("mapped-ram", *others)
    at = 8 + 1 + len(configuration.payload) + 5 + 4 + 8 + 8
    first = mapped(b"m", 0x3000, at, 5)
    return stream(
        word(0x4000, 4) + first + mapped(b"n", 0x1000, at + len(first)) + EOS, EOS, configuration=configuration
    )


@pytest.mark.parametrize(
    ("wanted", "pages"),
    [
        pytest.param(Wanted(), b"", id="none"),
        pytest.param(Wanted("all", frozenset({"m"})), named(0, b"\xaa" * 4096, b"n"), id="all but a block"),
        pytest.param(Wanted(keep={"m": [(1, 1)]}), named(0, b"\0\xaa" + bytes(4094), b"m"), id="a range"),
        pytest.param(Wanted("zero"), named(0, bytes(4096), b"m") + named(0, bytes(4096), b"n"), id="zero"),
    ],
)
def test_mapped_ram_becomes_pages(wanted: Wanted, pages: bytes) -> None:
    listed = word(0x4000, 4) + entry(b"m", 0x3000) + entry(b"n", 0x1000)
    got = mapped_stream()
    made = stripped(got, wanted)
    assert payloads(made)[0] == listed + pages + EOS
    assert made.configuration is not None
    assert made.configuration.capabilities == ()
    data = write(made)
    assert b"".join(stripped_pieces(got, wanted)) == data
    assert [block.length for block in ram_blocks(read(data))] == [0x3000, 0x1000]


def test_other_capabilities_stay() -> None:
    made = stripped(mapped_stream("multifd"), Wanted())
    assert made.configuration is not None
    assert made.configuration.capabilities == ("multifd",)


def test_packages() -> None:
    inside: list[Section | Command] = [
        ram(Kind.START, LIST),
        ram(Kind.PART, ALL + EOS),
        Command.ping(3),
        Command(Cmd.POSTCOPY_RUN),
    ]
    devices = pack([Section(Kind.FULL, 7, "timer", 0, 2, bytes(24), None, 7), Command(Cmd.POSTCOPY_RUN)])
    got = read(write(Stream(Header(), None, (pack(inside), devices, Eof()), b"")))
    made = stripped(got, Wanted())
    first, second, _ = made.records
    assert isinstance(first, Command)
    kept = [one.payload for one in package_records(made, first) if isinstance(one, Section | Command)]
    assert kept == [LIST, b"\0\0\0\3", b""]
    assert second == devices
    assert b"".join(stripped_pieces(got, Wanted())) == write(made)


def test_the_description_goes_if_it_is_not_wanted() -> None:
    text = b'{"page_size": 4096, "devices": []}'
    got = stream(LIST, EOS)
    got = replace(got, trailing=b"\6" + struct.pack(">I", len(text)) + text)
    assert stripped(got, Wanted()).trailing == got.trailing
    assert stripped(got, Wanted(vmdescription=False)).trailing == b""
    assert stripped(replace(got, trailing=b"odd"), Wanted(vmdescription=False)).trailing == b"odd"


def contents(got: Stream) -> dict[tuple[str | None, int], bytes]:
    """What a fresh destination has in its pages afterwards, but for zeros."""
    found: dict[tuple[str | None, int], bytes] = {}
    for page in ram_pages(got):
        found[page.block, page.address] = page.content(found.get((page.block, page.address), bytes(4096)))
    return {key: page for key, page in found.items() if page != bytes(4096)}


PIECES = st.lists(st.sampled_from(sorted(PAGES)), max_size=12).map(lambda names: b"".join(PAGES[one] for one in names))
FIRST = PAGES["page"]
RANGES = st.lists(st.tuples(st.integers(0, 0x5000), st.integers(0, 0x1800)), max_size=3)


@settings(deadline=None)
@given(PIECES, PIECES)
def test_without_zeros_the_same_is_loaded(one: bytes, two: bytes) -> None:
    got = stream(LIST, FIRST + one + EOS, two + EOS)
    made = without_zeros(got)
    assert contents(read(write(made))) == contents(got)


@settings(deadline=None)
@given(
    PIECES,
    PIECES,
    st.dictionaries(
        st.sampled_from(["pc.ram", "rom"]),
        st.lists(st.tuples(st.integers(0, 0x5000), st.integers(0, 0x1800)), max_size=3),
    ),
    st.booleans(),
)
def test_kept_ranges_hold_what_they_held(one: bytes, two: bytes, keep: dict[str, Any], drop: bool) -> None:
    got = stream(LIST, FIRST + one + EOS, two + EOS)
    made = read(b"".join(stripped_pieces(got, Wanted(keep=keep, drop_zero=drop))))
    before, after = contents(got), contents(made)
    for block, ranges in keep.items():
        for start, length in ranges:
            for at in range(start, start + length, 97):
                page, index = at & ~4095, at & 4095
                assert after.get((block, page), bytes(4096))[index] == before.get((block, page), bytes(4096))[index]
