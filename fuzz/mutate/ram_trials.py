"""Trials of the records of RAM: the list of blocks, pages and their flags, names, places, ends (stream.md 4).

The list is changed where it stands, in the section that starts RAM. Records are put in front of the end of the last
section, and of the first, where nothing has been named yet.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from fuzz.mutate.alternate import alternate
from fuzz.mutate.index import with_payload
from fuzz.mutate.sections import sections_at, with_records
from vmformat import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmformat import Record, Stream

_PAGE: Final = 4096
_ZERO, _MEM_SIZE, _FULL, _EOS, _CONTINUE, _XBZRLE = 0x02, 0x04, 0x08, 0x10, 0x20, 0x40
_U64: Final = (1 << 64) - 1
_END: Final = _EOS.to_bytes(8, "big")
_UNNAMED: Final = 4
"""Of the records those that come before a block was named as well."""

_Block = tuple[bytes, int]


def trials_of_ram(stream: Stream) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    """(name, what is done), the most promising first; nothing for a stream that does not begin RAM with its blocks."""
    places = [i for i in sections_at(stream) if isinstance(one := stream.records[i], Section) and one.is_ram]
    if not places:
        return
    first, last = places[0], places[-1]
    head = _payload(stream, first)
    blocks = _blocks(head)
    if not blocks:
        return
    end = 8 + sum(len(_entry(block)) for block in blocks)
    yield from alternate(
        _in_the_last(blocks, last),
        _at_the_first(blocks, first, head[end:]),
        _elsewhere(blocks, first, last, head[:end]),
    )


def _in_the_last(blocks: tuple[_Block, ...], last: int) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    for name, records in _pages(blocks):
        yield f"ram:{name}", partial(_before_the_end, last, records)


def _at_the_first(
    blocks: tuple[_Block, ...], first: int, rest: bytes
) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    for name, listed in _lists(blocks):
        yield f"ram:list:{name}", partial(_replaced, first, listed + rest)


def _elsewhere(
    blocks: tuple[_Block, ...], first: int, last: int, listed: bytes
) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    """Pages where no block has been named, a list where pages come, other ends."""
    for name, records in islice(_pages(blocks[:1]), _UNNAMED):
        yield f"ram:first:{name}", partial(_before_the_end, first, records)
    for name, records in (("again", listed), ("none", _MEM_SIZE.to_bytes(8, "big"))):
        yield f"ram:list in the last:{name}", partial(_before_the_end, last, records)
    for name, tail in (("twice", _END * 2), ("none", b""), ("flags", (_EOS | _CONTINUE).to_bytes(8, "big"))):
        yield f"ram:end:{name}", partial(_ended, last, tail)


def _payload(stream: Stream, at: int) -> bytes:
    section = stream.records[at]
    assert isinstance(section, Section)
    return section.payload


def _blocks(payload: bytes) -> tuple[_Block, ...]:
    """The list of blocks that a payload begins with."""
    word = int.from_bytes(payload[:8], "big")
    left, at = word & -_PAGE, 8
    found: list[_Block] = []
    while word & _PAGE - 1 == _MEM_SIZE and left > 0 and at < len(payload):
        name = payload[at + 1 : at + 1 + payload[at]]
        at += 1 + len(name)
        length = int.from_bytes(payload[at : at + 8], "big")
        at += 8
        left -= length
        found.append((name, length))
    return tuple(found)


def _entry(block: _Block) -> bytes:
    name, length = block
    return bytes([len(name)]) + name + (length & _U64).to_bytes(8, "big")


def _list(blocks: tuple[_Block, ...], more: int = 0) -> bytes:
    total = sum(length for _, length in blocks) + more & _U64 & -_PAGE
    return (total | _MEM_SIZE).to_bytes(8, "big") + b"".join(map(_entry, blocks))


def _lists(blocks: tuple[_Block, ...]) -> Iterator[tuple[str, bytes]]:
    """Lists with a block of another length or name, with one more or less, of another sum."""
    for number, (name, length) in enumerate(blocks):
        for what, other in {
            "page more": length + _PAGE, "page less": length - _PAGE, "double": 2 * length, "half": length // 2,
            "none": 0, "byte more": length + 1, "byte less": length - 1, "top": 1 << 63, "4G": length + (1 << 32),
        }.items():  # fmt: skip
            if number < 2 or what in {"page more", "none", "byte more"}:
                yield f"{number}:{what}", _list((*blocks[:number], (name, other), *blocks[number + 1 :]))
    one, rest = blocks[0], blocks[1:]
    for what, listed in {
        "unknown": ((b"none", one[1]), *rest),
        "part of a name": ((one[0][:-1], one[1]), *rest),
        "more than a name": ((one[0] + b"a", one[1]), *rest),
        "no name": ((b"", one[1]), *rest),
        "ended name": ((one[0] + b"\0", one[1]), *rest),
        "less": blocks[:-1],
        "twice": (*blocks, blocks[-1]),
        "backwards": blocks[::-1],
        "none at all": (),
        "name of 255": ((one[0].ljust(255, b"a"), one[1]), *rest),
    }.items():
        yield what, _list(listed)
    for more in (_PAGE, -_PAGE, 1 << 63):
        yield f"sum:{more:#x}", _list(blocks, more)


def _pages(blocks: tuple[_Block, ...]) -> Iterator[tuple[str, bytes]]:
    """Pages of one record each: where none is, of another kind, of blocks that there are not, packed wrongly."""
    name, length = blocks[0]
    yield "fill", _page(name, 0x5000, _ZERO, b"\xaa")
    yield "continued", _page(None, 0x5000, _ZERO | _CONTINUE, b"\0")
    for block, size in blocks:
        yield f"behind {block.decode('latin-1')}", _page(block, size, _ZERO, b"\0")
    yield "last", _page(name, length - _PAGE, _ZERO, b"\0")
    yield from alternate(_flagged(name), _misnamed(name), _packed(name), _placed(name, length), _in_a_row(name, length))


def _flagged(name: bytes) -> Iterator[tuple[str, bytes]]:
    for bit in range(12):
        yield f"flag {1 << bit:#x}", _page(name, 0x5000, 1 << bit, b"\0")
    for flags in (_ZERO | _FULL, _FULL | _EOS, 0, _ZERO | _EOS, _MEM_SIZE | _CONTINUE, _XBZRLE | _FULL):
        yield f"flags {flags:#x}", _page(name, 0x5000, flags, b"\0")


def _misnamed(name: bytes) -> Iterator[tuple[str, bytes]]:
    for other in (b"none", name[:-1], name + b"a", b"", name + b"\0"):
        yield f"name {other.decode('latin-1')!r}", _page(other, 0x5000, _ZERO, b"\0")


def _packed(name: bytes) -> Iterator[tuple[str, bytes]]:
    for what, body in {
        "of nothing": b"\1\0\0",
        "of a run": b"\1\0\3\0\1\xaa",
        "of another kind": b"\0\0\3\0\1\xaa",
        "too long": b"\1\x10\1" + b"\0" * 4097,
        "beyond": b"\1\0\4\xff\x1f\2\xaa\xaa",
        "cut": b"\1\0\3\0\4\xaa",
        "a page": b"\1\x10\0" + b"\0" * 4096,
    }.items():
        yield f"packed {what}", _page(name, 0x5000, _XBZRLE, body)


def _in_a_row(name: bytes, length: int) -> Iterator[tuple[str, bytes]]:
    """A page twice, each time of another kind, the second without a name: what a record leaves to the one behind."""
    kinds = {
        "zero": (_ZERO, b"\0"),
        "fill": (_ZERO, b"\xaa"),
        "packed": (_XBZRLE, b"\1\0\3\0\1\xaa"),
        "full": (_FULL, bytes(_PAGE)),
    }
    for first, (flags, body) in kinds.items():
        for second, (other, rest) in kinds.items():
            if first != second and {first, second} != {"zero", "fill"}:
                again = _page(None, 0x5000, other | _CONTINUE, rest)
                yield f"{first} and {second}", _page(name, 0x5000, flags, body) + again
    packed, rest = kinds["packed"]
    yield "last and beyond", _page(name, length - _PAGE, *kinds["zero"]) + _page(None, length, packed | _CONTINUE, rest)


def _placed(name: bytes, length: int) -> Iterator[tuple[str, bytes]]:
    for at in (_U64 & -_PAGE, 1 << 63, length + (1 << 32), 2 * length):
        yield f"at {at:#x}", _page(name, at, _ZERO, b"\0")
    yield "full behind", _page(name, length, _FULL, bytes(_PAGE))


def _page(name: bytes | None, address: int, flags: int, body: bytes) -> bytes:
    return (address | flags).to_bytes(8, "big") + (b"" if name is None else bytes([len(name)]) + name) + body


def _before_the_end(at: int, records: bytes, stream: Stream) -> Stream | None:
    payload = _payload(stream, at)
    return _replaced(at, payload[:-8] + records + payload[-8:], stream) if payload.endswith(_END) else None


def _ended(at: int, tail: bytes, stream: Stream) -> Stream | None:
    payload = _payload(stream, at)
    return _replaced(at, payload[:-8] + tail, stream) if payload.endswith(_END) else None


def _replaced(at: int, payload: bytes, stream: Stream) -> Stream | None:
    section = stream.records[at]
    assert isinstance(section, Section)
    records: list[Record] = [*stream.records]
    records[at] = with_payload(section, payload)
    return with_records(stream, records)
