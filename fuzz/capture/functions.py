"""PCI functions: config space at reset from the stream, the rest from objects, the mapped process and the regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fuzz.capture.errors import CaptureError
from fuzz.capture.regions import BRIDGE_VGA, BRIDGE_WINDOWS
from vmformat import pci

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fuzz.capture.mapping import Bar, Mapped
    from fuzz.capture.objects import Objects, PciObject
    from fuzz.capture.regions import Region, Space
    from vmformat.section import Section
    from vmformat.stream import Stream

_STATE_VERSION = (2).to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class BridgeFacts:
    """Regions of a bridge, by id."""

    memory: str
    io: str
    windows: Mapping[str, str]
    vga: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """A PCI function; regions by id."""

    address: str
    device: PciObject
    section: Section | None
    parent: str | None
    config: bytes
    bars: tuple[Bar, ...]
    bus_memory: str
    bus_io: str
    bridge: BridgeFacts | None
    space: int | None
    alias: str | None

    @property
    def express(self) -> bool:
        """Whether its config space has 4096 bytes."""
        return len(self.config) > 256

    @property
    def vectors(self) -> int:
        """Of MSI-X, 0 without."""
        return pci.msix_vectors(self.config)

    @property
    def config_offset(self) -> int:
        """Where the config space begins in the section's payload."""
        assert self.section is not None
        return find_config(self.section.payload)

    @property
    def kind(self) -> tuple[object, ...]:
        """What decides which config bytes are compared: type, header, capabilities, BARs. Not the values."""
        layout = tuple(
            (offset, number, self.config[offset + 3] if number == 9 and offset < 256 else 0)
            for offset, number in capability_layout(self.config)
        )
        bars = tuple((bar.slot, bar.space, bar.size) for bar in self.bars)
        return self.device.type, len(self.config), self.config[0x0E] & 0x7F, layout, bars, self.vectors


def capability_layout(config: bytes) -> list[tuple[int, int]]:
    """(offset, number) of every capability, extended ones with their 16-bit numbers."""
    found = []
    at, seen = config[0x34] & 0xFC if config[0x06] & 0x10 else 0, set[int]()
    while at and at not in seen:
        seen.add(at)
        found.append((at, config[at]))
        at = config[at + 1] & 0xFC
    at = 0x100 if len(config) > 256 else 0
    while at and at not in seen:
        header = int.from_bytes(config[at : at + 4], "little")
        if not header:
            break
        seen.add(at)
        found.append((at, header & 0xFFFF))
        at = header >> 20 & 0xFFC
    return found


def find_config(payload: bytes) -> int:
    """The offset of the config space in a PCI section's payload: all of them begin with the state's version, 2."""
    if payload[:4] != _STATE_VERSION:
        raise CaptureError("a PCI section does not begin with PCI device state version 2")
    return 4


def learn_functions(
    stream: Stream, objects: Objects, mapped: Mapped, regions: Sequence[Region], spaces: Sequence[Space]
) -> tuple[FunctionFacts, ...]:
    """All functions of the machine, in order of their addresses."""
    ids = {region.path: region.id for region in regions}
    sections = {section.name.rpartition("/")[0]: section for section in stream.sections}
    roots = {space.root: index for index, space in enumerate(spaces)}
    by_bus = {device.path: device for device in objects.devices}
    root_memory, root_io = _root(regions, "pci"), _root(regions, "io")
    result = []
    for device in objects.devices:
        address = objects.functions[device.path]
        own: dict[tuple[str, str], Region] = {}
        for region in regions:
            if region.path.rpartition("/")[0] == device.path:
                own.setdefault((region.name, region.kind), region)
        bridge = by_bus.get(device.bus.rpartition("/")[0])
        behind = _bridge(device, own) if ("pci_bridge_pci", "container") in own else None
        section = sections.get(address)
        if section is None:
            raise CaptureError(f"{device.id} ({device.type}) at {address}: the stream has no section of it")
        container = own.get(("bus master container", "container"))
        alias = own.get(("bus master", "alias"))
        memory, io = root_memory, root_io
        if bridge is not None:
            memory, io = ids[f"{bridge.path}/pci_bridge_pci[0]"], _container_id(regions, bridge, "pci_bridge_io")
        result.append(
            FunctionFacts(
                address,
                device,
                section,
                None if bridge is None else objects.functions[bridge.path],
                _config(section, device),
                mapped.bars[device.path],
                memory,
                io,
                behind,
                None if container is None else roots.get(container.path),
                None if alias is None else alias.id,
            )
        )
    return tuple(sorted(result, key=lambda facts: facts.address))


def _root(regions: Sequence[Region], name: str) -> str:
    for region in regions:
        if region.name == name and region.path.startswith("/machine/unattached/"):
            return region.id
    raise CaptureError(f"no region {name} of the PCI root bus: this machine type is not supported (pc and q35 are)")


def _container_id(regions: Sequence[Region], bridge: PciObject, name: str) -> str:
    for region in regions:
        if region.name == name and region.kind != "alias" and region.path.rpartition("/")[0] == bridge.path:
            return region.id
    raise CaptureError(f"{bridge.id}: no region {name}")


def _bridge(device: PciObject, own: Mapping[tuple[str, str], Region]) -> BridgeFacts:
    try:
        return BridgeFacts(
            own["pci_bridge_pci", "container"].id,
            own["pci_bridge_io", "container"].id,
            {window: own[name, "alias"].id for window, name in BRIDGE_WINDOWS.items()},
            {window: own[name, "alias"].id for window, name in BRIDGE_VGA.items()},
        )
    except KeyError as error:
        raise CaptureError(f"{device.id}: no region {error.args[0][0]} of kind {error.args[0][1]}") from None


def _config(section: Section, device: PciObject) -> bytes:
    """Its config space: 4096 bytes iff it has a PCI Express capability and is behind a port, or is one."""
    payload = section.payload
    start = find_config(payload)
    for size in (4096, 256):
        config = payload[start : start + size]
        interrupts = payload[start + size : start + size + 16]
        express = any(number == 0x10 for offset, number in capability_layout(config[:256]))
        if len(interrupts) == 16 and express == (size == 4096):
            return config
    raise CaptureError(f"{device.id}: cannot tell how long its config space is")
