"""Ram records as fields: the form of a ram payload (facts: stream.md 1.12, 4).

    [i].address_flags    the first word: an offset in the block (of a list, the sum of all lengths) and flags in one
    [i].block            where one is named
    [i].data, [i].fill   a page, XBZRLE's body, a compressed page; the byte that a page is filled with
    [i].encoding         1: XBZRLE
    [i].blocks[j]        of a list: name, length, page_size, address, and with mapped-ram the header, bitmap, gap, pages

What goes back to bytes makes lengths and the sum of a list from what they count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmformat.iterable.rows import Cutter, Row, counted, number, raw, reject_others
from vmformat.node import Node
from vmformat.ram.walk import (
    COMPRESS,
    CONTINUE,
    MAPPED_HEAD,
    MEM_SIZE,
    OF_A_PAGE,
    PAGE,
    XBZRLE,
    ZERO,
    Entry,
    entries,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vmformat.ram.context import RamContext
    from vmformat.ram.walk import Sliced

_GAP_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class RamForm:
    """`_records.Form` of ram payloads."""

    context: RamContext

    def rows(self, data: Sliced, at: int, end: int) -> Iterator[Row]:
        """Runs of zero pages are one row."""
        for piece in walk(data, at, self.context, end):
            yield Row(piece.start, piece.records, piece.end)

    def fields(self, data: Sliced, start: int, end: int, offset: int) -> tuple[Node, ...]:
        """What the flags say that it has."""
        cut = Cutter(data, start, offset)
        word = cut.number("address_flags", 8)
        flags = word & self.context.page_size - 1
        kind = flags & ~CONTINUE
        if kind & OF_A_PAGE and not flags & CONTINUE:
            cut.string("block")
        if kind == ZERO:
            cut.number("fill", 1)
        elif kind == PAGE:
            cut.buffer("data", self.context.page_size)
        elif kind == XBZRLE:
            cut.number("encoding", 1)
            cut.buffer("data", cut.number("data@length", 2))
        elif kind == COMPRESS:
            cut.buffer("data", cut.number("data@length", 4))
        elif kind == MEM_SIZE:
            blocks = tuple(
                self._block(data, i, entry, offset)
                for i, entry in enumerate(entries(data, start + 8, word - flags, self.context, end))
            )
            cut.nodes.append(Node("blocks", "array", offset + start + 8, end - start - 8, None, blocks))
        return tuple(cut.nodes)

    def _block(self, data: Sliced, index: int, entry: Entry, offset: int) -> Node:
        cut = Cutter(data, entry.start, offset)
        cut.string("name")
        cut.number("length", 8)
        if entry.page_size is not None:
            cut.number("page_size", 8)
        if entry.address is not None:
            cut.number("address", 8)
        if entry.mapped is not None:
            head = Cutter(data, cut.at, offset)
            for name, size in _MAPPED:
                head.number(name, size)
            cut.nodes.append(Node("header", "struct", offset + cut.at, MAPPED_HEAD, None, tuple(head.nodes)))
            cut.at += MAPPED_HEAD
            cut.buffer("bitmap", entry.mapped.bitmap[1] - entry.mapped.bitmap[0])
            cut.pages("gap", entry.mapped.pages[0] - entry.mapped.bitmap[1], _GAP_PIECE)
            cut.pages("pages", entry.mapped.pages[1] - entry.mapped.pages[0], self.context.page_size)
        size = entry.end - entry.start
        return Node(f"[{index}]", "element", offset + entry.start, size, None, tuple(cut.nodes))

    def build(self, values: Mapping[str, Any]) -> bytes:
        """Raises what `_records.Form` says."""
        word = values["address_flags"]
        flags = word & self.context.page_size - 1
        kind = flags & ~CONTINUE
        known = {"address_flags"}
        body = b""
        if kind & OF_A_PAGE and not flags & CONTINUE:
            known.add("block")
            body = counted(values["block"])
        if kind == ZERO:
            known.add("fill")
            body += number(values["fill"], 1)
        elif kind in {PAGE, XBZRLE, COMPRESS}:
            known.add("data")
            data = raw(values["data"])
            if kind == XBZRLE:
                known.add("encoding")
                body += number(values["encoding"], 1) + number(len(data), 2)
            elif kind == COMPRESS:
                body += number(len(data), 4)
            elif len(data) != self.context.page_size:
                raise ValueError(f"a page has {self.context.page_size} bytes, not {len(data)}")
            body += data
        elif kind == MEM_SIZE:
            known.add("blocks")
            blocks = list(values["blocks"])
            total = sum(one["length"] for one in blocks)
            if total & self.context.page_size - 1:
                raise ValueError(f"lengths that make whole pages are needed, not {total:#x}")
            word = total | flags
            body = b"".join(map(self._build_block, blocks))
        reject_others(values, known)
        return number(word, 8) + body

    def _build_block(self, values: Mapping[str, Any]) -> bytes:
        known = {"name", "length"}
        out = counted(values["name"]) + number(values["length"], 8)
        if self.context.advised and "page_size" in values:
            known.add("page_size")
            out += number(values["page_size"], 8)
        if self.context.ignore_shared:
            known.add("address")
            out += number(values["address"], 8)
        if self.context.mapped_ram:
            known |= {"header", "bitmap", "gap", "pages"}
            out += b"".join(number(values["header"][name], size) for name, size in _MAPPED)
            out += b"".join(_joined(values[name]) for name in ("bitmap", "gap", "pages"))
        reject_others(values, known)
        return out


def _joined(value: object) -> bytes:
    """Bytes, or a list of them."""
    return b"".join(map(raw, value)) if isinstance(value, list | tuple) else raw(value)


_MAPPED = (("version", 4), ("page_size", 8), ("bitmap_offset", 8), ("pages_offset", 8))
