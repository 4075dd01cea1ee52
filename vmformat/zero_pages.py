"""Runs of records that say "this page is zero, in the block named last": most of what a large guest's RAM holds.

Such a record has nine bytes: offset and flags in eight, the fill byte 0. A million of them are passed over here at a
few nanoseconds each, where a record at a time costs microseconds (stream.md 4).
"""

from __future__ import annotations

from typing import Final

RECORD: Final = 9
_FLAGS: Final = b"\x22"
"""ZERO and CONTINUE: the eighth byte."""

_HIGH_FLAGS: Final = bytes(nibble << 4 for nibble in range(16))
"""What the seventh byte may be: four bits of the offset, and no flag above the eighth."""

_CHUNK: Final = 4096


def zero_run(data: bytes, at: int) -> int:
    """How many bytes from `at`, which is where a record begins, are such records, one after the other."""
    if data[at + 7 : at + 8] != _FLAGS:
        return 0
    start = at
    while True:
        end = min(at + _CHUNK * RECORD, at + (len(data) - at) // RECORD * RECORD)
        count = (end - at) // RECORD
        chunk = bytes(data[at:end])
        for column, good in ((6, _HIGH_FLAGS), (7, _FLAGS), (8, b"\0")):
            left = chunk[column::RECORD].lstrip(good)
            count = min(count, (end - at) // RECORD - len(left))
        at += count * RECORD
        if at < end or not count:
            return at - start
