"""A throw-away process in which every BAR is mapped, so that one sees what each of them shows.

A machine at reset has no BAR mapped: `info mtree` is silent about what is inside them, and nothing tells which region
belongs to which register. So: number the buses, open all bridge windows, learn each BAR's size by writing ones, give
each an address of its own, switch decoding on. The region that then sits at that address is the BAR's. All of it
through the monitor's port writes, on a stopped machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fuzz.capture import objects as qom
from fuzz.capture.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fuzz.qemu import Qemu

ROM_SLOT: Final = 6
_ONES: Final = 0xFFFF_FFFF
_FIRST_64BIT: Final = 1 << 42
_MEMORY: Final = (0xE000_0000, 0xFEC0_0000)
_PORTS: Final = (0xC000, 0x1_0000)


class ConfigSpace:
    """The first 256 bytes of PCI config spaces, by port writes through the monitor."""

    def __init__(self, vm: Qemu) -> None:
        self._vm = vm

    def read(self, places: Iterable[tuple[int, int, int]]) -> list[int]:
        """The dwords at (bus, devfn, offset)."""
        lines = []
        for bus, devfn, offset in places:
            lines += [_select(bus, devfn, offset), "i /w 0xcfc"]
        return [int(text.rpartition("=")[2], 16) for text in self._vm.hmp_all(lines)[1::2]]

    def write(self, writes: Iterable[tuple[int, int, int, int]]) -> None:
        """Write dwords: (bus, devfn, offset, value)."""
        lines = []
        for bus, devfn, offset, value in writes:
            lines += [_select(bus, devfn, offset), f"o /w 0xcfc {value:#x}"]
        for text in self._vm.hmp_all(lines):
            if text.strip():
                raise CaptureError(f"writing PCI config space: {text.strip()}")


def _select(bus: int, devfn: int, offset: int) -> str:
    return f"o /w 0xcf8 {1 << 31 | bus << 16 | devfn << 8 | offset:#x}"


@dataclass(frozen=True, slots=True)
class Bar:
    """A base address register: `space` is memory, memory64 or io, `size` in bytes, `region` the path of its region."""

    slot: int
    space: str
    size: int
    region: str
    container: str


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the throw-away process showed."""

    bars: Mapping[str, tuple[Bar, ...]]
    """By path of the PCI device, in order of slots."""
    objects: qom.Objects
    tree: str
    flat: str


@dataclass(slots=True)
class _Wanted:
    slot: int
    space: str
    size: int
    offset: int
    address: int = 0


@dataclass(slots=True)
class _Allocator:
    """Hands out aligned addresses: largest first keeps the gaps small, so sort before asking."""

    memory64: int = _FIRST_64BIT
    memory: int = _MEMORY[0]
    io: int = _PORTS[0]
    _seen: set[int] = field(default_factory=set)

    def take(self, space: str, size: int) -> int:
        at = int(getattr(self, space))
        at = (at + size - 1) // size * size
        limit = {"memory": _MEMORY[1], "io": _PORTS[1]}.get(space)
        if limit is not None and at + size > limit:  # no room left to be seen in: still an address of its own
            at = (_FIRST_64BIT if space == "memory64" else 0x1000_0000 if space == "memory" else 0x1_0000) + size
            while at in self._seen:
                at += size
            self._seen.add(at)
        else:
            setattr(self, space, at + size)
        return at


def number_buses(devices: Iterable[qom.PciObject], config: ConfigSpace) -> dict[str, int]:
    """Give every bus a number, parents first. Returns the number of the bus each device is on, by device path."""
    by_bus: dict[str, list[qom.PciObject]] = {}
    paths = {device.path for device in devices}
    for device in devices:
        by_bus.setdefault(device.bus, []).append(device)
    numbers: dict[str, int] = {}
    following = 1

    def visit(bus: str, number: int) -> None:
        nonlocal following
        for device in sorted(by_bus.get(bus, []), key=lambda item: item.devfn):
            numbers[device.path] = number
            behind = next((name for name in by_bus if name.rpartition("/")[0] == device.path), None)
            if behind is None:
                continue
            own, following = following, following + 1
            if own > 0xFF:
                raise CaptureError("more than 255 PCI buses behind bridges")
            config.write([(number, device.devfn, 0x18, number | own << 8 | 0xFF << 16)])
            visit(behind, own)
            config.write([(number, device.devfn, 0x18, number | own << 8 | (following - 1) << 16)])

    roots = sorted(bus for bus in by_bus if bus.rpartition("/")[0] not in paths)
    if len(roots) > 1:
        raise CaptureError(f"more than one PCI root bus ({', '.join(roots)}): not supported")
    for root in roots:
        visit(root, 0)
    return numbers


def map_everything(vm: Qemu) -> Mapped:
    """Map every BAR of a stopped machine and look. The process is of no other use afterwards."""
    before = qom.walk(vm)
    config = ConfigSpace(vm)
    buses = number_buses(before.devices, config)
    wanted: dict[str, list[_Wanted]] = {}
    header: dict[str, int] = {}
    for device in before.devices:
        bus = buses[device.path]
        header[device.path] = config.read([(bus, device.devfn, 0x0C)])[0] >> 16 & 0x7F
        wanted[device.path] = _registers(config, bus, device.devfn, header[device.path])
    allocator = _Allocator()
    everything = [bar for bars in wanted.values() for bar in bars]
    for bar in sorted(everything, key=lambda bar: -bar.size):
        bar.address = allocator.take(bar.space, bar.size)
    for device in before.devices:
        bus = buses[device.path]
        if header[device.path] == 1:
            _open_bridge(config, bus, device.devfn)
        _program(config, bus, device.devfn, wanted[device.path])
    after = qom.walk(vm)
    return Mapped(
        {device.path: _bars(device, wanted[device.path], after) for device in before.devices},
        after,
        vm.hmp("info mtree -o -D"),
        vm.hmp("info mtree -f -o"),
    )


def _registers(config: ConfigSpace, bus: int, devfn: int, header: int) -> list[_Wanted]:
    """Size every BAR by writing ones."""
    count, rom = (2, 0x38) if header == 1 else (6, 0x30)
    offsets = [*(0x10 + 4 * slot for slot in range(count)), rom]
    config.write([(bus, devfn, offset, _ONES & (~1 if offset == rom else _ONES)) for offset in offsets])
    answers = dict(zip(offsets, config.read([(bus, devfn, offset) for offset in offsets]), strict=True))
    result = []
    skip = False
    for slot, offset in enumerate(offsets[:-1]):
        value = answers[offset]
        if skip or not value:
            skip = False
            continue
        if value & 1:
            result.append(_Wanted(slot, "io", _size(value & ~3 | 0xFFFF_0000), offset))
        elif value & 6 == 4:
            high = answers[offset + 4]
            size = ((~(high << 32 | value & ~0xF)) + 1) & ((1 << 64) - 1)
            result.append(_Wanted(slot, "memory64", size, offset))
            skip = True
        else:
            result.append(_Wanted(slot, "memory", _size(value & ~0xF), offset))
    if answers[rom]:
        result.append(_Wanted(ROM_SLOT, "memory", _size(answers[rom] & ~0x7FF), rom))
    return result


def _size(ones: int) -> int:
    return (~ones + 1) & _ONES


def _open_bridge(config: ConfigSpace, bus: int, devfn: int) -> None:
    """All ports and all memory from 1 MiB up go through, and VGA does too."""
    interrupts = config.read([(bus, devfn, 0x3C)])[0]
    config.write(
        [
            (bus, devfn, 0x1C, 0x0000_F000),
            (bus, devfn, 0x20, 0x0000_FFF0),
            (bus, devfn, 0x24, 0xFFF1_0011),
            (bus, devfn, 0x28, 0),
            (bus, devfn, 0x2C, _ONES),
            (bus, devfn, 0x3C, interrupts & 0xFFFF | 0x0008_0000),
            (bus, devfn, 0x04, 0x3),
        ]
    )


def _program(config: ConfigSpace, bus: int, devfn: int, bars: list[_Wanted]) -> None:
    writes = []
    for bar in bars:
        enable = 1 if bar.slot == ROM_SLOT else 0
        writes.append((bus, devfn, bar.offset, bar.address & _ONES | enable))
        if bar.space == "memory64":
            writes.append((bus, devfn, bar.offset + 4, bar.address >> 32))
    if bars:
        writes.append((bus, devfn, 0x04, 0x3))
    config.write(writes)


def _bars(device: qom.PciObject, wanted: list[_Wanted], objects: qom.Objects) -> tuple[Bar, ...]:
    result = []
    for bar in wanted:
        found = [
            region
            for region in objects.regions.values()
            if region.container and region.addr == bar.address and region.size == bar.size and region.priority == 1
            if region.owner == device.path or region.owner.startswith(f"{device.path}/")
        ]
        if len(found) != 1:
            raise CaptureError(
                f"{device.id}: BAR {bar.slot} of {bar.size:#x} bytes: {len(found)} regions at its address"
            )
        result.append(Bar(bar.slot, bar.space, bar.size, found[0].path, found[0].container))
    return tuple(result)
