"""The ram section: records of pages, in any number of START, PART and END payloads (facts: stream.md 4).

Records come lazily and in order, each with where it stands; nothing is known here of the memory they are for. A record
that names no block means the last one named, also in an earlier section: `RamState` carries that from one to the next.
Of what QEMU refuses, `iter_records` tells what the bytes alone decide, and with `lengths` (the blocks that the
destination has) what the blocks' names and lengths decide; whether a block may be resized is for the caller to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Final, TypeAlias

from vmformat.errors import StreamError
from vmformat.plan import Refusal
from vmformat.ram.context import PAGE_SIZE
from vmformat.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

COMPRESS_MOST: Final = 4110
"""Bytes a compressed page may have."""

_EINVAL: Final = 22


class Flag(IntFlag):
    """The low bits of a record's first word. But for CONTINUE exactly one must be set."""

    ZERO = 0x02
    MEM_SIZE = 0x04
    PAGE = 0x08
    EOS = 0x10
    CONTINUE = 0x20
    XBZRLE = 0x40
    HOOK = 0x80
    COMPRESS = 0x100


_ZERO, _MEM_SIZE, _PAGE, _EOS, _CONTINUE, _XBZRLE, _HOOK, _COMPRESS = (int(flag) for flag in Flag)
_OF_A_BLOCK: Final = _ZERO | _PAGE | _XBZRLE | _COMPRESS


@dataclass(frozen=True, slots=True)
class RamRecord:
    """One record but for the entries of a block list.

    `address` is an offset in `block` (bytes, page aligned), of a MEM_SIZE record the sum of all lengths. `block` is the
    one meant (None: the record means the last one and there is none, or it needs none), `named` whether the record
    names it. `data`: the page, the fill byte of ZERO, the body of XBZRLE behind its header.
    `offset` is where the record begins in the stream, `data_offset` where `data` does.
    """

    offset: int
    flags: int
    address: int
    block: str | None = None
    named: bool = False
    data: bytes = b""
    data_offset: int = 0

    @property
    def kind(self) -> Flag:
        """The flag that says what it is."""
        return Flag(self.flags & ~_CONTINUE)


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """An entry of the block list: name, used length in bytes, and with x-ignore-shared its guest physical address."""

    offset: int
    name: str
    length: int
    address: int | None = None


Record: TypeAlias = RamRecord | BlockEntry


class RamState:
    """What one ram section leaves for the next: the block named last."""

    __slots__ = ("last",)

    def __init__(self, last: str | None = None) -> None:
        self.last = last


def _text(name: bytes) -> str:
    return name.decode("latin-1")


def _shown(name: str) -> str:
    """A name as the program's messages show it on a terminal."""
    return _c_string(name).encode("latin-1").decode("utf-8", "replace")


def _c_string(name: str) -> str:
    """What C makes of a counted string."""
    return name.partition("\0")[0]


def iter_records(
    reader: Reader,
    state: RamState,
    lengths: Mapping[str, int] | None = None,
    *,
    ignore_shared: bool = False,
) -> Iterator[Record | Refusal]:
    """The records of one payload as the loader meets them, up to and with EOS.

    A Refusal is the last thing to come. A record comes before the refusal that tells it was cut off by the end, as QEMU
    writes the page before it looks at the error. `lengths` (used lengths by block name, looked up at each use) makes
    unknown blocks and offsets beyond them refusals with QEMU's words, and cuts names at a NUL as C does. Who
    refuses a record himself stops asking.
    """
    flags = 0
    while not flags & _EOS:
        start = reader.pos
        word = reader.u64()
        flags = word & 0xFFF
        address = word & ~0xFFF
        at = reader.base + start
        if flags & _COMPRESS:
            yield _refused(at, "Received an unexpected compressed page")
            return
        block, named = None, False
        if flags & _OF_A_BLOCK:
            named = not flags & _CONTINUE
            block, line = _block(reader, state, named, lengths)
            if lengths is not None and (block is None or line or address >= lengths.get(block, 0)):
                yield _refused(at, *([line] if line else []), f"Illegal RAM offset {address:x}")
                return
        kind = flags & ~_CONTINUE
        if kind in {_PAGE, _ZERO}:
            data_offset = reader.base + reader.pos
            data = reader.take(PAGE_SIZE if kind == _PAGE else 1)
            yield RamRecord(at, flags, address, block, named, data, data_offset)
        elif kind == _XBZRLE:
            header, length = reader.u8(), reader.u16()
            problem = "wrong compression!" if header != 1 else "len overflow!" if length > PAGE_SIZE else None
            if problem is not None:
                yield _xbzrle_refused(at, address, problem)
                return
            data_offset = reader.base + reader.pos
            yield RamRecord(at, flags, address, block, named, reader.take(length), data_offset)
        elif kind == _MEM_SIZE:
            yield RamRecord(at, flags, address)
            refusal = yield from _block_list(reader, address, lengths, ignore_shared=ignore_shared)
            if refusal is not None:
                yield refusal
                return
        elif kind == _EOS:
            yield RamRecord(at, flags, address)
        elif flags & _HOOK:
            reader.latch(_EINVAL)
        else:
            yield _refused(at, f"Unknown combination of migration flags: {flags:#x}")
            return
        if reader.error:
            yield Refusal(reader.error, (), at, "ram")
            return


def _refused(offset: int, *lines: str) -> Refusal:
    return Refusal(_EINVAL, lines, offset, "ram")


def _xbzrle_refused(offset: int, address: int, problem: str) -> Refusal:
    return _refused(
        offset, f"Failed to load XBZRLE page - {problem}", f"Failed to decompress XBZRLE page at {address:x}"
    )


def _block(reader: Reader, state: RamState, named: bool, lengths: Mapping[str, int] | None) -> tuple[str | None, str]:
    """The block a page record means, which is remembered; and what is printed if there is none such."""
    if not named:
        return state.last, "Ack, bad migration stream!" if state.last is None else ""
    name = _text(reader.take(reader.u8()))
    if lengths is not None:
        name = _c_string(name)
        if name not in lengths:
            return name, f"Can't find block {_shown(name)}"
    state.last = name
    return name, ""


def _block_list(
    reader: Reader, total: int, lengths: Mapping[str, int] | None, *, ignore_shared: bool
) -> Generator[BlockEntry, None, Refusal | None]:
    """Entries until their lengths have used up `total` exactly."""
    while total:
        at = reader.offset
        name = _text(reader.take(reader.u8()))
        length = reader.u64()
        if lengths is not None:
            name = _c_string(name)
            if name not in lengths:
                return _refused(at, f'Unknown ramblock "{_shown(name)}", cannot accept migration')
        elif reader.error:
            return Refusal(reader.error, (), at, "ram")
        yield BlockEntry(at, name, length, reader.u64() if ignore_shared else None)
        total = (total - length) & 0xFFFF_FFFF_FFFF_FFFF
    return None


def parse_ram(data: bytes, offset: int, state: RamState, *, ignore_shared: bool = False) -> Iterator[Record]:
    """The records of the payload that begins at `offset`, lazily, up to and with EOS. Raises StreamError."""
    reader = Reader(data)
    reader.pos = offset
    for record in iter_records(reader, state, ignore_shared=ignore_shared):
        if isinstance(record, Refusal):
            found = record.messages[0] if record.messages else "the end of the data"
            raise StreamError(record.offset, "ram", "a ram record", found)
        if not reader.error:
            yield record


def write_record(record: Record) -> bytes:
    """The bytes of a record: the inverse of reading it."""
    if isinstance(record, BlockEntry):
        tail = b"" if record.address is None else record.address.to_bytes(8, "big")
        return _counted(record.name) + record.length.to_bytes(8, "big") + tail
    head = (record.address | record.flags).to_bytes(8, "big")
    if record.named and record.block is not None:
        head += _counted(record.block)
    if record.kind is Flag.XBZRLE:
        head += b"\1" + len(record.data).to_bytes(2, "big")
    return head + record.data


def _counted(name: str) -> bytes:
    raw = name.encode("latin-1")
    return bytes([len(raw)]) + raw


def xbzrle(encoded: bytes, page: bytearray) -> str | None:
    """Apply an XBZRLE body to a page, in place. None, or what QEMU says is wrong with it (EINVAL).

    Runs of kept and of new bytes take turns, each with its length in front in one or two ULEB128 bytes.
    """
    wrong = "Failed to load XBZRLE page - decode error!"
    at = to = 0
    while at < len(encoded):
        kept, size = _uleb(encoded, at)
        if size == 0 or (at and not kept):
            return wrong
        at += size
        to += kept
        fresh, size = _uleb(encoded, at)
        if to > len(page) or size == 0 or not fresh:
            return wrong
        at += size
        if to + fresh > len(page) or at + fresh > len(encoded):
            return wrong
        page[to : to + fresh] = encoded[at : at + fresh]
        at += fresh
        to += fresh
    return None


def _uleb(encoded: bytes, at: int) -> tuple[int, int]:
    """A number and its bytes; no bytes if it is malformed or not followed by one more byte."""
    if len(encoded) - at < 2:
        return 0, 0
    low, high = encoded[at], encoded[at + 1]
    if not low & 0x80:
        return low, 1
    return (0, 0) if high & 0x80 else (low & 0x7F | high << 7, 2)
