"""Blocks and pages of a stream, and what a page holds."""

from __future__ import annotations

import struct
import zlib

import pytest
from test_vmformat_ram_walk import PACKED, PAGE, counted, entry, mapped, word

from vmformat import Cmd, Command, Configuration, Eof, Header, Kind, Section, Stream, StreamError, pack, read, write
from vmformat.ram.pages import Block, Page, ram_blocks, ram_pages

EOS = word(0, 0x10)
LIST = word(0x6000, 4) + entry(b"pc.ram", 0x5000) + entry(b"rom", 0x1000) + EOS


def ram(kind: Kind, payload: bytes) -> Section:
    name, version = ("ram", 4) if kind is Kind.START else ("", 0)
    return Section(kind, 2, name, 0, version, payload, None, 2)


def stream(*payloads: bytes, configuration: Configuration | None = None) -> Stream:
    """A stream of these ram payloads, read from its bytes."""
    kinds = [Kind.START, *[Kind.PART] * (len(payloads) - 2), Kind.END]
    sections = map(ram, kinds, payloads)
    return read(write(Stream(Header(), configuration, (*sections, Eof()), b"")))


def capabilities(*names: str) -> Configuration:
    listed = {"count": len(names), "capabilities": [{"name": name} for name in names]}
    return Configuration.build("q35", {"configuration/capabilities": listed})


FIRST = word(0, 8) + counted(b"pc.ram") + PAGE + word(0x1000, 0x22) + b"\0" + word(0x2000, 0x22) + b"\0"
SECOND = word(0, 0x60) + b"\1\0\4\0\2ab" + word(0x3000, 0x120) + struct.pack(">I", len(PACKED)) + PACKED
SECOND += word(0, 2) + counted(b"rom") + b"\7"


def shape(page: Page) -> tuple[str | None, int, str]:
    return page.block, page.address, page.kind


def test_pages_come_in_order() -> None:
    got = stream(LIST, FIRST + EOS, SECOND + EOS)
    pages = list(ram_pages(got))
    assert [shape(page) for page in pages] == [
        ("pc.ram", 0, "PAGE"),
        ("pc.ram", 0x1000, "ZERO"),
        ("pc.ram", 0x2000, "ZERO"),
        ("pc.ram", 0, "XBZRLE"),
        ("pc.ram", 0x3000, "COMPRESS"),
        ("rom", 0, "ZERO"),
    ]
    data = write(got)
    first, zero, second, delta, packed, filled = pages
    assert first.content() == PAGE
    assert zero.content() == second.content() == bytes(4096)
    assert delta.content(PAGE) == b"ab" + PAGE[2:]
    assert packed.content() == PAGE
    assert filled.content() == b"\7" * 4096
    assert [data[page.offset : page.offset + 8] for page in (zero, second, packed)] == [
        word(0x1000, 0x22),
        word(0x2000, 0x22),
        word(0x3000, 0x120),
    ]
    assert data[first.offset + first.size :].startswith(word(0x1000, 0x22))
    assert packed.stored == PACKED


def test_blocks() -> None:
    got = stream(LIST, FIRST + EOS, SECOND + EOS)
    assert ram_blocks(got) == (
        Block("pc.ram", 0x5000, None, None, {"PAGE": 1, "ZERO": 2, "XBZRLE": 1, "COMPRESS": 1}),
        Block("rom", 0x1000, None, None, {"ZERO": 1}),
    )
    shared = word(0x1000, 4) + entry(b"m", 0x1000, 0xC0000) + EOS
    got = stream(shared, EOS, configuration=capabilities("x-ignore-shared"))
    assert ram_blocks(got) == (Block("m", 0x1000, None, 0xC0000, {}),)
    assert ram_blocks(stream(EOS, FIRST + EOS))[0].length is None


def test_mapped_pages() -> None:
    configuration = capabilities("mapped-ram")
    at = 8 + 1 + len(configuration.payload) + 5 + 4 + 8 + 8
    got = stream(word(0x3000, 4) + mapped(b"m", 0x3000, at, 5) + EOS, EOS, configuration=configuration)
    (page,) = ram_pages(got)
    assert shape(page) == ("m", 0, "MAPPED")
    assert page.content() == b"\xaa" * 4096
    assert write(got)[page.offset : page.offset + page.size] == page.content()
    assert ram_blocks(got) == (Block("m", 0x3000, None, None, {"MAPPED": 1}),)


def test_pages_in_packages_count_too() -> None:
    inside = ram(Kind.START, word(0, 8) + counted(b"b") + PAGE + EOS)
    got = read(write(Stream(Header(), None, (pack([inside, Command(Cmd.POSTCOPY_RUN)]), Eof()), b"")))
    (page,) = ram_pages(got)
    assert shape(page) == ("b", 0, "PAGE")
    assert write(got)[page.offset + 10 : page.offset + page.size] == PAGE


@pytest.mark.parametrize(
    ("record", "before", "message"),
    [
        pytest.param(word(0, 0x60) + b"\1\0\4\0\2ab", None, "a page sent before, which XBZRLE changes", id="first"),
        pytest.param(word(0, 0x60) + b"\2\0\4\0\2ab", PAGE, "expected encoding 1, found 02", id="encoding"),
        pytest.param(word(0, 0x60) + b"\1\0\3\0\2a", PAGE, "decode error", id="body"),
        pytest.param(word(0, 0x120) + b"\0\0\0\3abc", None, "expected a zlib stream", id="no zlib"),
        pytest.param(
            word(0, 0x120) + struct.pack(">I", len(zlib.compress(b"a"))) + zlib.compress(b"a"),
            None,
            "expected a page of 4096 bytes, found 1 bytes",
            id="a short page",
        ),
    ],
)
def test_what_is_no_page(record: bytes, before: bytes | None, message: str) -> None:
    (page,) = ram_pages(stream(LIST, record + EOS))
    with pytest.raises(StreamError, match=message) as error:
        page.content(before)
    assert error.value.offset == page.offset


def test_a_page_that_unpacks_to_gigabytes_does_not() -> None:
    bomb = zlib.compress(bytes(1 << 24))
    (page,) = ram_pages(stream(LIST, word(0, 0x120) + struct.pack(">I", len(bomb)) + bomb + EOS))
    assert page.content() == bytes(4096)
