"""Streams without their RAM, or without most of it: the records of pages that nobody needs are left out.

What stays loads and reads as before: block lists stay, START and END stay, a page that follows one left out names its
block. A page kept in part is stored plainly whatever it was before, so what it holds must be known: a compressed page
is unpacked, of an XBZRLE page what came before must be in the stream. Where RAM is mapped into the stream (mapped-ram)
it becomes ordinary pages, and the capability is struck from the configuration.

Pieces come one by one and none is large, so a stream that was opened lazily is never in memory as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from vmformat import vmdescription
from vmformat.channels.channel import checkpoints
from vmformat.channels.checkpoints import moments
from vmformat.command import Cmd, Command
from vmformat.configuration import SCHEMA, Configuration
from vmformat.errors import StreamError
from vmformat.framing import Kind
from vmformat.ram.pages import context_of, mapped_pages, pages_of, pieces_of, ram_pages
from vmformat.ram.walk import CONTINUE, EOS, MEM_SIZE, OF_A_PAGE, PAGE, ZERO, entries
from vmformat.records import Span
from vmformat.section import Section
from vmformat.stream import pack, package_records
from vmformat.tree import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from vmformat.ram.context import RamContext
    from vmformat.ram.pages import Page
    from vmformat.ram.walk import Piece, Sliced
    from vmformat.records import Record
    from vmformat.stream import Stream

_CHUNK: Final = 1 << 20
_DEEPEST: Final = 16
_MAPPED: Final = "mapped-ram"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pages stay, and how.

    - `pages`: "none" of them, all as "zero" pages, or "all".
    - `but`: of these blocks none, if all others stay.
    - `keep`: ranges (offset in the block, length; bytes) by block name. A page that holds one stays whatever else is
      said, zeroed outside of its ranges.
    - `drop_zero`: pages of zeros go, which a fresh destination has anyway, unless they replace others.
    - `vmdescription`: whether that stays.
    """

    pages: str = "none"
    but: frozenset[str] = frozenset()
    keep: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    drop_zero: bool = False
    vmdescription: bool = True


def strip(stream: Stream, keep: Mapping[str, Sequence[tuple[int, int]]]) -> Stream:
    """The stream with only those RAM pages that hold a kept range, zeroed outside of it; the VMDESCRIPTION stays.

    `keep` gives ranges (offset in the block, length; bytes) by block name. PART sections left without a page go; START
    and END stay, so that the sections still follow each other as QEMU writes them. Raises StreamError if what a kept
    page holds cannot be known or the RAM sections cannot be read.
    """
    return stripped(stream, Wanted(keep=keep))


def without_zeros(stream: Stream) -> Stream:
    """The stream without pages of zeros, which a fresh destination has anyway.

    Raises StreamError if the RAM sections cannot be read.
    """
    return stripped(stream, Wanted("all", drop_zero=True))


def stripped(stream: Stream, wanted: Wanted) -> Stream:
    """The stream with only what is wanted of its RAM. Raises StreamError as `strip` does."""
    stripping = _Stripping(stream, wanted)
    return replace(
        stream,
        configuration=_unmapped(stream.configuration),
        records=tuple(stripping.records(stream.records)),
        trailing=b"".join(stripping.trailing()),
    )


def stripped_pieces(stream: Stream, wanted: Wanted) -> Iterator[bytes | memoryview]:
    """The bytes of `stripped(stream, wanted)` one after the other, RAM never in memory as a whole."""
    front = replace(stream, configuration=_unmapped(stream.configuration), records=(), trailing=b"")
    yield from front.pieces()
    stripping = _Stripping(stream, wanted)
    yield from stripping.pieces(stream.records)
    yield from stripping.trailing()


def _unmapped(configuration: Configuration | None) -> Configuration | None:
    """The same without the capability mapped-ram."""
    if configuration is None or _MAPPED not in configuration.capabilities:
        return configuration
    values = configuration.tree.values()
    assert isinstance(values, dict)
    left = [one for one in configuration.capabilities if one != _MAPPED]
    values["configuration/capabilities"] = {"count": len(left), "capabilities": [{"name": name} for name in left]}
    if not left:
        del values["configuration/capabilities"]
    return Configuration(encode(SCHEMA, values))


class _Stripping:
    """One pass over the records of a stream."""

    def __init__(self, stream: Stream, wanted: Wanted) -> None:
        self.stream = stream
        self.wanted = wanted
        self.last = ""  # the block that the stream named last
        self.dropping = self._drops("")  # whether its pages go, all of them
        self.told = ""  # the one that we named last
        self.tracking = False
        self.contents: dict[tuple[str, int], bytes] = {}  # while tracking: of kept pages what XBZRLE may change
        self.filled: dict[str, set[int]] = {}  # pages that we sent and that are not zero

    def records(self, records: Iterable[Record], depth: int = 0) -> Iterator[Record]:
        """The records that stay."""
        for record in records:
            if isinstance(record, Section) and record.is_ram:
                payload = list(self.payload(record))
                if self._stays(record, len(payload)):
                    yield replace(record.replace_payload(b"".join(payload)), context=_plain(record.context))
            elif isinstance(record, Span):
                yield from self.records(record.records(), depth)
            elif isinstance(record, Command) and record.cmd == Cmd.PACKAGED:
                yield self._package(record, depth)
            else:
                yield record

    def pieces(self, records: Iterable[Record]) -> Iterator[bytes | memoryview]:
        """Their bytes."""
        for record in records:
            if isinstance(record, Section) and record.is_ram:
                payload = self.payload(record)
                first, second = next(payload), next(payload, None)
                if not self._stays(record, 1 if second is None else 2):
                    continue
                yield record.head()
                yield first
                yield second or b""
                yield from payload
                yield record.foot()
            elif isinstance(record, Section):
                yield from (record.head(), *record.chunks(), record.foot())
            elif isinstance(record, Span):
                yield from self.pieces(record.records())
            else:
                for one in self.records([record]):
                    assert not isinstance(one, Section | Span)
                    yield one.to_bytes()

    def trailing(self) -> Iterator[bytes]:
        """What follows the stream: the VMDESCRIPTION if it is wanted, and a COLO session, stripped too."""
        data = self.stream.trailing
        session = checkpoints(self.stream)
        end = len(data) if session is None else len(data) - len(session.data)
        found = None if self.wanted.vmdescription else vmdescription.find(data[:end])
        if found is None:
            yield data[:end]
        else:
            yield data[: found[0] - _DESCRIPTION_HEAD]
            yield data[found[1] : end]
        if session is None:
            return
        if self.wanted.keep:
            self._track()
        for moment in moments(self.stream):
            start = end
            end += moment.size
            if any(isinstance(record, Section) and record.is_ram for record in moment.records):
                yield data[start : start + moment.head]
                yield from (record.to_bytes() for record in self.records(moment.records))
            else:
                yield data[start:end]
        yield data[end:]

    def _stays(self, section: Section, pieces: int) -> bool:
        """Whether a section of so many pieces, the last of which is its end, is one that stays."""
        return pieces > 1 or section.kind is not Kind.PART or self.wanted.pages == "all"

    def _package(self, command: Command, depth: int) -> Command:
        """A package with its RAM stripped, itself if it has none or cannot be read."""
        if depth == _DEEPEST:
            return command
        try:
            inside = package_records(self.stream, command)
        except StreamError:
            return command
        if not any(one.is_ram if isinstance(one, Section) else isinstance(one, Command) for one in inside):
            return command
        made = pack(self.records(inside, depth + 1))
        return command if made.to_bytes() == command.to_bytes() else made

    def payload(self, section: Section) -> Iterator[bytes]:
        """What stays of a payload, in pieces; what ends it is a piece of its own."""
        out = _Out(section.buffer)
        for piece in pieces_of(section):
            if self.dropping and piece.flags in _OF_THE_SAME:
                continue
            if piece.kind == EOS:
                yield from out.drain()
                yield bytes(section.buffer[piece.start : piece.end])
            elif piece.kind == MEM_SIZE:
                yield from self._list(section, piece, out)
            elif piece.kind & OF_A_PAGE:
                self._piece(section, piece, out)
                if len(out.queue) > _MOST_QUEUED:
                    yield from out.drain()
            else:
                out.copy(piece.start, piece.end)

    def _list(self, section: Section, piece: Piece, out: _Out) -> Iterator[bytes]:
        """A block list, with the pages of mapped blocks behind it."""
        context = context_of(section)
        if not context.mapped_ram:
            out.copy(piece.start, piece.end)
            return
        listed = list(entries(section.buffer, piece.data, piece.address, context, piece.end))
        out.copy(piece.start, piece.data)
        for entry in listed:
            out.copy(entry.start, entry.mapped.at if entry.mapped is not None else entry.end)
        for entry in listed:
            block = entry.name.decode("latin-1")
            if self._drops(block):
                continue
            for page in mapped_pages(section, entry):
                self._page(page, block, out)
                if len(out.queue) > _MOST_QUEUED:
                    yield from out.drain()

    def _piece(self, section: Section, piece: Piece, out: _Out) -> None:
        if piece.name is not None:
            self.last = piece.name.decode("latin-1")
            self.dropping = self._drops(self.last)
        block, data = self.last, section.buffer
        fate = self._fate(block)
        kept = fate != "all" and bool(self.wanted.keep.get(block))
        zeros = piece.kind == ZERO and bytes(data[piece.end - 1 : piece.end]) == b"\0"
        if kept:
            for page in pages_of(section, piece, block):
                self._page(page, block, out)
        elif fate == "all" and self.wanted.drop_zero:
            self._without_zeros(section, piece, block, out, zeros=zeros)
        elif fate == "all" or (fate == "zero" and zeros and not self.wanted.drop_zero):
            self._copy(data, piece, block, out)
        elif fate == "zero":
            for page in pages_of(section, piece, block):
                self._send(page.address, bytes(page.page_size), block, out)

    def _without_zeros(self, section: Section, piece: Piece, block: str, out: _Out, *, zeros: bool) -> None:
        """A piece as it is; of pages of zeros only those that replace others."""
        filled = self.filled.setdefault(block, set())
        if piece.kind == PAGE:
            page = bytes(section.buffer[piece.data : piece.end])
            zeros = page.count(0) == len(page)
        if not zeros:
            filled.add(piece.address)
            self._copy(section.buffer, piece, block, out)
        elif filled:
            for one in pages_of(section, piece, block):
                self._send(one.address, bytes(one.page_size), block, out)

    def _drops(self, block: str) -> bool:
        return self._fate(block) == "none" and not self.wanted.keep.get(block)

    def _fate(self, block: str) -> str:
        return "none" if block in self.wanted.but else self.wanted.pages

    def _copy(self, data: Sliced, piece: Piece, block: str, out: _Out) -> None:
        """A piece as it is, but that it names its block if we did not name it before."""
        if piece.name is None and self.told != block:
            word = int.from_bytes(data[piece.start : piece.start + 8], "big")
            out.put((word & ~CONTINUE).to_bytes(8, "big") + _counted(block))
            out.copy(piece.data, piece.end)
        else:
            out.copy(piece.start, piece.end)
        self.told = block

    def _page(self, page: Page, block: str, out: _Out) -> None:
        """One page, of a block of which not all stay as they are."""
        fate = self._fate(block)
        ranges = self._ranges(page, block) if fate != "all" else [(0, page.page_size)]
        if not ranges and fate == "none":
            return
        content = bytearray(page.page_size)
        if ranges:
            if page.kind == "XBZRLE" and fate != "all":
                self._track(page.offset)
            whole = page.content(self.contents.get((block, page.address)))
            if self.tracking:
                self.contents[block, page.address] = whole
            if (0, page.page_size) in ranges:
                self._send(page.address, whole, block, out)
                return
            for start, end in ranges:
                content[start:end] = whole[start:end]
        self._send(page.address, bytes(content), block, out)

    def _track(self, end: int | None = None) -> None:
        """From now on know what kept pages hold; what came before `end`, an offset in the stream, is looked up.

        Only XBZRLE needs that, and large streams that are kept whole should not be in memory for nothing.
        """
        if self.tracking:
            return
        self.tracking = True
        for page in ram_pages(self.stream):
            if end is not None and page.offset >= end:
                break
            block = page.block or ""
            if self._ranges(page, block):
                self.contents[block, page.address] = page.content(self.contents.get((block, page.address)))

    def _ranges(self, page: Page, block: str) -> list[tuple[int, int]]:
        """Of the page what is kept."""
        found = [
            (max(start - page.address, 0), min(start + length - page.address, page.page_size))
            for start, length in self.wanted.keep.get(block, ())
        ]
        return [(start, end) for start, end in found if start < end]

    def _send(self, address: int, content: bytes, block: str, out: _Out) -> None:
        """A page stored plainly, its block named."""
        filled = self.filled.setdefault(block, set()) if self.wanted.drop_zero else set()
        if content.count(0) == len(content):
            if self.wanted.drop_zero and address not in filled:
                return
            filled.discard(address)
            out.put((address | ZERO).to_bytes(8, "big") + _counted(block) + b"\0")
        else:
            filled.add(address)
            out.put((address | PAGE).to_bytes(8, "big") + _counted(block) + content)
        self.told = block


class _Out:
    """Bytes that go out: pieces of our own, and stretches of the payload, which are copied when their turn comes."""

    def __init__(self, data: Sliced) -> None:
        self.data = data
        self.queue: list[bytes | tuple[int, int]] = []

    def put(self, piece: bytes) -> None:
        """Bytes of our own."""
        self.queue.append(piece)

    def copy(self, start: int, end: int) -> None:
        """A stretch of the payload."""
        last = self.queue[-1] if self.queue else None
        if isinstance(last, tuple) and last[1] == start:
            self.queue[-1] = last[0], end
        else:
            self.queue.append((start, end))

    def drain(self) -> Iterator[bytes]:
        """All of it, in pieces that are not large."""
        small: list[bytes] = []
        for item in self.queue:
            if isinstance(item, bytes):
                small.append(item)
                continue
            for at in range(item[0], item[1], _CHUNK):
                small.append(bytes(self.data[at : min(at + _CHUNK, item[1])]))
                if len(small[-1]) == _CHUNK:
                    yield b"".join(small)
                    small = []
        if small:
            yield b"".join(small)
        self.queue = []


def _counted(name: str) -> bytes:
    raw = name.encode("latin-1")
    return bytes([len(raw)]) + raw


def _plain(context: RamContext | None) -> RamContext | None:
    return None if context is None else replace(context, mapped_ram=False)


_OF_THE_SAME: Final = frozenset({PAGE | CONTINUE, ZERO | CONTINUE})
_DESCRIPTION_HEAD: Final = 5
"""Bytes before a VMDESCRIPTION's text."""

_MOST_QUEUED: Final = 64
