"""A throw-away process in which every BAR is mapped, so that one sees what each of them shows.

A machine at reset has no BAR mapped: `info mtree` is silent about what is inside them, and nothing tells which region
belongs to which register. So: number the buses, open all bridge windows, learn each BAR's size by writing ones, give
each an address of its own, switch decoding on. The region that then sits at that address is the BAR's. All of it
through the machine's own configuration mechanism (`config`), on a machine that never ran.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fuzz.capture import objects as qom
from fuzz.capture.config import ConfigSpace
from fuzz.capture.errors import CaptureError
from model.memory.mtree import parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fuzz.capture.qtest import Accessible

ROM_SLOT: Final = 6
_ONES: Final = 0xFFFF_FFFF
_FIRST_64BIT: Final = 1 << 42
_MEMORY: Final = (0xE000_0000, 0xFEC0_0000)
_PORTS: Final = (0xC000, 0x1_0000)
_SMALLEST: Final = {"memory": 16, "memory64": 16, "io": 4}
"""Sizes that can be told from a register: below are its type bits, and a region may be smaller."""

DEVICE_CONFIG: Final = "virtio-pci-device-"
_MODERN_SLOT: Final = 4
_CONFIG_BYTES: Final = 256
_WINDOW: Final = "gpex_mmio_window"
"""What the aliases show through which a generic PCI Express host's bus is seen; others show theirs everywhere."""


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
    config: Mapping[str, bytes]
    """Config spaces before anything was written into them but bus numbers, by path; 256 bytes each."""
    windows: Mapping[str, tuple[int, int]]
    """Where BARs are seen, by space: the first address and the one behind the last."""
    answers: Mapping[str, bytes]
    """What a modern virtio function answers where its device config is, by path; 256 bytes each."""
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

    limits: Mapping[str, tuple[int, int]]
    """Where BARs are seen, by space: the first address and the one behind the last."""
    _next: dict[str, int] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)

    def take(self, space: str, size: int) -> int:
        first, limit = self.limits[space]
        at = (self._next.get(space, first) + size - 1) // size * size
        if at + size > limit:  # no room left to be seen in: still an address of its own
            first = _FIRST_64BIT if space == "memory64" else 0x1000_0000 if space == "memory" else 0x1_0000
            at = max(first // size * size, size)
            while at in self._seen:
                at += size
            self._seen.add(at)
        else:
            self._next[space] = at + size
        return at


def number_buses(devices: Iterable[qom.PciObject], roots: Mapping[str, int], config: ConfigSpace) -> dict[str, int]:
    """Give every bus a number, parents first. Returns the number of the bus each device is on, by device path.

    `roots`: the numbers that root buses have. Raises CaptureError if there are not enough behind one of them.
    """
    by_bus: dict[str, list[qom.PciObject]] = {}
    for device in devices:
        by_bus.setdefault(device.bus, []).append(device)
    numbers: dict[str, int] = {}
    following = limit = 0x100

    def visit(bus: str, number: int) -> None:
        nonlocal following
        for device in sorted(by_bus.get(bus, []), key=lambda item: item.devfn):
            numbers[device.path] = number
            behind = next((name for name in by_bus if name.rpartition("/")[0] == device.path), None)
            if behind is None:
                continue
            own, following = following, following + 1
            if own >= limit:
                raise CaptureError(f"{device.id}: no bus number left for what is behind it (the next root has {limit})")
            config.write([(number, device.devfn, 0x18, number | own << 8 | 0xFF << 16)])
            visit(behind, own)
            config.write([(number, device.devfn, 0x18, number | own << 8 | (following - 1) << 16)])

    for root, number in sorted(roots.items(), key=lambda item: item[1]):
        following = number + 1
        limit = min((other for other in roots.values() if other > number), default=0x100)
        visit(root, number)
    return numbers


def map_everything(access: Accessible) -> Mapped:
    """Map every BAR of a stopped machine and look. The process is of no other use afterwards."""
    vm = access.vm
    before = qom.walk(vm)
    tree = vm.hmp("info mtree -o -D")
    wanted: dict[str, list[_Wanted]] = {}
    reset: dict[str, bytes] = {}
    windows = _windows(tree)
    if before.devices:
        config = ConfigSpace(access, before, tree)
        buses = number_buses(before.devices, before.roots, config)
        reset = {device.path: config.whole(buses[device.path], device.devfn) for device in before.devices}
        for device in before.devices:
            header = reset[device.path][0x0E] & 0x7F
            wanted[device.path] = _registers(config, buses[device.path], device.devfn, header)
        allocator = _Allocator(windows)
        for bar in sorted((bar for bars in wanted.values() for bar in bars), key=lambda bar: -bar.size):
            bar.address = allocator.take(bar.space, bar.size)
        for device in before.devices:
            if reset[device.path][0x0E] & 0x7F == 1:
                _open_bridge(config, buses[device.path], device.devfn)
            _program(config, buses[device.path], device.devfn, wanted[device.path])
    after = qom.walk(vm)
    return Mapped(
        {device.path: _bars(device, wanted[device.path], before, after) for device in before.devices},
        reset,
        windows,
        _device_configs(access, wanted, after),
        after,
        vm.hmp("info mtree -o -D"),
        vm.hmp("info mtree -f -o"),
    )


def _device_configs(access: Accessible, wanted: Mapping[str, list[_Wanted]], objects: qom.Objects) -> dict[str, bytes]:
    """Read where functions show their device config. At reset no driver has asked for it, so no stream has it."""
    found = {}
    for region in objects.regions.values():
        bar = next((bar for bar in wanted.get(region.owner, []) if bar.slot == _MODERN_SLOT), None)
        if bar is not None and region.name.startswith(DEVICE_CONFIG):
            start = bar.address + region.addr
            values = access.ask([f"readl {start + offset:#x}" for offset in range(0, _CONFIG_BYTES, 4)])
            found[region.owner] = b"".join(value.to_bytes(4, "little") for value in values)
    return found


def _windows(tree: str) -> dict[str, tuple[int, int]]:
    """Where a BAR is seen: in a generic host's windows, else in what firmware leaves for BARs below the chipset's."""
    found = {"memory": _MEMORY, "memory64": (_FIRST_64BIT, 1 << 63), "io": _PORTS}
    for section in parse_tree(tree):
        if "memory" not in section.spaces:
            continue
        for node in section.root.walk():
            if node.alias == _WINDOW:
                found["memory" if node.end < 1 << 32 else "memory64"] = (node.start, node.end + 1)
    return found


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


def _bars(device: qom.PciObject, wanted: list[_Wanted], before: qom.Objects, after: qom.Objects) -> tuple[Bar, ...]:
    """The region of each BAR: what sits at its address now and did not before, the device's own if there are more."""
    result = []
    for bar in wanted:
        found = [
            region
            for region in after.regions.values()
            if region.container and region.addr == bar.address and region.priority == 1
            if region.size == bar.size or region.size < bar.size <= _SMALLEST[bar.space]
            if (path := region.path) not in before.regions or not before.regions[path].container
        ]
        own = [one for one in found if one.owner == device.path or one.owner.startswith(f"{device.path}/")]
        chosen = own or found
        if len(chosen) != 1:
            raise CaptureError(
                f"{device.id}: BAR {bar.slot} of {bar.size:#x} bytes: {len(chosen)} regions at its address"
            )
        result.append(Bar(bar.slot, bar.space, chosen[0].size, chosen[0].path, chosen[0].container))
    return tuple(result)
