"""What ram sections hold: blocks, how many pages of which kind, and runs of pages that follow each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vmformat.errors import Fault, StreamError
from vmformat.ram import walk as ram_walk
from vmformat.ram.context import RamContext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.ram.walk import Entry, Sliced
    from vmformat.section import Section

KINDS: Final = {
    ram_walk.ZERO: "zero",
    ram_walk.PAGE: "full",
    ram_walk.XBZRLE: "xbzrle",
    ram_walk.COMPRESS: "compressed",
}
"""Kinds of page by the flag of their record, in words."""

MAPPED: Final = "mapped"
"""The kind of pages that stand in the file at their place, with mapped-ram."""


@dataclass(frozen=True, slots=True)
class Block:
    """An entry of a block list; `offset` in the stream, `page_size` and `address` (guest physical) where told."""

    offset: int
    name: str
    length: int
    page_size: int | None = None
    address: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Pages of one block and kind that follow each other in the block and in the stream.

    `block` is None where the records mean the last one named and there is none. `address`: of the first page in its
    block (bytes). `pages`: how many. `offset`, `size`: the bytes of their records. `end`: the address behind the last.
    """

    block: str | None
    kind: str
    address: int
    pages: int
    offset: int
    size: int
    end: int


class RamReader:
    """Reads the ram sections of a stream one after the other: a page may be of a block that an earlier one named."""

    def __init__(self) -> None:
        self._last: str | None = None

    def walk(self, section: Section) -> Iterator[Block | Run | Fault]:
        """Blocks and runs of pages in stream order; last the fault that ends the section too early, if any."""
        data, start = section.buffer, section.payload_offset
        context = section.context or RamContext()
        page = context.page_size
        run: Run | None = None
        try:
            for piece in ram_walk.walk(data, 0, context):
                if piece.name is not None:
                    self._last = piece.name.decode("latin-1")
                kind = KINDS.get(piece.kind)
                if kind is None:
                    if piece.kind == ram_walk.MEM_SIZE:
                        if run is not None:
                            yield run
                            run = None
                        yield from self._list(data, piece, context, start)
                    continue
                pages, at = piece.records, start + piece.start
                if piece.kind == ram_walk.ZERO and (fill := bytes(data[piece.data : piece.data + 1])) != b"\0":
                    kind = f"filled with {fill.hex()}"
                if run is not None and (run.end, run.block, run.kind) == (piece.address, self._last, kind):
                    size = start + piece.end - run.offset
                    run = Run(run.block, kind, run.address, run.pages + pages, run.offset, size, run.end + pages * page)
                    continue
                if run is not None:
                    yield run
                size = piece.end - piece.start
                run = Run(self._last, kind, piece.address, pages, at, size, piece.address + pages * page)
        except StreamError as error:
            if run is not None:
                yield run
            yield Fault(start + error.offset, error.path, error.expected, error.found)
            return
        if run is not None:
            yield run

    @staticmethod
    def _list(data: Sliced, piece: ram_walk.Piece, context: RamContext, start: int) -> Iterator[Block | Run]:
        for entry in ram_walk.entries(data, piece.data, piece.address, context, piece.end):
            name = entry.name.decode("latin-1")
            yield Block(start + entry.start, name, entry.length, entry.page_size, entry.address)
            if entry.mapped is not None:
                yield from _mapped(data, entry, name, context.page_size, start)


def _mapped(data: Sliced, entry: Entry, name: str, page: int, start: int) -> Iterator[Run]:
    """The pages of a block that its bitmap says are there."""
    assert entry.mapped is not None
    first, last = entry.mapped.bitmap
    bits = bin(int.from_bytes(data[first:last], "little"))[:1:-1]  # bit 0 first
    at = bits.find("1")
    while at >= 0:
        end = bits.find("0", at)
        end = len(bits) if end < 0 else end
        offset = start + entry.mapped.pages[0] + at * page
        yield Run(name, MAPPED, at * page, end - at, offset, (end - at) * page, end * page)
        at = bits.find("1", end)


@dataclass(slots=True)
class RamSummary:
    """What ram sections hold, added up."""

    blocks: list[Block] = field(default_factory=list)
    """Entries of the block lists; offsets count from the stream's start."""
    pages: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    """Pages by block and kind."""
    sizes: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    """Bytes of their records, by block and kind."""
    faults: list[Fault] = field(default_factory=list)

    def add(self, item: Block | Run | Fault) -> None:
        """Count one of those that `RamReader.walk` gives."""
        if isinstance(item, Block):
            self.blocks.append(item)
        elif isinstance(item, Fault):
            self.faults.append(item)
        else:
            self.pages[item.block, item.kind] += item.pages
            self.sizes[item.block, item.kind] += item.size

    def by_block(self) -> dict[str | None, dict[str, int]]:
        """Pages by kind, by block."""
        found: dict[str | None, dict[str, int]] = {}
        for (block, kind), count in self.pages.items():
            found.setdefault(block, {})[kind] = count
        return found
