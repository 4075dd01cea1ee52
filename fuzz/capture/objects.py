"""QEMU's object tree: every memory region and every PCI device that exists, mapped or not.

Regions are children of their owners, named after the region with an ordinal:
`/machine/peripheral/blk0/msix-table[0]`. The object model tells address, size, priority and container; what kind a
region is stands in `info mtree` (`regions`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fuzz.qemu import Qemu

_CHILD = re.compile(r"^child<(.*)>$")
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")
_ORDINAL = re.compile(r"^(.*)\[(\d+)\]$", re.DOTALL)
_U64 = (1 << 64) - 1


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


def shown_owner(path: str) -> str:
    """A QOM path as descriptions show it: the id for what -device made, the path for everything else."""
    return path.removeprefix("/machine/peripheral/")


def walk(vm: Qemu) -> Objects:
    """Look at every object of a running QEMU."""
    found: list[tuple[str, str]] = []
    level = ["/machine", "/objects"]
    candidates: list[str] = []
    while level:
        listings = vm.qmp_all([("qom-list", {"path": path}) for path in level])
        following: list[str] = []
        for path, listing in zip(level, listings, strict=True):
            names = {entry["name"] for entry in listing}
            if {"addr", "romfile", "parent_bus"} <= names:
                candidates.append(path)
            for entry in listing:
                kind = _CHILD.match(entry["type"])
                if kind is None or kind[1] == "irq":
                    continue
                child = f"{path}/{entry['name']}"
                found.append((child, kind[1]))
                if kind[1] != "memory-region":
                    following.append(child)
        level = following
    paths = sorted(path for path, kind in found if kind == "memory-region")
    devices = _devices(vm, sorted(candidates))
    return Objects(_regions(vm, paths), devices, _functions(devices))


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


def _functions(devices: tuple[PciObject, ...]) -> dict[str, str]:
    by_path = {device.path: device for device in devices}
    result: dict[str, str] = {}

    def name(device: PciObject) -> str:
        if device.path not in result:
            own = f"{device.devfn >> 3:02x}.{device.devfn & 7:x}"
            bridge = by_path.get(device.bus.rpartition("/")[0])
            result[device.path] = f"0000:00:{own}" if bridge is None else f"{name(bridge)}:{own}"
        return result[device.path]

    for device in devices:
        name(device)
    return result
