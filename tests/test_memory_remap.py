"""Accesses that pass an IOMMU region: page by page to another address space, or nowhere."""

from __future__ import annotations

import pytest

from model.memory import (
    T64,
    AddressSpace,
    FlatView,
    Kind,
    Memory,
    Region,
    Remapped,
    Use,
    address_space_map,
    cache_init,
    read,
    try_read,
    write,
)

PAGE = 4096


class Board:
    """RAM of four pages; a device that sees them in reverse order through an IOMMU, and nothing behind them."""

    def __init__(self) -> None:
        memory = self.memory = Memory()
        system = Region("system", Kind.CONTAINER, T64)
        self.ram = Region("ram", Kind.RAM, 4 * PAGE, block="ram")
        memory.add_subregion(system, 0, self.ram)
        memory.ram.add_block("ram", 4 * PAGE)
        self.space = memory.add_space("memory", system)
        self.device = memory.add_space("device", Region("iommu", Kind.IOMMU, T64))
        for page in range(4):
            memory.ram.write("ram", page * PAGE, bytes([0x10 + page]) * PAGE)
        memory.remap = self.remap
        self.asked: list[tuple[int, bool]] = []
        self.uses: list[tuple[str, Use]] = []
        memory.getter = self.getter

    def remap(self, region: Region, offset: int, write: bool) -> Remapped | None:
        self.asked.append((offset, write))
        if offset >= 4 * PAGE or (write and offset < PAGE):
            return None
        page, at = divmod(offset, PAGE)
        return Remapped(self.space, (3 - page) * PAGE + at, PAGE - at)

    def getter(self, space: AddressSpace, use: Use) -> FlatView:
        self.uses.append((space.name, use))
        return space.current


def test_a_read_is_translated_page_by_page() -> None:
    board = Board()
    assert read(board.memory, board.device, PAGE - 2, 4, "me") == b"\x13\x13\x12\x12"
    assert board.asked == [(PAGE - 2, False), (PAGE, False)]
    assert [(name, use.reader, use.addr) for name, use in board.uses] == [
        ("device", "me", PAGE - 2),
        ("memory", "address_space_translate_iommu", 4 * PAGE - 2),
        ("memory", "address_space_translate_iommu", 2 * PAGE),
    ]


@pytest.mark.parametrize(
    ("addr", "length", "data", "tries"),
    [
        (4 * PAGE, 8, bytes(8), [0, 4]),
        (4 * PAGE - 4, 8, b"\x10" * 4 + bytes(4), [-4, 0]),
        (4 * PAGE + 1, 8, bytes(8), [1, 2, 4, 8]),
        (4 * PAGE + 2, 3, bytes(3), [2, 4]),
    ],
)
def test_what_is_blocked_is_tried_again(addr: int, length: int, data: bytes, tries: list[int]) -> None:
    board = Board()
    assert try_read(board.memory, board.device, addr, length, "me") == (data, False)
    assert [offset - 4 * PAGE for offset, _ in board.asked] == tries


def test_a_write_is_translated_and_may_be_blocked_alone() -> None:
    board = Board()
    write(board.memory, board.device, PAGE - 2, b"wxyz", "me")
    assert board.memory.ram.read("ram", 4 * PAGE - 2, 2) == b"\x13\x13"
    assert board.memory.ram.read("ram", 2 * PAGE, 3) == b"yz\x12"


@pytest.mark.parametrize(
    ("addr", "length", "write", "mapped"),
    [
        (PAGE, 2 * PAGE, False, PAGE),  # the next page does not follow in RAM
        (PAGE + 16, 16, True, 16),
        (0, 16, True, 16),  # blocked: a bounce buffer
        (4 * PAGE, 2 * PAGE, False, PAGE),  # of a page at most
    ],
)
def test_maps(addr: int, length: int, write: bool, mapped: int) -> None:
    board = Board()
    found = address_space_map(board.memory, board.device, addr, length, write, "me")
    assert found.direct == (found.region is board.ram)
    assert (found.length, found.direct) == (mapped, addr not in {0, 4 * PAGE})


def test_a_cache_translates_when_it_is_read() -> None:
    board = Board()
    cache = cache_init(board.memory, board.device, PAGE, 2 * PAGE, False, "me")
    assert (cache.length, cache.pointer, board.asked) == (2 * PAGE, False, [])
    assert cache.read(PAGE - 1, 2) == b"\x12\x11"
