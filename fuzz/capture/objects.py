"""QEMU's object tree: every memory region and every PCI device that exists, mapped or not.

Regions are children of their owners, named after the region with an ordinal:
`/machine/peripheral/blk0/msix-table[0]`. The object model tells address, size, priority and container; what kind a
region is stands in `info mtree` (`regions`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fuzz.capture.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fuzz.qemu import Qemu

_CHILD = re.compile(r"^child<(.*)>$")
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")
_ORDINAL = re.compile(r"^(.*)\[(\d+)\]$", re.DOTALL)
_TOPS: Final = ("machine", "objects")
_REGION: Final = "memory-region"
_U64 = (1 << 64) - 1
_EXPANDERS: Final = frozenset({"pxb-host", "pxb-cxl-host"})
"""Types of the host bridges behind PCI expander bridges: each has a root bus with a number of its own."""

_INNER_BUS: Final = "pxb-internal"
"""The root bus of a conventional expander, whose one bridge has the bus number as its chassis number."""


@dataclass(frozen=True, slots=True)
class RegionObject:
    """A memory region: `container` is the path of the region it is in, "" if none; a size of 2**64 is possible."""

    path: str
    owner: str
    name: str
    ordinal: int
    size: int
    addr: int
    priority: int
    container: str


@dataclass(frozen=True, slots=True)
class PciObject:
    """A PCI device: its QOM type, the path of its bus and its `slot * 8 + function`."""

    path: str
    type: str
    bus: str
    devfn: int

    @property
    def id(self) -> str:
        """The id given with -device, or the QOM path of a device without one."""
        return shown_owner(self.path)


@dataclass(frozen=True, slots=True)
class Objects:
    """All regions by path, all PCI devices in order of their paths."""

    regions: Mapping[str, RegionObject]
    devices: tuple[PciObject, ...]
    functions: Mapping[str, str]
    """Address as in section names (`0000:00:02.0:00.0`) by the path of the PCI device."""
    roots: Mapping[str, int]
    """Numbers of the PCI root buses by the path of the bus."""
    ids: Mapping[str, str]
    """What QEMU prints as the owner of regions, as a path, where that is not the owner's own path."""
    kinds: Mapping[str, str]
    """QOM types by path, of everything but plain memory regions: those of IOMMUs have types of their own."""


def shown_owner(path: str) -> str:
    """A QOM path as descriptions show it: the id for what -device made, the path for everything else."""
    return path.removeprefix("/machine/peripheral/")


def walk(vm: Qemu) -> Objects:
    """Look at every object of a running QEMU."""
    found: list[tuple[str, str]] = []
    level = [f"/{entry['name']}" for entry in vm.qmp("qom-list", {"path": "/"}) if entry["name"] in _TOPS]
    candidates: list[str] = []
    expanders: list[str] = []
    while level:
        listings = vm.qmp_all([("qom-list", {"path": path}) for path in level])
        following: list[str] = []
        for path, listing in zip(level, listings, strict=True):
            names = {entry["name"] for entry in listing}
            if {"addr", "romfile", "parent_bus"} <= names:
                candidates.append(path)
            if {"bus_nr", "parent_bus"} <= names:
                expanders.append(path)
            for entry in listing:
                kind = _CHILD.match(entry["type"])
                if kind is None or kind[1] == "irq":
                    continue
                child = f"{path}/{entry['name']}"
                found.append((child, kind[1]))
                if not kind[1].endswith(_REGION):
                    following.append(child)
        level = following
    paths = sorted(path for path, kind in found if kind.endswith(_REGION))
    devices = _devices(vm, sorted(candidates))
    kinds = {path: kind for path, kind in found if kind != _REGION}
    expander_at = _numbers(vm, expanders)
    roots = _roots(vm, devices, kinds, expander_at)
    # The bridge in a conventional expander has the expander's id without being what -device made.
    ids = {
        device.path: expander_at[roots[device.bus]]
        for device in devices
        if device.bus.rpartition("/")[2] == _INNER_BUS and device.path.startswith("/machine/unattached/")
    }
    ids = {path: expander for path, expander in ids.items() if expander.startswith("/machine/peripheral/")}
    expanded = {bus: expander_at[number] for bus, number in roots.items() if number in expander_at}
    return Objects(_regions(vm, paths), devices, addresses(devices, roots, expanded), roots, ids, kinds)


def properties(vm: Qemu, path: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The values of those of the named properties that the object at `path` has."""
    known = {entry["name"] for entry in vm.qmp("qom-list", {"path": path})}
    wanted = [name for name in names if name in known]
    values = vm.qmp_all([("qom-get", {"path": path, "property": name}) for name in wanted])
    return dict(zip(wanted, values, strict=True))


def _regions(vm: Qemu, paths: list[str]) -> dict[str, RegionObject]:
    names = ("size", "addr", "priority", "container")
    values = vm.qmp_all([("qom-get", {"path": path, "property": name}) for path in paths for name in names])
    result = {}
    for index, path in enumerate(paths):
        size, addr, priority, container = values[4 * index : 4 * index + 4]
        owner, _, child = path.rpartition("/")
        ordinal = _ORDINAL.match(child)
        name, number = (ordinal[1], int(ordinal[2])) if ordinal else (child, 0)
        result[path] = RegionObject(
            path,
            owner,
            _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name),
            number,
            1 << 64 if size == _U64 else size,
            addr,
            priority - (1 << 32) if priority >= 1 << 31 else priority,
            container,
        )
    return result


def _devices(vm: Qemu, paths: list[str]) -> tuple[PciObject, ...]:
    names = ("type", "parent_bus", "addr")
    values = vm.qmp_all([("qom-get", {"path": path, "property": name}) for path in paths for name in names])
    return tuple(PciObject(path, *values[3 * index : 3 * index + 3]) for index, path in enumerate(paths))


def _numbers(vm: Qemu, expanders: Sequence[str]) -> dict[int, str]:
    """Paths of the expander bridges by the number of the bus behind each."""
    numbers = vm.qmp_all([("qom-get", {"path": path, "property": "bus_nr"}) for path in expanders])
    return dict(zip(numbers, expanders, strict=True))


def _roots(
    vm: Qemu, devices: Sequence[PciObject], kinds: Mapping[str, str], expander_at: Mapping[int, str]
) -> dict[str, int]:
    """The number of every root bus: 0, or what its expander bridge was given."""
    paths = {device.path for device in devices}
    buses = sorted({device.bus for device in devices if device.bus.rpartition("/")[0] not in paths})
    by_id = {shown_owner(path): number for number, path in expander_at.items()}
    listed = {entry["bus"]: entry["devices"] for entry in vm.qmp("query-pci")} if by_id else {}
    result: dict[str, int] = {}
    for bus in buses:
        host, _, name = bus.rpartition("/")
        if kinds.get(host) not in _EXPANDERS:
            result[bus] = 0
        elif name in by_id:
            result[bus] = by_id[name]
        else:
            on_it = [device for device in devices if device.bus == bus]
            if name == _INNER_BUS and len(on_it) == 1:
                result[bus] = vm.qmp("qom-get", {"path": on_it[0].path, "property": "chassis_nr"})
            else:
                result[bus] = _matching(bus, [device.devfn for device in on_it], listed)
    return result


def _matching(bus: str, devfns: Sequence[int], listed: Mapping[int, Sequence[Mapping[str, Any]]]) -> int:
    """The number of the one root bus that has devices in these places, `listed` being all but their paths."""
    found = [
        number
        for number, entries in listed.items()
        if number and sorted(entry["slot"] << 3 | entry["function"] for entry in entries) == sorted(devfns)
    ]
    if len(found) != 1:
        raise CaptureError(f"{bus}: cannot tell the number of this PCI root bus: give its expander bridge an id")
    return found[0]


def addresses(
    devices: Sequence[PciObject], roots: Mapping[str, int], expanded: Mapping[str, str] = {}
) -> dict[str, str]:
    """The address of each device as section names have it, by path: slot.function after slot.function from its root.

    `roots`: the numbers of root buses; `expanded`: the expander bridge of those that have one: it is in the path too.
    """
    by_path = {device.path: device for device in devices}
    result: dict[str, str] = {}

    def steps(device: PciObject) -> str:
        own = f"{device.devfn >> 3:02x}.{device.devfn & 7:x}"
        above = by_path.get(device.bus.rpartition("/")[0]) or by_path.get(expanded.get(device.bus, ""))
        return own if above is None else f"{steps(above)}:{own}"

    def root(device: PciObject) -> int:
        above = by_path.get(device.bus.rpartition("/")[0])
        return roots.get(device.bus, 0) if above is None else root(above)

    for device in devices:
        result[device.path] = f"0000:{root(device):02x}:{steps(device)}"
    return result
