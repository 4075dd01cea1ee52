"""Runs of zero-page records: found whole, nothing else taken for one."""

from __future__ import annotations

import struct

import pytest

from vmformat.ram.zero_pages import zero_run

EOS = struct.pack(">Q", 0x10)


def zero(page: int, fill: int = 0, flags: int = 0x22) -> bytes:
    return struct.pack(">QB", page << 12 | flags, fill)


RUNS = {
    "none": (b"", 0),
    "one": (zero(1), 9),
    "many": (b"".join(map(zero, range(10_000))), 90_000),
    "cut off": (zero(1) + zero(2)[:8], 9),
    "another fill byte": (zero(1) + zero(2, 7), 9),
    "a named page": (zero(1) + zero(2, flags=2) + zero(3), 9),
    "flags above": (zero(1) + zero(2, flags=0x122), 9),
    "a high address": (zero(1 << 51), 9),
    "the end": (zero(1) + EOS, 9),
    "a page": (struct.pack(">Q", 0x28) + bytes(4096), 0),
}


@pytest.mark.parametrize(("data", "length"), RUNS.values(), ids=RUNS.keys())
def test_a_run(data: bytes, length: int) -> None:
    assert zero_run(data, 0) == length
    assert zero_run(b"\x22\0" + data, 2) == length


@pytest.mark.parametrize("size", [1024, 4096, 8192, 65536])
def test_pages_of_other_sizes(size: int) -> None:
    run = b"".join(struct.pack(">QB", page * size | 0x22, 0) for page in range(100))
    assert zero_run(run + EOS, 0, page_size=size) == 900
    assert zero_run(run + EOS, 0, 500, page_size=size) == 495
    assert zero_run(struct.pack(">QB", size >> 1 | 0x22, 0), 0, page_size=size) == 0
