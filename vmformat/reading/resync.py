"""Where the next record may begin, in bytes that went wrong before it.

A stream has no marks but footers. What counts here is what seldom happens by chance: the head of a START or FULL with a
name that can be printed and small numbers; a footer with a record behind it; the EOF in front of the VMDESCRIPTION. A
loader has no such thing: it stops at the first surprise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from vmformat.framing import FOOTER_SIZE, NAMED, Kind

if TYPE_CHECKING:
    from vmformat.source import Source

_CANDIDATE: Final = re.compile(rb"(?=\x7e\x00\x00..[\x00-\x04\x08]|[\x01\x04]\x00\x00..[\x02-\xff][!-~]{2})", re.DOTALL)
_CHUNK: Final = 1 << 16
_HEAD: Final = 4 + 5 + 255 + 8 + 1
"""More bytes than are looked at for any candidate."""

_MOST_INSTANCES: Final = 1 << 16
_MOST_VERSIONS: Final = 1 << 25  # one device has a date there
_LAST_COMMAND: Final = 11
_VMDESCRIPTION: Final = b"\x00\x06"


def next_record(data: Source, start: int, end: int | None = None) -> int:
    """The first offset from `start` on where a record seems to begin; `end` (default: of the data) if there is none."""
    stop = len(data) if end is None else end
    at = start
    while at < stop:
        chunk = data[at : min(at + _CHUNK + 2 * _HEAD, stop)]
        for match in _CANDIDATE.finditer(chunk):
            where = match.start()
            if where >= _CHUNK:
                break
            after = where + FOOTER_SIZE if chunk[where] == Kind.FOOTER else where
            if _begins(chunk, after, last=at + len(chunk) == len(data)):
                return at + after
        at += _CHUNK
    return stop


def begins(data: Source, at: int) -> bool:
    """Whether a record surely begins at an offset: what `next_record` would stop at."""
    chunk = data[at : at + _HEAD]
    return _begins(chunk, 0, last=at + len(chunk) == len(data))


def _begins(chunk: bytes, at: int, *, last: bool) -> bool:
    """Whether a record seems to begin at an offset of a piece of the data; `last`: the data end with it."""
    if at >= len(chunk):
        return False
    kind = chunk[at]
    if kind in NAMED:
        length = chunk[at + 5] if at + 5 < len(chunk) else 0
        name = chunk[at + 6 : at + 6 + length]
        numbers = chunk[at + 6 + length : at + 14 + length]
        if length == 0 or len(numbers) < 8 or not (name.isascii() and name.decode("ascii").isprintable()):
            return False
        instance, version = int.from_bytes(numbers[:4], "big"), int.from_bytes(numbers[4:], "big")
        return (instance < _MOST_INSTANCES or instance == 0xFFFF_FFFF) and version < _MOST_VERSIONS
    if kind == Kind.EOF:
        return (last and at + 1 == len(chunk)) or chunk[at : at + 2] == _VMDESCRIPTION
    if kind == Kind.COMMAND:
        return 0 < int.from_bytes(chunk[at + 1 : at + 3], "big") <= _LAST_COMMAND
    return kind in {Kind.PART, Kind.END} and chunk[at + 1 : at + 3] == b"\0\0"
