"""What a stream says of guest memory: its blocks, the pages that are in it, and what each page holds.

Pages come in stream order; one that comes again replaces what came before it. What a page holds is worked out only when
someone asks: an XBZRLE page changes the page as it was, so that is needed then.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vmformat.command import Cmd, Command
from vmformat.errors import StreamError
from vmformat.ram.context import RamContext
from vmformat.ram.records import xbzrle
from vmformat.ram.walk import COMPRESS, MEM_SIZE, OF_A_PAGE, PAGE, XBZRLE, ZERO, entries, walk
from vmformat.ram.zero_pages import RECORD
from vmformat.records import Span
from vmformat.section import Section
from vmformat.stream import package_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from vmformat.ram.walk import Entry, Piece, Sliced
    from vmformat.records import Record
    from vmformat.stream import Stream

KINDS: Final = {ZERO: "ZERO", PAGE: "PAGE", XBZRLE: "XBZRLE", COMPRESS: "COMPRESS"}
"""How a page may be sent; with mapped-ram it is MAPPED."""

_BITMAP_PIECE: Final = 256

_DEEPEST: Final = 16
"""Packages in packages deeper than this are not looked into."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was sent.

    - `block`: the RAM block it is of, None if nobody named one. `address`: its offset in the block, bytes.
    - `kind`: ZERO, PAGE, XBZRLE, COMPRESS or MAPPED.
    - `offset`, `size`: where its record (with MAPPED: the page) stands in the stream, and the bytes it takes there.
    - `page_size`: bytes of the page itself.
    """

    block: str | None
    address: int
    kind: str
    offset: int
    size: int
    page_size: int
    _data: Sliced = field(repr=False, compare=False)
    _start: int = field(repr=False, compare=False)
    _end: int = field(repr=False, compare=False)

    @property
    def stored(self) -> bytes:
        """What stands in the stream for it: the page, the fill byte, a body of XBZRLE or zlib without its header."""
        return bytes(self._data[self._start + _HEADS.get(self.kind, 0) : self._end])

    def content(self, before: bytes | None = None) -> bytes:
        """The page. `before`: what it held until then, which XBZRLE needs.

        Raises StreamError if what is stored is no page, or `before` is needed and not there.
        """
        stored = self.stored
        if self.kind in {"PAGE", "MAPPED"}:
            return stored
        if self.kind == "ZERO":
            return stored * self.page_size
        if self.kind == "COMPRESS":
            return self._inflated(stored)
        head = bytes(self._data[self._start : self._start + 1])
        if head != b"\1":
            raise StreamError(self.offset, self._path, "encoding 1", head.hex())
        if before is None:
            raise StreamError(self.offset, self._path, "a page sent before, which XBZRLE changes", "none")
        page = bytearray(before)
        problem = xbzrle(stored, page)
        if problem is not None:
            raise StreamError(self.offset, self._path, "an XBZRLE body", problem)
        return bytes(page)

    def _inflated(self, stored: bytes) -> bytes:
        try:
            page = zlib.decompressobj().decompress(stored, self.page_size)
        except zlib.error as error:
            raise StreamError(self.offset, self._path, "a zlib stream", str(error)) from None
        if len(page) != self.page_size:
            raise StreamError(self.offset, self._path, f"a page of {self.page_size} bytes", f"{len(page)} bytes")
        return page

    @property
    def _path(self) -> str:
        return f"ram.{self.block}+{self.address:#x}"


_HEADS: Final = {"XBZRLE": 3, "COMPRESS": 4}
"""Bytes before a body: of XBZRLE encoding and length, of a compressed page its length."""


@dataclass(frozen=True, slots=True)
class Block:
    """A RAM block: its name, used length and page size (bytes), guest physical address; None: the stream does not say.

    `pages` counts records by kind; a page sent twice counts twice.
    """

    name: str
    length: int | None
    page_size: int | None
    address: int | None
    pages: Mapping[str, int]


def ram_sections(stream: Stream) -> Iterator[Section]:
    """The ram sections in stream order, those in packages too. Raises StreamError if a `Span` cannot be read."""
    return _sections(stream, stream.records, 0)


def _sections(stream: Stream, records: Iterable[Record], depth: int) -> Iterator[Section]:
    for record in records:
        if isinstance(record, Section):
            if record.is_ram:
                yield record
        elif isinstance(record, Span):
            yield from _sections(stream, record.records(), depth)
        elif isinstance(record, Command) and record.cmd == Cmd.PACKAGED and depth < _DEEPEST:
            try:
                inner = package_records(stream, record)
            except StreamError:
                continue
            yield from _sections(stream, inner, depth + 1)


def context_of(section: Section) -> RamContext:
    """How a section's records are to be read."""
    return section.context or RamContext()


def listed(section: Section) -> tuple[Entry, ...]:
    """The block list that a ram section begins with, () if it begins with none. Raises StreamError where it is cut."""
    for piece in pieces_of(section):
        if piece.kind != MEM_SIZE:
            break
        return tuple(entries(section.buffer, piece.data, piece.address, context_of(section), piece.end))
    return ()


def block_names(stream: Stream) -> tuple[str, ...]:
    """The names in the first block list. Raises StreamError where it is cut."""
    for section in ram_sections(stream):
        found = listed(section)
        if found:
            return tuple(entry.name.decode("latin-1") for entry in found)
    return ()


def ram_pages(stream: Stream) -> Iterator[Page]:
    """Every page that was sent. Raises StreamError, after the pages before it, where a record is none."""
    for section, piece, block in _pieces(stream):
        if isinstance(block, _Listed):
            yield from mapped_pages(section, block.entry)
        elif piece.kind & OF_A_PAGE:
            yield from pages_of(section, piece, block)


def pages_of(section: Section, piece: Piece, block: str | None) -> Iterator[Page]:
    """The pages of a piece of a section: one, or a run of zero pages."""
    data, size, start = section.buffer, context_of(section).page_size, section.payload_offset
    kind = KINDS[piece.kind]
    if piece.records == 1:
        yield Page(
            block, piece.address, kind, start + piece.start, piece.end - piece.start, size, data, piece.data, piece.end
        )
        return
    for at in range(piece.start, piece.end, RECORD):
        address = int.from_bytes(data[at : at + 8], "big") & ~(size - 1)
        yield Page(block, address, kind, start + at, RECORD, size, data, at + 8, at + RECORD)


def mapped_pages(section: Section, entry: Entry) -> Iterator[Page]:
    """The pages of a block listed with mapped-ram that are there."""
    if entry.mapped is None:
        return
    data, size = section.buffer, context_of(section).page_size
    first, end = entry.mapped.pages
    block = entry.name.decode("latin-1")
    for index in _set_bits(data, *entry.mapped.bitmap):
        start = first + index * size
        if start + size > end:
            return
        place = section.payload_offset + start
        yield Page(block, index * size, "MAPPED", place, size, size, data, start, start + size)


def _set_bits(data: Sliced, start: int, end: int) -> Iterator[int]:
    """The numbers of the bits that are set, the lowest of each byte first. Stretches of zeros cost next to nothing."""
    for at in range(start, end, _BITMAP_PIECE):
        piece = bytes(data[at : min(at + _BITMAP_PIECE, end)])
        if piece.count(0) == len(piece):
            continue
        for i, bits in enumerate(piece):
            while bits:
                yield (at - start + i) * 8 + (bits & -bits).bit_length() - 1
                bits &= bits - 1


def ram_blocks(stream: Stream) -> tuple[Block, ...]:
    """The blocks, in the order in which they are listed or named first. Raises StreamError where a record is none."""
    listed: dict[str, Entry | None] = {}
    counts: dict[str, Counter[str]] = {}
    for section, piece, block in _pieces(stream):
        if isinstance(block, _Listed):
            name = block.entry.name.decode("latin-1")
            listed[name] = block.entry
            counts.setdefault(name, Counter())
            if block.entry.mapped is not None:
                bits = int.from_bytes(section.buffer[slice(*block.entry.mapped.bitmap)], "little")
                pages = block.entry.length // context_of(section).page_size
                counts[name]["MAPPED"] += (bits & (1 << pages) - 1).bit_count()
        elif piece.kind & OF_A_PAGE:
            name = block or ""
            listed.setdefault(name, None)
            counts.setdefault(name, Counter())[KINDS[piece.kind]] += piece.records
    return tuple(
        Block(name, entry.length, entry.page_size, entry.address, dict(counts[name]))
        if entry is not None
        else Block(name, None, None, None, dict(counts[name]))
        for name, entry in listed.items()
    )


@dataclass(frozen=True, slots=True)
class _Listed:
    entry: Entry


def _pieces(stream: Stream) -> Iterator[tuple[Section, Piece, str | _Listed | None]]:
    """The pieces of all ram sections with the block each is of; of a list each entry."""
    last: str | None = None
    for section in ram_sections(stream):
        data, context = section.buffer, context_of(section)
        for piece in pieces_of(section):
            if piece.kind == MEM_SIZE:
                for entry in entries(data, piece.data, piece.address, context, piece.end):
                    yield section, piece, _Listed(entry)
                continue
            if piece.name is not None:
                last = piece.name.decode("latin-1")
            yield section, piece, last


def pieces_of(section: Section) -> Iterator[Piece]:
    """The pieces of a section's payload. Raises StreamError, its offset counted from the start of the stream."""
    try:
        yield from walk(section.buffer, 0, context_of(section))
    except StreamError as error:
        offset = section.payload_offset + error.offset
        raise StreamError(offset, error.path, error.expected, error.found) from None
