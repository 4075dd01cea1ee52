"""Runs of records that say "this page is zero, in the block named last": most of what a large guest's RAM holds.

Such a record has nine bytes: offset and flags in eight, the fill byte 0. A million of them are passed over here at a
few nanoseconds each, where a record at a time costs microseconds (stream.md 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vmformat.ram.walk import Sliced

RECORD: Final = 9
_FLAGS: Final = b"\x22"
"""ZERO and CONTINUE: the eighth byte."""

_LEAST: Final = 1024
_MOST: Final = 65536

_CHUNKS: Final = (16, 256, 4096)
"""Records looked at at once: few at first, as most runs are short where a guest has been at work."""

_HIGH_FLAGS: Final = {
    page: bytes(byte for byte in range(256) if not byte & (page - 1) >> 8) for page in (1024, 2048, 4096, 8192, 16384)
}
"""What the seventh byte may be, by page size: bits of the offset, and no flag above the eighth."""


def zero_run(data: Sliced, at: int, end: int | None = None, *, page_size: int = 4096) -> int:
    """How many bytes from `at`, which is where a record begins, are such records, one after the other.

    `end`: how far to look, default all of the data. `page_size` (bytes): 0 for sizes other than 1024 to 65536.
    """
    if data[at + 7 : at + 8] != _FLAGS or not _LEAST <= page_size <= _MOST:
        return 0
    total = len(data) if end is None else end
    high = _HIGH_FLAGS.get(page_size, b"\0")
    start, tries = at, 0
    while True:
        most = _CHUNKS[min(tries, len(_CHUNKS) - 1)]
        tries += 1
        wanted = min(most, (total - at) // RECORD)
        chunk = bytes(data[at : at + wanted * RECORD])
        count = wanted
        for column, good in ((6, high), (7, _FLAGS), (8, b"\0")):
            count = min(count, wanted - len(chunk[column::RECORD].lstrip(good)))
        at += count * RECORD
        if count < most:
            return at - start
