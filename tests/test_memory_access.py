"""Reads, translations, lengths and differences through flat views (memory.md 6-8, virtio.md 5)."""

from __future__ import annotations

import pytest

from model.memory import (
    T64,
    AddressSpace,
    FlatView,
    Kind,
    Memory,
    Region,
    Use,
    access,
    address_space_map,
    difference,
    explain,
    map_length,
    memory_region_find,
    read,
    translate,
    write,
)

C, IO, RAM, ROM, A = Kind.CONTAINER, Kind.IO, Kind.RAM, Kind.ROM, Kind.ALIAS


class Board:
    """RAM 0-0x7fff of `pc.ram` with a read-only alias in 0x2000-0x2fff, ROM at 0x8000, MMIO at 0x9000 and in a page."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.root = Region("system", C, T64)
        self.ram = Region("pc.ram", RAM, 0x8000, block="pc.ram")
        self.rom = Region("pc.bios", ROM, 0x1000, block="pc.bios")
        self.pam = Region("pam-rom", A, 0x1000, alias=self.ram, alias_offset=0x2000, readonly=True)
        self.device = Region("device", IO, 0x1000)
        self.hpet = Region("hpet", IO, 0x400)
        self.flash = Region("flash", Kind.ROMD, 0x1000, block="flash")
        m = self.memory
        for region, at, priority in (
            (self.ram, 0, 0),
            (self.pam, 0x2000, 1),
            (self.rom, 0x8000, 0),
            (self.device, 0x9000, 0),
            (self.hpet, 0xB000, 0),
            (self.flash, 0xD000, 0),
        ):
            m.add_subregion(self.root, at, region, priority)
        self.space = m.add_space("memory", self.root)
        for name, length in (("pc.ram", 0x8000), ("pc.bios", 0x1000), ("flash", 0x1000)):
            m.ram.add_block(name, length)
        m.ram.write("pc.ram", 0x1FFE, b"abcd")
        m.ram.write("pc.bios", 0, b"BIOS")
        m.ram.write("flash", 0, b"FLSH")


@pytest.mark.parametrize(
    ("addr", "length", "expected"),
    [
        pytest.param(0x1FFE, 4, b"abcd", id="over a flag boundary"),
        pytest.param(0x7FFE, 4, b"\0\0BI", id="RAM into ROM"),
        pytest.param(0x8FFE, 4, b"\0\0\xff\xff", id="ROM into a device"),
        pytest.param(0xA000, 4, b"\0\0\0\0", id="nothing there"),
        pytest.param(0xB3FE, 4, b"\xff\xff\0\0", id="device into nothing"),
        pytest.param(0xD000, 4, b"FLSH", id="ROM device in ROM mode"),
        pytest.param(1 << 40, 4, b"\0\0\0\0", id="above everything"),
        pytest.param(0x100, 0, b"", id="no bytes"),
    ],
)
def test_read(addr: int, length: int, expected: bytes) -> None:
    board = Board()
    board.memory.mmio = lambda region, offset, n: b"\xff" * n
    assert read(board.memory, board.space, addr, length, "test") == expected


def test_write_takes_only_direct_memory_and_heeds_own_flags_only() -> None:
    board = Board()
    m, space = board.memory, board.space
    for addr in (0x1FFE, 0x2FFE, 0x7FFE, 0x8FFE, 0xA000, 0xB3FE, 0xD000, 1 << 40):
        write(m, space, addr, b"WXYZ", "test")
    assert read(m, space, 0x1FFE, 4, "test") == b"WXYZ"
    assert read(m, space, 0x2FFE, 4, "test") == b"WXYZ"
    assert read(m, space, 0x7FFE, 4, "test") == b"WXBI"
    assert read(m, space, 0xD000, 4, "test") == b"FLSH"
    board.memory.set_romd(board.flash, False)
    assert read(m, space, 0xD000, 4, "test") == b"\0\0\0\0"


@pytest.mark.parametrize(
    ("addr", "length", "is_write", "name", "xlat", "mapped"),
    [
        pytest.param(0x0, 0x10000, False, "pc.ram", 0, 0x8000, id="RAM over a read-only alias of the same"),
        pytest.param(0x2800, 0x100, True, "pc.ram", 0x2800, 0x100, id="the alias's flag does not count"),
        pytest.param(0x7F00, 0x200, False, "pc.ram", 0x7F00, 0x100, id="RAM does not merge with ROM"),
        pytest.param(0x8000, 0x2000, True, "pc.bios", 0, 0x1000, id="ROM for writing"),
        pytest.param(0x9800, 0x1000, False, "device", 0x800, 0x800, id="clamped in a device"),
        pytest.param(0xB000, 0x1000, False, "hpet", 0, 0x400, id="a device smaller than a page"),
        pytest.param(0xB400, 0x10000, False, None, 0xB400, 0x10000, id="unassigned, past what comes next"),
        pytest.param(T64 - 4, 8, False, None, T64 - 4, 4, id="unassigned at the top"),
    ],
)
def test_map_length(addr: int, length: int, is_write: bool, name: str | None, xlat: int, mapped: int) -> None:
    region, offset, got = map_length(Board().space.current, addr, length, is_write)
    assert (region.name if region else None, offset, got) == (name, xlat, mapped)


@pytest.mark.parametrize(
    ("addr", "end"),
    [
        pytest.param(0x1800, 0x2000, id="leading partial page"),
        pytest.param(0x2000, 0x4000, id="whole pages"),
        pytest.param(0x4000, 0x4800, id="trailing partial page"),
    ],
)
def test_a_device_ends_with_its_dispatch_section(addr: int, end: int) -> None:
    m = Memory()
    root = Region("system", C, T64)
    m.add_subregion(root, 0x1800, Region("big", IO, 0x3000))
    view = m.add_space("memory", root).current
    assert map_length(view, addr, 0x10000, False)[2] == (end if addr != 0x1800 else 0x2000) - addr


def test_translate() -> None:
    view = Board().space.current
    assert translate(view, 0x2010, 0x10000, False).readonly
    assert translate(view, 0x2010, 0x10000, False).length == 0x3000 - 0x2010
    assert translate(view, 0xB3F0, 0x100, False).length == 0x100
    unassigned = translate(view, 0xA004, 0x100, True)
    assert (unassigned.region, unassigned.xlat, unassigned.length) == (None, 0xA004, 0x100)


def test_address_space_map() -> None:
    board = Board()
    direct = address_space_map(board.memory, board.space, 0x7000, 0x10000, True, "test")
    assert (direct.region, direct.xlat, direct.length, direct.direct) == (board.ram, 0x7000, 0x1000, True)
    for addr, region in ((0x9800, board.device), (1 << 40, None)):
        bounce = address_space_map(board.memory, board.space, addr, 0x10000, True, "test")
        assert (bounce.region, bounce.length, bounce.direct) == (region, access.BOUNCE_SIZE, False)


def test_memory_region_find() -> None:
    board = Board()
    found = memory_region_find(board.memory, board.device, 0x800, 0x4000, "test")
    assert found is not None
    assert (found.region, found.start, found.end, found.offset) == (board.device, 0x9800, 0xA000, 0x800)
    later = memory_region_find(board.memory, board.root, 0xA000, 0x10000, "test")
    assert later is not None
    assert later.region is board.hpet
    assert memory_region_find(board.memory, board.root, 0xA000, 0x10, "test") is None
    assert memory_region_find(board.memory, Region("orphan", IO, 8), 0, 8, "test") is None


def test_every_operation_asks_the_getter_once() -> None:
    board = Board()
    asked: list[Use] = []

    def getter(space: AddressSpace, use: Use) -> FlatView:
        asked.append(use)
        return space.current

    m, space = board.memory, board.space
    m.getter = getter
    read(m, space, 0x7FF0, 0x4000, "a")
    write(m, space, 0x1FFE, b"1234", "b")
    address_space_map(m, space, 0, 8, True, "c")
    memory_region_find(m, board.device, 0x10, 4, "d")
    from model.memory import cache

    cache.cache_init(m, space, 0, 0x3000, False, "e").read(0, 0x3000)
    assert asked == [
        Use("a", 0x7FF0, 0x4000),
        Use("b", 0x1FFE, 4, write=True),
        Use("c", 0, 8, write=True, maps=True),
        Use("d", 0x9010, 4),
        Use("e", 0, 0x3000, maps=True, getter="reference"),
    ]


@pytest.mark.parametrize(
    ("change", "addr", "length", "maps", "kind"),
    [
        pytest.param("none", 0, 0x10000, True, None, id="nothing changed"),
        pytest.param("device off", 0x0, 0x8000, True, None, id="changed elsewhere"),
        pytest.param("device off", 0x8FFC, 8, False, "region", id="region gone"),
        pytest.param("ram moved", 0x1000, 8, False, "offset", id="same region, other offset"),
        pytest.param("pam off", 0x1FFC, 8, False, "readonly", id="writable now"),
        pytest.param("pam off", 0x1FFC, 4, True, None, id="not the covered bytes"),
        pytest.param("ram shorter", 0x6000, 0x2000, False, "region", id="end gone"),
        pytest.param("big starts later", 0x2000, 0x2000, True, None, id="head moved, whole pages stay"),
        pytest.param("big ends earlier", 0x100000, 0x10, False, None, id="its end is not covered"),
    ],
)
def test_difference(change: str, addr: int, length: int, maps: bool, kind: str | None) -> None:
    board = Board()
    m = board.memory
    old = board.space.current
    if change == "device off":
        m.set_enabled(board.device, False)
    elif change == "ram moved":
        m.set_address(board.ram, 0x800)
    elif change == "pam off":
        m.set_enabled(board.pam, False)
    elif change == "ram shorter":
        m.set_size(board.ram, 0x7000)
    assert difference(old, m.fresh_view(board.space), Use("test", addr, length, maps=maps)) == kind


def test_a_map_may_be_longer_where_the_covered_bytes_are_the_same() -> None:
    m = Memory()
    root = Region("system", C, T64)
    lid = Region("lid", IO, 0x800, enabled=False)
    big = Region("big", IO, 0x4000)
    m.add_subregion(root, 0x1000, big)
    m.add_subregion(root, 0x1000, lid, 1)
    space = m.add_space("memory", root)
    old = space.current
    m.set_enabled(lid, True)
    use = Use("test", 0x1F00, 0x200, maps=True)
    assert explain(old, m.fresh_view(space), use) == ("length", "0x1f00: 0x200 bytes instead of 0x100")
    assert explain(old, m.fresh_view(space), Use("test", 0x1F00, 0x200)) is None


def test_explain_names_both_sides() -> None:
    board = Board()
    old = board.space.current
    board.memory.set_enabled(board.rom, False)
    found = explain(old, board.space.current, Use("test", 0x7FFC, 8))
    assert found == ("region", "0x8000: pc.bios instead of nothing")
