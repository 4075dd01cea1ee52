"""The ram section in the text form: a line a page, a line for many zero pages (facts: stream.md 4).

    page_size 0x4000                 of the pages that follow, where it is not 4096
    sizes 0x4082000                  block list, and the sum of all lengths
    block "pc.ram" 0x4000000         an entry; `page_size 0x200000` and `at 0x100000000` where they are told
    page 0x1000 "pc.ram" = 53ff.. zero
    page 0x2000 = zero               of the block named last
    zero 0x3000..0x7000              zero pages of the block named last, one after the other
    zero 0x8000 "pc.ram" = ff        a page filled with one byte
    xbzrle 0x9000 = 0a04..           what the page gets that it had not
    compressed 0xa000 = 789c..
    flush, hook, eos

What mapped-ram adds to an entry are fields. What is none of these ends the reading: the rest is bytes, so that every
payload can be written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from vmformat.errors import StreamError
from vmformat.ram.context import PAGE_SIZE
from vmformat.ram.walk import COMPRESS, CONTINUE, EOS, FLUSH, HOOK, MEM_SIZE, PAGE, XBZRLE, ZERO, entries, walk
from vmformat.ram.zero_pages import RECORD
from vmformat.text.fields import raw_lines
from vmformat.text.values import ValueFault, quoted, read_bytes, read_integer, shown_bytes, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.ram.context import RamContext
    from vmformat.ram.walk import Mapped, Piece

_WITH_DATA: Final = {ZERO: "zero", PAGE: "page", XBZRLE: "xbzrle", COMPRESS: "compressed"}
_FLAGS: Final = {name: flag for flag, name in _WITH_DATA.items()}
_ALONE: Final = {EOS: "eos", FLUSH: "flush", HOOK: "hook", MEM_SIZE: "sizes"}
_LONELY: Final = {name: flag for flag, name in _ALONE.items()}
WORDS: Final = frozenset({"page_size", "block", *_FLAGS, *_LONELY})
"""What such a line begins with."""

_WIDTHS: Final = {XBZRLE: 2, COMPRESS: 4}
_LEAST: Final = 0x400
_MOST_ZEROS: Final = 1 << 26
_LINE: Final = re.compile(
    r'(?P<word>\w+)(?: (?P<first>-?\w+))?(?:\.\.(?P<last>\w+))?(?: "(?P<name>(?:[^"\\]|\\.)*)")?'
    r"(?: (?P<length>0x\w+|\d+))?(?: page_size (?P<size>\w+))?(?: at (?P<at>\w+))?(?: = (?P<data>.*))?"
)


def ram_lines(data: bytes, context: RamContext) -> Iterator[str]:
    """The lines of a ram payload."""
    if context.page_size != PAGE_SIZE:
        yield f"page_size {context.page_size:#x}"
    end = 0
    try:
        for piece in walk(data, 0, context):
            if piece.kind == XBZRLE and data[piece.data : piece.data + 1] != b"\1":
                break
            yield from _piece_lines(data, piece, context)
            end = piece.end
    except StreamError:
        pass
    if end < len(data):
        yield from raw_lines("payload", data[end:])


def _piece_lines(data: bytes, piece: Piece, context: RamContext) -> Iterator[str]:
    kind = piece.kind
    if kind == MEM_SIZE:
        yield f"sizes {piece.address:#x}" + (" = 20" if piece.flags & CONTINUE else "")
        yield from _list_lines(data, piece, context)
    elif kind in _ALONE:
        flags = f" {piece.address:#x}" if piece.address else ""
        yield f"{_ALONE[kind]}{flags}" + (" = 20" if piece.flags & CONTINUE else "")
    elif piece.records > 1:
        yield from _zero_lines(data, piece, context.page_size)
    else:
        name = "" if piece.name is None else f" {quoted(piece.name)}"
        head = f"{_WITH_DATA[kind]} {piece.address:#x}{name}"
        body = data[piece.data + (3 if kind == XBZRLE else 4 if kind == COMPRESS else 0) : piece.end]
        yield head if kind == ZERO and body == b"\0" else f"{head} = {shown_bytes(body, sized=kind == PAGE)}"


def _zero_lines(data: bytes, piece: Piece, step: int) -> Iterator[str]:
    """A run of zero pages, a line for each stretch without a gap."""
    first = last = None
    for at in range(piece.start, piece.end, RECORD):
        address = int.from_bytes(data[at : at + 8], "big") & -step
        if first is None or last is None:
            first = address
        elif address != last + step:
            yield _stretch(first, last)
            first = address
        last = address
    if first is not None and last is not None:
        yield _stretch(first, last)


def _stretch(first: int, last: int) -> str:
    return f"zero {first:#x}" if first == last else f"zero {first:#x}..{last:#x}"


def _list_lines(data: bytes, piece: Piece, context: RamContext) -> Iterator[str]:
    for entry in entries(data, piece.data, piece.address, context, len(data)):
        size = "" if entry.page_size is None else f" page_size {entry.page_size:#x}"
        at = "" if entry.address is None else f" at {entry.address:#x}"
        yield f"block {quoted(entry.name)} {entry.length:#x}{size}{at}"
        if entry.mapped is not None:
            yield from _mapped_lines(data, entry.mapped)


def _mapped_lines(data: bytes, mapped: Mapped) -> Iterator[str]:
    yield f"mapped.version: uint32 = {mapped.version}"
    yield f"mapped.page_size: uint64 = {mapped.page_size:#x}"
    yield f"mapped.bitmap_offset: uint64 = {mapped.bitmap_offset:#x}"
    yield f"mapped.pages_offset: uint64 = {mapped.pages_offset:#x}"
    (first, second), (third, fourth) = mapped.bitmap, mapped.pages
    for label, start, end in (("bitmap", first, second), ("padding", second, third), ("pages", third, fourth)):
        if start < end:
            yield from raw_lines(f"mapped.{label}", data[start:end])


def ram_bytes(line: str, page_size: int) -> bytes:
    """The bytes of such a line. Raises ValueFault."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueFault(f"a line of RAM: {', '.join(sorted(WORDS))}", line)
    word, data = match["word"], match["data"]
    name = None if match["name"] is None else _counted(unquoted(match["name"]))
    if word == "block":
        if name is None or match["length"] is None:
            raise ValueFault('block "NAME" LENGTH', line)
        told = [match[key] for key in ("length", "size", "at") if match[key] is not None]
        return b"".join([name, *(_word(number, 0, 1) for number in told)])
    if word in _LONELY:
        extra = read_bytes(data, 1)[0] if data is not None else 0
        return _word(match["first"] or "0", _LONELY[word] | extra, page_size)
    if word not in _FLAGS or match["first"] is None:
        raise ValueFault("a line of RAM with an address", line)
    flags = _FLAGS[word] | (CONTINUE if name is None else 0)
    if match["last"] is not None:
        return _zeros(match["first"], match["last"], flags, page_size)
    head = _word(match["first"], flags, page_size) + (name or b"")
    if word == "zero":
        return head + (read_bytes(data, 1) if data is not None else b"\0")
    body = read_bytes(data or "", page_size if word == "page" else None)
    if word == "page":
        return head + body
    width = _WIDTHS[_FLAGS[word]]
    if len(body) >> 8 * width:
        raise ValueFault(f"at most {(1 << 8 * width) - 1} bytes", str(len(body)))
    return head + (b"\1" if word == "xbzrle" else b"") + len(body).to_bytes(width, "big") + body


def page_size_of(line: str) -> int:
    """What a line `page_size N` says. Raises ValueFault."""
    size = read_integer(line.partition(" ")[2], "uint32")
    if size < _LEAST or size.bit_count() != 1:
        raise ValueFault("a power of two of at least 0x400", line)
    return size


def _counted(name: bytes) -> bytes:
    if len(name) > 0xFF:
        raise ValueFault("a name of at most 255 bytes", str(len(name)))
    return bytes([len(name)]) + name


def _word(text: str, flags: int, step: int) -> bytes:
    value = read_integer(text, "uint64")
    if value % step:
        raise ValueFault(f"a multiple of {step:#x}", text)
    return (value | flags).to_bytes(8, "big")


def _zeros(first: str, last: str, flags: int, step: int) -> bytes:
    start, end = read_integer(first, "uint64"), read_integer(last, "uint64")
    pages = (end - start) // step + 1
    if flags != ZERO | CONTINUE or start % step or end % step or not 0 < pages <= _MOST_ZEROS:
        raise ValueFault("zero FIRST..LAST, pages one after the other", f"{first}..{last}")
    return b"".join((at | flags).to_bytes(8, "big") + b"\0" for at in range(start, end + 1, step))
