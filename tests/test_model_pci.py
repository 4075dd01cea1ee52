"""BARs, the config check, windows: the edges that pci.md marks as tried on the real program."""

from __future__ import annotations

import struct

import pytest
import tiny

from model.description import BarEntry
from model.devices.bridge import Bridge, io_window, memory_window, prefetch_window
from model.devices.pci import Bar
from model.memory import Kind, Memory, Region


def bar(space: str, size: int, slot: int = 0) -> Bar:
    region = Region("bar", Kind.IO, size)
    return Bar(BarEntry(slot, space, size, "bar"), region, Region("bus", Kind.CONTAINER, 1 << 64), 0)


def config(command: int, value: int, slot: int = 0, size: int = 8) -> bytes:
    data = bytearray(256)
    struct.pack_into("<H", data, 4, command)
    offset = 0x30 if slot == 6 else 0x10 + 4 * slot
    data[offset : offset + size] = value.to_bytes(size, "little")
    return bytes(data)


WANTED = {
    "memory off": (("memory", 0x1000), 1, 0xFE000000, None),
    "memory on": (("memory", 0x1000), 2, 0xFE000000, 0xFE000000),
    "low bits are not address": (("memory", 0x1000), 2, 0xFE00000C, 0xFE000000),
    "address 0": (("memory", 0x1000), 2, 0, None),
    "32 bits, ends at 0xffffffff": (("memory", 0x1000), 2, 0xFFFFF000, None),
    "32 bits, ends below": (("memory", 0x1000), 2, 0xFFFFE000, 0xFFFFE000),
    "64 bits above 4 GiB": (("memory64", 0x4000), 2, 0x1FE40000C, 0x1FE400000),
    "64 bits, ends at 2^64-1": (("memory64", 0x4000), 2, 0xFFFFFFFFFFFFC00C, None),
    "64 bits, ends below": (("memory64", 0x4000), 2, 0xFFFFFFFFFFFF800C, 0xFFFFFFFFFFFF8000),
    "I/O off": (("io", 0x20), 2, 0xC001, None),
    "I/O on": (("io", 0x20), 1, 0xC001, 0xC000),
    "I/O above 64 KiB": (("io", 0x20), 1, 0x10001, 0x10000),
    "I/O ends at 0xffffffff": (("io", 0x20), 1, 0xFFFFFFE1, None),
    "I/O ends below": (("io", 0x20), 1, 0xFFFFFFC1, 0xFFFFFFC0),
}


@pytest.mark.parametrize(("kind", "command", "value", "expected"), WANTED.values(), ids=WANTED.keys())
def test_wanted_address(kind: tuple[str, int], command: int, value: int, expected: int | None) -> None:
    assert bar(*kind).wanted(config(command, value)) == expected


def test_rom_needs_its_enable_bit() -> None:
    rom = bar("memory", 0x40000, slot=6)
    assert rom.wanted(config(2, 0xFEA00001, 6, 4)) == 0xFEA00000
    assert rom.wanted(config(2, 0xFEA00000, 6, 4)) is None


def test_check_names_the_first_byte_that_differs() -> None:
    machine = tiny.machine()
    function = machine.functions["0000:00:02.0"]
    good = bytearray(function.config)
    assert function.check(bytes(good)) is None
    good[0x21], good[0x02] = 1, 0x43
    refusal = function.check(bytes(good))
    assert refusal is not None
    assert refusal.messages == (
        "get_pci_config_device: Bad config data: i=0x2 read: 43 device: 42 cmask: ff wmask: 0 w1cmask:0",
    )
    good[0x02] = 0x42
    refusal = function.check(bytes(good))
    assert refusal is not None
    assert "i=0x21 read: 1 device: 0" in refusal.messages[0]


def test_uncompared_bytes_are_free() -> None:
    function = tiny.machine().functions["0000:00:02.0"]
    free = bytearray(b"\xff" * 256)
    free[0:4], free[0x20], free[0x21] = function.config[0:4], function.config[0x20], 0xC0
    assert function.check(bytes(free)) is None


def test_load_counts_commits_as_the_program_does() -> None:
    # pci.md 6: 1 for a BAR that appears, 2 for one that moves, 1 for one that goes, 1 for the bus master's toggle.
    machine = tiny.machine()
    function = machine.functions["0000:00:02.0"]

    def after(command: int, address: int) -> int:
        before = machine.memory.rebuilds
        data = bytearray(function.config)
        struct.pack_into("<H", data, 4, command)
        struct.pack_into("<Q", data, 0x20, address | 0xC)
        function.load(bytes(data))
        return machine.memory.rebuilds - before

    assert [after(6, 0xFE000000), after(6, 0xFE000000), after(6, 0xFD000000), after(2, 0xFD000000), after(0, 0)] == [
        2,
        0,
        2,
        1,
        1,
    ]


def test_windows() -> None:
    data = bytearray(256)
    data[0x1C], data[0x1D] = 0xC0, 0xC0
    struct.pack_into("<HHHH", data, 0x20, 0xFE80, 0xFE90, 0xFD01, 0xFD21)
    struct.pack_into("<II", data, 0x28, 1, 1)
    assert io_window(bytes(data)) == (0xC000, 0xCFFF)
    assert memory_window(bytes(data)) == (0xFE800000, 0xFE9FFFFF)
    assert prefetch_window(bytes(data)) == (0x1FD000000, 0x1FD2FFFFF)


WINDOWS = {
    "open": (2, 0xFE80, 0xFE80, 0x100000),
    "memory off": (1, 0xFE80, 0xFE80, 0),
    "inverted": (2, 0xFE80, 0xFE70, 0),
    "all of the first MiB and more": (2, 0, 0xFFF0, 0x100000000),
}


@pytest.mark.parametrize(("command", "base", "limit", "size"), WINDOWS.values(), ids=WINDOWS.keys())
def test_a_window_is_an_alias_that_never_goes_away(command: int, base: int, limit: int, size: int) -> None:
    memory = Memory()
    bus, secondary = (Region(name, Kind.CONTAINER, 1 << 64) for name in ("bus", "secondary"))
    windows = {name: Region(name, Kind.ALIAS, 0, alias=secondary) for name in ("io", "mem", "pref")}
    for alias in windows.values():
        memory.add_subregion(bus, 0, alias, 1)
    bridge = Bridge(memory, dict.fromkeys(("io", "mem", "pref"), bus), windows, {}, (secondary, secondary))
    before = memory.rebuilds
    data = bytearray(256)
    struct.pack_into("<H", data, 4, command)
    struct.pack_into("<HH", data, 0x20, base, limit)
    bridge.rebuild(bytes(data))
    assert memory.rebuilds == before + 1
    assert windows["mem"].container is bus
    assert (windows["mem"].addr, windows["mem"].alias_offset, windows["mem"].size) == (base << 16, base << 16, size)
