"""BARs, the config check, windows: the edges that pci.md marks as tried on the real program, and its table 9."""

from __future__ import annotations

import struct

import pytest
import tiny
from mutants import PC, Case, Cases, again, behind, byte, check, dword, on, put, qword, without, word

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


BLK, NET, PORT0, PORT1 = "02.1:00.0/virtio-blk", "02.0:00.0/virtio-net", "02.0/pcie-root-port", "02.1/pcie-root-port"
PC_BLK, PC_NET = "02.0/virtio-blk", "03.0/virtio-net"
COMMON = "virtio-pci-common-virtio-blk"


def bad(register: int, rest: str) -> str:
    return f"Bad config data: i={register:#x} {rest}"


CASES: Cases = {
    # The byte check (pci.md 1.2): cases 1 to 4, 8, 9, 31 and 46 of the table.
    "vendor": Case(byte(BLK, 0, 0xF5), "refused", bad(0, "read: f5 device: f4 cmask: ff wmask: 0 w1cmask:0")),
    "device id": Case(byte(BLK, 2, 0x43), "refused", bad(2, "read: 43 device: 42")),
    "no capability list": Case(byte(BLK, 6, 0), "refused", bad(6, "read: 0 device: 10 cmask: 10")),
    "class": Case(byte(BLK, 0x0A, 0xFF), "refused", bad(0xA, "read: ff device: 0")),
    "revision": Case(byte(BLK, 0x08, 0xFF), "refused", bad(8, "read: ff")),
    "multifunction": Case(byte(PORT0, 0x0E, 1), "refused", bad(0xE, "read: 1 device: 81")),
    "status is not compared": Case(byte(BLK, 7, 0xFF)),
    "command of all ones": Case(word(BLK, 4, 0xFFFF)),
    "interrupt pin": Case(byte(BLK, 0x3D, 9), "aborted", "pci_irq_handler: Assertion"),
    "subsystem": Case(dword(BLK, 0x2C, 0xFFFFFFFF)),
    "BARs that are none": Case(on(dword(BLK, 0x10, 0xFFFFFFFF), dword(BLK, 0x18, 0xFFFFFFFF))),
    "ROM that is none": Case(dword(BLK, 0x30, 0xFFFFFFFF)),
    "extended config that is no capability": Case(qword(BLK, 0x200, 0xFFFFFFFFFFFFFFFF)),
    "link status": Case(word(BLK, 0x52, 0xFFFF)),
    "BAR below its size": Case(
        dword(BLK, 0x20, 0xFE80010C), "refused", bad(0x21, "read: 1 device: 0 cmask: ff wmask: c0")
    ),
    "BAR type": Case(byte(BLK, 0x20, 4), "refused", bad(0x20, "read: 4 device: c")),
    "vector count": Case(byte(BLK, 0xDE, 4), "refused", bad(0xDE, "read: 4 device: 2")),
    "MSI-X on": Case(byte(BLK, 0xDF, 0x80)),
    "MSI-X masked": Case(byte(BLK, 0xDF, 0xC0)),
    "MSI-X reserved": Case(byte(BLK, 0xDF, 0x20), "refused", bad(0xDF, "read: 20 device: 0")),
    "AER status is cleared by writing": Case(dword(PORT0, 0x104, 0xFFFFFFFF), "refused", "w1cmask:30"),
    "slot number": Case(byte(PORT0, 0x6A, 0xFF), "refused", bad(0x6A, "read: ff")),
    "I/O window's type": Case(byte(PORT0, 0x1C, 0xC1), "refused", bad(0x1C, "read: c1 device: f0 cmask: f wmask: f0")),
    "chipset's id": Case(byte("mch", 0, 0), "refused", bad(0, "read: 0 device: 86")),
    # What stands around the config (1.1): cases 32.
    "irq level 2": Case(put(BLK, "irq_state[0]", 2), "refused", "irq state 2: must be 0 or 1."),
    "irq level 1": Case(put(BLK, "irq_state[3]", 1)),
    "version 3": Case(put(BLK, "version_id", 3), "refused", "Invalid value 3 expecting positive value <= 2"),
    "version -1": Case(put(BLK, "version_id", 0xFFFFFFFF), "refused", "Invalid value -1 expecting positive"),
    "mch version 1": Case(put("mch", "version_id", 1)),
    "mch version 0": Case(put("mch", "version_id", 0)),
    "mch version 0, then 2": Case(
        on(again("mch"), put("mch", "version_id", 0)), "refused", "Invalid value 2 expecting"
    ),
    # BARs: cases 5 to 7, 10 to 13, 15.
    "64 bits moved in its window": Case(dword(BLK, 0x20, 0xFE81000C), shows={0xFE810000: COMMON, 0xFE800000: None}),
    "out of its window": Case(dword(BLK, 0x20, 0xFA00000C), shows={0xFA000000: None, 0xFE800000: None}),
    "at 0": Case(dword(BLK, 0x20, 0xC), shows={0xFE800000: None}),
    "64 bits, to the last byte": Case(qword(BLK, 0x20, 0xFFFFFFFFFFFFC00C), shows={0xFE800000: None}),
    "64 bits, to the byte before": Case(qword(BLK, 0x20, 0xFFFFFFFFFFFF800C), shows={0xFE800000: None}),
    "64 bits, far": Case(qword(BLK, 0x20, 0x1FE80000C), shows={0xFE800000: None}),
    "64 bits, far, and the window too": Case(
        on(qword(BLK, 0x20, 0x1FE80000C), qword(PORT1, 0x28, 0x100000001)), shows={0x1FE800000: COMMON}
    ),
    "32 bits moved": Case(dword(BLK, 0x14, 0xFE210000), shows={0xFE210000: "msix-table", 0xFE200000: None}),
    "memory off": Case(word(BLK, 4, 0x105), shows={0xFE800000: None, 0xFE200000: None}),
    "master off": Case(word(BLK, 4, 0x103), shows={0xFE800000: COMMON}),
    "command 0": Case(word(BLK, 4, 0), shows={0xFE800000: None}),
    "ahci off": Case(word("ich9_ahci", 4, 0), shows={0xFE602000: None}),
    "ahci without master": Case(word("ich9_ahci", 4, 0x103), shows={0xFE602000: "ahci"}),
    "ahci over a port": Case(dword("ich9_ahci", 0x24, 0xFE600000), shows={0xFE600000: "ahci"}),
    "ahci over RAM": Case(dword("ich9_ahci", 0x24, 0x1000000), shows={0x1000000: "pc.ram"}),
    "ahci under the ioapic": Case(dword("ich9_ahci", 0x24, 0xFEC00000), shows={0xFEC00000: "ioapic"}),
    "ahci under PAM": Case(dword("ich9_ahci", 0x24, 0xE8000), shows={0xE8000: "pc.ram"}),
    "ahci where PAM shows PCI": Case(
        on(dword("ich9_ahci", 0x24, 0xE8000), byte("mch", 0x96, 0)), shows={0xE8000: "ahci", 0xE9000: "pc.bios (ro)"}
    ),
    "ahci over the bios": Case(dword("ich9_ahci", 0x24, 0xFFFFE000), shows={0xFFFFE000: "ahci"}),
    "ahci at the end": Case(dword("ich9_ahci", 0x24, 0xFFFFF000), shows={0xFFFFF000: "pc.bios (ro)"}),
    "ahci and the port's BAR, the later on top": Case(dword(PORT0, 0x10, 0xFE602000), shows={0xFE602000: "ahci"}),
    "a BAR over RAM that holds the ring": Case(dword(BLK, 0x20, 0x3FDC00C), shows={0x3FDD000: "pc.ram"}),
    # Sections twice, missing, and out of order: cases 45, 8.7.
    "blk twice": Case(again(BLK)),
    "blk again, moved": Case(again(BLK, dword(BLK, 0x20, 0xFE81000C)), shows={0xFE810000: COMMON, 0xFE800000: None}),
    "blk again, off": Case(again(BLK, word(BLK, 4, 0)), shows={0xFE800000: None}),
    "port twice": Case(again(PORT0)),
    "port behind its device": Case(behind(PORT1, BLK), shows={0xFE800000: COMMON}),
    "no port": Case(without(PORT1), shows={0xFE800000: None}),
    "no blk": Case(without(BLK), shows={0xFE800000: None}),
    "net behind blk": Case(behind(NET, BLK)),
    # pc: ports (cases 13, 14, 49) and the same for conventional functions.
    "ports moved": Case(dword(PC_NET, 0x10, 0xD001), shows={0xD000: "virtio-pci"}, space="I/O", machine=PC),
    "ports at 0": Case(dword(PC_NET, 0x10, 1), shows={0xC080: "io"}, space="I/O", machine=PC),
    "ports beyond 64 KiB": Case(dword(PC_NET, 0x10, 0x10001), shows={0xC080: "io"}, space="I/O", machine=PC),
    "ports at the end": Case(dword(PC_NET, 0x10, 0xFFFFFFE1), space="I/O", machine=PC),
    "ports before the end": Case(dword(PC_NET, 0x10, 0xFFFFFFC1), space="I/O", machine=PC),
    "ports over the config ports": Case(
        dword(PC_NET, 0x10, 0xCE1), shows={0xCF8: "virtio-pci"}, space="I/O", machine=PC
    ),
    "ports over each other": Case(dword(PC_NET, 0x10, 0xC001), space="I/O", machine=PC),
    "ports off": Case(word(PC_NET, 4, 0x102), shows={0xC080: "io"}, space="I/O", machine=PC),
    "one BAR over the other": Case(dword(PC_NET, 0x14, 0xFEBFE000), machine=PC),
    "ide moved": Case(dword("ide", 0x20, 0xD001), shows={0xD000: "piix-bmdma"}, space="I/O", machine=PC),
    "ide ports below their size": Case(dword("ide", 0x20, 0xC0A9), "refused", bad(0x20, "read: a9"), machine=PC),
    "pc blk twice": Case(again(PC_BLK), machine=PC),
    "pc irq level 2": Case(put(PC_BLK, "irq_state[1]", 2), "refused", "irq state 2: must be 0 or 1.", machine=PC),
    "pc command of all ones": Case(word(PC_BLK, 4, 0xFFFF), machine=PC),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
