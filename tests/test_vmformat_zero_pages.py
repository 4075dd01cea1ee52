"""Runs of zero-page records: found whole, nothing else taken for one."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmformat.ram import RamRecord, RamState, drop_zero_pages, parse_ram
from vmformat.ram_walk import measure_ram
from vmformat.zero_pages import zero_run

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


PAGES = st.lists(st.tuples(st.integers(0, 2000), st.sampled_from([0x22, 0x22, 0x22, 0x28]), st.sampled_from([0, 0, 1])))


@given(PAGES)
def test_without_zeros_the_same_is_loaded(pages: list[tuple[int, int, int]]) -> None:
    data = struct.pack(">QB", 0x08, 6) + b"pc.ram" + bytes(4096)
    for page, flags, fill in pages:
        body = bytes([fill]) * (4096 if flags == 0x28 else 1)
        data += struct.pack(">Q", page << 12 | flags) + body
    data += EOS
    dropped = drop_zero_pages(data)

    def contents(payload: bytes) -> dict[int, bytes]:
        records = parse_ram(payload, 0, RamState())
        found = [one for one in records if isinstance(one, RamRecord) and one.block is not None]
        assert {one.block for one in found} == {"pc.ram"}
        return {one.address: one.data for one in found if one.data != b"\0"}

    assert measure_ram(data, 0) == len(data)
    assert contents(dropped) == contents(data)
    assert all(one.data != b"\0" for one in parse_ram(dropped, 0, RamState()) if isinstance(one, RamRecord))
