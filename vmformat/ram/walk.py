"""The reader's way over a ram payload: every encoding there is, nothing judged, no page copied (facts: stream.md 4).

`iter_records` in `ram` is the loader's way and refuses what QEMU 7.2 refuses. This one takes what any version writes:
compressed pages, the flush record of multifd, mapped-ram, RDMA's hook, pages of any size. What the bytes alone do not
tell is in a `RamContext`; `fitting` finds one where nobody knows it.

Runs of zero pages, which are most of a large guest's records, are one `Piece` each.
"""

from __future__ import annotations

import mmap
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from vmformat.errors import StreamError
from vmformat.ram.context import ANY_SIZE, PAGE_SIZES, RamContext
from vmformat.ram.zero_pages import RECORD, zero_run
from vmformat.source import View

if TYPE_CHECKING:
    from collections.abc import Iterator


FULL: Final = 0x01
ZERO: Final = 0x02
MEM_SIZE: Final = 0x04
PAGE: Final = 0x08
EOS: Final = 0x10
CONTINUE: Final = 0x20
XBZRLE: Final = 0x40
HOOK: Final = 0x80
COMPRESS: Final = 0x100
FLUSH: Final = 0x200

NAMES: Final = {
    ZERO: "ZERO",
    MEM_SIZE: "MEM_SIZE",
    PAGE: "PAGE",
    EOS: "EOS",
    XBZRLE: "XBZRLE",
    HOOK: "HOOK",
    COMPRESS: "COMPRESS",
    FLUSH: "MULTIFD_FLUSH",
}
"""Kinds of record, by the one flag that is set besides CONTINUE."""

OF_A_PAGE: Final = ZERO | PAGE | XBZRLE | COMPRESS
MAPPED_HEAD: Final = 28
"""Bytes of the header behind a block's entry with mapped-ram."""


class Sliced(Protocol):
    """What records are read from: bytes, a view of some, a mapped file, a snapshot in an image."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: slice, /) -> bytes | memoryview: ...


_ZERO_CONTINUE: Final = ZERO | CONTINUE
_PAGE_CONTINUE: Final = PAGE | CONTINUE
_LEAST: Final = min(PAGE_SIZES)


class Piece(NamedTuple):
    """One record, or a run of records "this page is zero, in the block named last". Offsets count as the caller's `at`.

    `address` is an offset in a block (bytes), of a MEM_SIZE record the sum of all lengths; `name` the block named
    (None: none is). `data` is where stands what follows word and name: a page, a fill byte, a list, the header in
    front of XBZRLE's body or of a compressed page. `end` is behind all of it.
    """

    start: int
    flags: int
    address: int
    name: bytes | None
    data: int
    end: int

    @property
    def kind(self) -> int:
        """The flag that says what it is."""
        return self.flags & ~CONTINUE

    @property
    def records(self) -> int:
        """How many records it is: more than one only in a run of zero pages."""
        return (self.end - self.start) // RECORD if self.flags == _ZERO_CONTINUE else 1


class Mapped(NamedTuple):
    """What follows a block's entry with mapped-ram: the header's fields, and where (start, end) bitmap and pages are.

    The header tells offsets in the file; that of the bitmap says where in the file it stands itself.
    """

    at: int
    version: int
    page_size: int
    bitmap_offset: int
    pages_offset: int
    bitmap: tuple[int, int]
    pages: tuple[int, int]


class Entry(NamedTuple):
    """A block in the list: name, used length (bytes), page size and guest physical address where they are told."""

    start: int
    name: bytes
    length: int
    page_size: int | None
    address: int | None
    mapped: Mapped | None
    end: int


def walk(data: Sliced, at: int, context: RamContext, end: int | None = None) -> Iterator[Piece]:
    """The pieces of the payload that begins at `at` of `data`, lazily, up to and with EOS.

    `end`: where the data end for this walk, default all of it. Raises StreamError where a record is none or is cut off,
    and behind the end of the data if no EOS came.
    """
    data = flat(data)
    total = len(data) if end is None else end
    page = context.page_size
    mask = page - 1
    page_end = 8 + page
    while at + 8 <= total:
        start = at
        word = int.from_bytes(data[at : at + 8], "big")
        flags = word & mask
        if flags == _PAGE_CONTINUE:
            at += page_end
            if at > total:
                break
            yield Piece(start, flags, word - flags, None, start + 8, at)
            continue
        if flags == _ZERO_CONTINUE:
            at += zero_run(data, at, total, page_size=page) or RECORD
            if at > total:
                break
            yield Piece(start, flags, word - flags, None, start + 8, at)
            continue
        kind = flags & ~CONTINUE
        at += 8
        name = None
        if kind & OF_A_PAGE and not flags & CONTINUE:
            size = data[at : at + 1]
            body = at + 1 + (size[0] if size else 0)
            name = bytes(data[at + 1 : body])
            at = body
        body = at
        if kind == ZERO:
            at += 1
        elif kind == PAGE:
            at += page
        elif kind == EOS:
            yield Piece(start, flags, word - flags, None, at, at)
            return
        elif kind == MEM_SIZE:
            for entry in entries(data, at, word - flags, context, total):
                at = entry.end
        elif kind == XBZRLE:
            at += 3 + int.from_bytes(data[at + 1 : at + 3], "big")
        elif kind == COMPRESS:
            at += 4 + int.from_bytes(data[at : at + 4], "big")
        elif kind not in {FLUSH, HOOK}:
            raise StreamError(start, "ram", "a RAM record", f"flags {flags:#x}")
        if at > total:
            break
        yield Piece(start, flags, word - flags, name, body, at)
    raise StreamError(min(at, total), "ram", "more bytes", "the end of the stream")


def flat(data: Sliced) -> Sliced:
    """The same bytes, as a memoryview if they are a view of some in memory or of a mapped file: it is sliced faster."""
    start, stop, source = 0, len(data), data
    while isinstance(source, View):
        start, stop, source = start + source.start, stop + source.start, source.source
    if source is data or not isinstance(source, bytes | mmap.mmap):
        return data
    return memoryview(source)[start:stop]


def entries(data: Sliced, at: int, length: int, context: RamContext, end: int) -> Iterator[Entry]:
    """The list that begins at `at`: blocks until their lengths make up `length` exactly. Raises StreamError."""
    while length > 0:
        start = at
        size = data[at : min(at + 1, end)]
        at += 1 + (size[0] if size else 0)
        name = bytes(data[start + 1 : at])
        used = int.from_bytes(data[at : at + 8], "big")
        at += 8
        host = address = mapped = None
        if context.advised and _is_page_size(data, at, context.advised):
            host = int.from_bytes(data[at : at + 8], "big")
            at += 8
        if context.ignore_shared:
            address = int.from_bytes(data[at : at + 8], "big")
            at += 8
        if at > end or not size:
            raise StreamError(start, "ram", "more bytes", "the end of the stream")
        if context.mapped_ram:
            mapped = _mapped(data, at, used, context, end)
            at = mapped.pages[1]
        yield Entry(start, name, used, host, address, mapped, at)
        length -= used
    if length < 0:
        raise StreamError(at, "ram", "blocks of the total length told", f"{-length:#x} bytes more")


def _is_page_size(data: Sliced, at: int, sizes: int) -> bool:
    """Whether a page size stands here, not the next name or an address: a block's name is never empty."""
    word = data[at : at + 8]
    number = int.from_bytes(word, "big")
    return (
        len(word) == 8 and word[0] == 0 and number.bit_count() == 1 and number >= PAGE_SIZES[1] and number & sizes > 0
    )


def _mapped(data: Sliced, at: int, used: int, context: RamContext, end: int) -> Mapped:
    """The header at `at`, of a block of `used` bytes."""
    head = bytes(data[at : min(at + MAPPED_HEAD, end)])
    if len(head) < MAPPED_HEAD:
        raise StreamError(at, "ram", "more bytes", "the end of the stream")
    version = int.from_bytes(head[:4], "big")
    page, bitmap_offset, pages_offset = (int.from_bytes(head[i : i + 8], "big") for i in (4, 12, 20))
    bits = (used // context.page_size + 63) // 64 * 8
    bitmap = at + MAPPED_HEAD
    pages = bitmap + pages_offset - bitmap_offset
    if pages < bitmap + bits or pages + used > end:
        raise StreamError(at, "ram", f"pages behind the bitmap and within {end - at:#x} bytes", f"{pages_offset:#x}")
    return Mapped(at, version, page, bitmap_offset, pages_offset, (bitmap, bitmap + bits), (pages, pages + used))


_TRIED_RECORDS: Final = 8
_TRIED_PIECES: Final = 256
_TRIED_ENTRIES: Final = 1024


def fitting(data: Sliced, at: int, context: RamContext, end: int | None = None) -> RamContext:
    """`context` if the payload at `at` begins as it says, else the likeliest other one with which it does.

    Looks at a block list and a few records behind the first page, if one of the first records is one: the time does not
    depend on how many follow. If nothing fits, `context` it is.
    """
    total = len(data) if end is None else end
    if _fits(data, at, context, total):
        return context
    for size in dict.fromkeys((context.page_size, *PAGE_SIZES)):
        same = replace(context, page_size=size)
        for other in _lists(same) if _is_list(data, at, same) else (same,):
            if other != context and _fits(data, at, other, total):
                return other
    return context


def _is_list(data: Sliced, at: int, context: RamContext) -> bool:
    return int.from_bytes(data[at : at + 8], "big") & context.page_size - 1 == MEM_SIZE


def _lists(context: RamContext) -> Iterator[RamContext]:
    """All that a block list may be."""
    for mapped in (context.mapped_ram, not context.mapped_ram):
        for advised in dict.fromkeys((context.advised, ANY_SIZE)):
            for shared in (context.ignore_shared, not context.ignore_shared):
                yield replace(context, mapped_ram=mapped, advised=advised, ignore_shared=shared)


def _fits(data: Sliced, at: int, context: RamContext, end: int) -> bool:
    """Whether the first records are ones: up to a few behind the first page, whose size is what is in question."""
    left = _TRIED_PIECES
    paged = False
    try:
        for piece in _light(data, at, context, end):
            if piece.name == b"":
                return False
            left -= 1
            if piece.kind == PAGE and not paged:
                left, paged = _TRIED_RECORDS, True
            if not left:
                break
    except StreamError:
        return False
    return True


def _light(data: Sliced, at: int, context: RamContext, end: int) -> Iterator[Piece]:
    """As `walk`; of a list no more entries are looked at than any machine has blocks."""
    if _is_list(data, at, context):
        length = int.from_bytes(data[at : at + 8], "big") - MEM_SIZE
        at += 8
        for i, entry in enumerate(entries(data, at, length, context, end)):
            if i == _TRIED_ENTRIES:
                return
            if not entry.name:
                raise StreamError(entry.start, "ram", "a block's name", "none")
            at = entry.end
    yield from walk(data, at, context, end)


def measure_ram(data: Sliced, offset: int, context: RamContext | None = None, stop: int | None = None) -> int:
    """The offset right behind the ram payload that begins at `offset`. `stop`: as if the data ended there.

    Only walks, and judges nothing. Raises StreamError if the records run past the end of the data or are none.
    """
    end = offset
    for piece in walk(data, offset, context or RamContext(), stop):
        end = piece.end
    return end
