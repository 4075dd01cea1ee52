"""Config space of a stopped machine: the lines that are sent, bus numbers, addresses for BARs, writable bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz.capture.config import ConfigSpace
from fuzz.capture.errors import CaptureError
from fuzz.capture.mapping import _Allocator, _windows, number_buses
from fuzz.capture.masks import Masks
from fuzz.capture.objects import Objects, PciObject, RegionObject
from fuzz.capture.qtest import Accessible
from fuzz.capture.writable import _with, _written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NO_TREE = f"address-space: memory\n  {0:016x}-{(1 << 64) - 1:016x} (prio 0, i/o): system\n\n"


def window(name: str, start: int, end: int) -> str:
    return NO_TREE[:-1] + f"    {start:016x}-{end:016x} (prio 0, i/o): {name}\n\n"


class Bus:
    """Answers lines as a machine with one function at 00:00.0 would."""

    def __init__(self, at: int | None = None) -> None:
        self.sent: list[str] = []
        self.at = at

    def ask(self, lines: Sequence[str]) -> list[int]:
        self.sent += lines
        return [len(self.sent) - len(lines) + index for index in range(len(lines))]


def objects(*types: str, ports: bool = True) -> Objects:
    region = RegionObject("/machine/pci-conf-data[0]", "/machine", "pci-conf-data", 0, 4, 0xCFC, 0, "")
    devices = tuple(PciObject(f"/machine/{name}", name, "/machine/bus", 0) for name in types)
    return Objects({region.path: region} if ports else {}, devices, {}, {}, {}, {})


def space(bus: Bus, found: Objects, tree: str = NO_TREE) -> ConfigSpace:
    return ConfigSpace(bus, found, tree)  # type: ignore[arg-type]


def test_ports() -> None:
    bus = Bus()
    config = space(bus, objects("i440FX"))
    assert not config.has_window
    assert config.read([(1, 0x08, 0x10)]) == [1]
    config.write([(0, 0, 4, 3)])
    assert bus.sent == ["outl 0xcf8 0x80010810", "inl 0xcfc", "outl 0xcf8 0x80000004", "outl 0xcfc 0x3"]
    with pytest.raises(CaptureError, match="config offset 0x100: out of reach"):
        config.read([(0, 0, 0x100)])


def test_a_generic_host_has_a_window_only() -> None:
    bus = Bus()
    config = space(bus, objects("gpex-root", ports=False), window("pcie-mmcfg-mmio", 0xE0000000, 0xEFFFFFFF))
    config.exchange([((0, 0x08, 0x10), None), ((1, 0, 0x100), 5)])
    assert bus.sent == ["readl 0xe0008010", "writel 0xe0100100 0x5"]
    with pytest.raises(CaptureError, match="neither ports nor a window"):
        space(bus, objects("x", ports=False))


def test_q35_gets_a_window_for_what_ports_do_not_reach() -> None:
    bus = Bus()
    config = space(bus, objects("mch"))
    assert config.has_window
    assert bus.sent == ["outl 0xcf8 0x80000064", "outl 0xcfc 0x0", "outl 0xcf8 0x80000060", "outl 0xcfc 0xb0000001"]
    config.read([(2, 0, 0xFC), (2, 0, 0x100)])
    assert bus.sent[4:] == ["outl 0xcf8 0x800200fc", "inl 0xcfc", "readl 0xb0200100"]


HOST, EXTRA = "/machine/host/bus", "/machine/extra/px0"


def device(path: str, bus: str, devfn: int = 0) -> PciObject:
    return PciObject(path, "any", bus, devfn)


class Numbers(Bus):
    """Keeps what was written as bus numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.registers: dict[tuple[int, int], int] = {}

    def write(self, writes: Iterable[tuple[int, int, int, int]]) -> None:
        for bus, devfn, offset, value in writes:
            assert offset == 0x18
            self.registers[bus, devfn] = value


def test_bus_numbers_of_several_roots() -> None:
    devices = [
        device("/d/rp0", HOST, 0x10),
        device("/d/up", "/d/rp0/rp0"),
        device("/d/down", "/d/up/up", 0x08),
        device("/d/leaf", "/d/down/down"),
        device("/d/rp1", EXTRA, 0x08),
        device("/d/net", "/d/rp1/rp1"),
    ]
    numbers = Numbers()
    found = number_buses(devices, {HOST: 0, EXTRA: 0x40}, numbers)  # type: ignore[arg-type]
    assert found == {"/d/rp0": 0, "/d/up": 1, "/d/down": 2, "/d/leaf": 3, "/d/rp1": 0x40, "/d/net": 0x41}
    # primary, secondary, subordinate
    assert numbers.registers == {(0, 0x10): 0x030100, (1, 0): 0x030201, (2, 8): 0x030302, (0x40, 8): 0x414140}


def test_a_root_that_leaves_no_number() -> None:
    devices = [device("/d/a", HOST), device("/d/b", "/d/a/a"), device("/d/x", EXTRA)]
    with pytest.raises(CaptureError, match=r"/d/a: no bus number left for what is behind it \(the next root has 1\)"):
        number_buses(devices, {HOST: 0, EXTRA: 1}, Numbers())  # type: ignore[arg-type]


def test_windows_and_addresses() -> None:
    assert _windows(NO_TREE)["memory"] == (0xE0000000, 0xFEC00000)
    tree = window(f"alias w @gpex_mmio_window {0xC0000000:016x}-{0xDFFFFFFF:016x}", 0xC0000000, 0xDFFFFFFF)
    windows = _windows(tree)
    assert windows["memory"] == (0xC0000000, 0xE0000000)
    allocator = _Allocator(windows)
    assert [allocator.take("memory", size) for size in (1 << 20, 1 << 16, 16)] == [0xC0000000, 0xC0100000, 0xC0110000]
    outside = {allocator.take("memory", 1 << 30) for _ in range(3)}  # no room: seen nowhere, but each by itself
    assert len(outside) == 3
    assert all(address % (1 << 30) == 0 for address in outside)


class Registers(Bus):
    """One dword in which some bits can be written, some only set, and some read as something else."""

    def __init__(self, writable: int, sticky: int, fixed: int) -> None:
        super().__init__()
        self.writable, self.sticky, self.value = writable, sticky, fixed

    def read(self, places: list[tuple[int, int, int]]) -> list[int]:
        return [self.value for _ in places]

    def exchange(self, accesses: list[tuple[tuple[int, int, int], int | None]]) -> list[int]:
        answers = []
        for _, value in accesses:
            if value is None:
                answers.append(self.value)
            else:
                self.value = self.value & ~self.writable | value & self.writable | value & self.sticky
        return answers


def test_writable_bits_are_those_that_take_zeros_and_ones() -> None:
    registers = Registers(writable=0x00FF00F0, sticky=0x00000001, fixed=0x80000000)
    before = registers.value
    assert _written(registers, 0, 0, 4) == (0x00FF00F1).to_bytes(4, "little")  # type: ignore[arg-type]
    assert registers.value & ~1 == before  # what was there is there again, but for the bit that locks itself


def test_what_qemu_told_stays() -> None:
    masks = Masks(compare=b"\xf0\0\0\0", writable=b"\x0f\0\x30\0", w1c=b"\0\x01\0\0")
    assert _with(masks, b"\xff\xff\xff\xff").writable == b"\x0f\0\x30\xff"
    assert _with(masks, b"").writable == masks.writable


@pytest.mark.qemu
def test_the_channel(real_qemu: str) -> None:
    with Accessible(("-M", "q35", "-m", "16M", "-nodefaults"), binary=real_qemu) as access:
        assert access.ask(["writel 0x1000 0xdeadbeef", "readl 0x1000", "outl 0xcf8 0x80000000", "inl 0xcfc"]) == [
            0,
            0xDEADBEEF,
            0,
            0x29C08086,
        ]
        many = access.ask([f"readb {0x1000 + index % 4:#x}" for index in range(1001)])
        assert many[:4] == [0xEF, 0xBE, 0xAD, 0xDE]
        assert len(many) == 1001
        with pytest.raises(CaptureError, match="qtest: nonsense"):
            access.ask(["nonsense"])
