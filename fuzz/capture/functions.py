"""PCI functions: config space at reset from the stream, the rest from objects, the mapped process and the regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.capture.errors import CaptureError
from fuzz.capture.objects import properties
from fuzz.capture.regions import BRIDGE_VGA, BRIDGE_WINDOWS
from vmformat import pci
from vmformat.errors import StreamError
from vmformat.reading.guess import is_opaque
from vmformat.tree import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fuzz.capture.mapping import Bar, Mapped
    from fuzz.capture.objects import Objects, PciObject
    from fuzz.capture.regions import Region, Space
    from fuzz.qemu import Qemu
    from vmformat.section import Section
    from vmformat.stream import Stream

_SETTINGS: Final = {
    "mch": ("extended-tseg-mbytes",),
    "nec-usb-xhci": ("p2", "p3"),
    "qemu-xhci": ("p2", "p3"),
}
_STATE_VERSION = (2).to_bytes(4, "big")
_HEADER, _BUS_NUMBERS, _BRIDGE = 0x0E, slice(0x18, 0x1C), 1
_ROOT_MEMORY: Final = ("pci", "gpex_mmio")
_ROOT_IO: Final = ("io", "gpex_ioport")
"""Names of a root bus's containers, where no BAR and no bridge shows which they are."""


@dataclass(frozen=True, slots=True)
class BridgeFacts:
    """Regions of a bridge, by id."""

    memory: str
    io: str
    windows: Mapping[str, str]
    vga: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """A PCI function; regions by id. One without a section stays as it is at reset."""

    address: str
    device: PciObject
    section: Section | None
    """The one with its config space."""
    parent: str | None
    config: bytes
    config_offset: int
    """Where the config space begins in the section's payload."""
    bars: tuple[Bar, ...]
    bus_memory: str | None
    bus_io: str | None
    bridge: BridgeFacts | None
    space: int | None
    alias: str | None
    properties: Mapping[str, int]
    """Settings that change what the device does when it loads."""

    @property
    def express(self) -> bool:
        """Whether its config space has 4096 bytes."""
        return len(self.config) > 256

    @property
    def vectors(self) -> int:
        """Of MSI-X, 0 without."""
        return pci.msix_vectors(self.config)

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


def find_config(section: Section, name: str) -> tuple[int, int] | None:
    """The offset of the config space in a section's payload, and its length in bytes; None if it has none.

    The schema tells. Where it does not (virtio), the payload begins with the state's version, and the function has 4096
    bytes iff it has a PCI Express capability. Raises CaptureError where neither helps; `name` is for its text.
    """
    payload = section.payload
    if section.schema is not None:
        try:
            tree = decode(section.schema, payload, 0, section.version)
        except StreamError as error:
            raise CaptureError(f"section {section.name}: the schema does not fit: {error}") from None
        for _, node in tree.walk():
            if node.type == "pci config":
                return node.offset, node.end - node.offset
        if not is_opaque(section.schema):
            return None
    if payload[:4] != _STATE_VERSION:
        raise CaptureError(f"{name}: its section does not begin with PCI device state version 2")
    start = len(_STATE_VERSION)
    told = pci.told_config_size(payload, start)
    if told is None:
        raise CaptureError(f"{name}: cannot tell how long its config space is")
    return start, told


def learn_settings(vm: Qemu, objects: Objects) -> dict[str, dict[str, int]]:
    """By path of the device, those of its properties that change what it does when it loads."""
    return {
        device.path: {name: int(value) for name, value in properties(vm, device.path, _SETTINGS[device.type]).items()}
        for device in objects.devices
        if device.type in _SETTINGS
    }


def learn_functions(
    stream: Stream,
    objects: Objects,
    mapped: Mapped,
    regions: Sequence[Region],
    spaces: Sequence[Space],
    settings: Mapping[str, Mapping[str, int]] = {},
) -> tuple[FunctionFacts, ...]:
    """All functions of the machine, in order of their addresses. `settings`: by path of the device."""
    ids = {region.path: region.id for region in regions}
    sections: dict[str, list[Section]] = {}
    for item in stream.sections:
        sections.setdefault(item.name.rpartition("/")[0], []).append(item)
    space_of = {space.root: index for index, space in enumerate(spaces)}
    by_path = {device.path: device for device in objects.devices}
    by_owner: dict[str, dict[tuple[str, str], Region]] = {device.path: {} for device in objects.devices}
    for region in regions:
        own = by_owner.get(region.path.rpartition("/")[0])
        if own is not None:
            own.setdefault((region.name, region.kind), region)
    root = _root(objects, mapped, regions)
    result = []
    for device in objects.devices:
        address = objects.functions[device.path]
        own = by_owner[device.path]
        bridge = by_path.get(device.bus.rpartition("/")[0])
        section, offset, size = _section(sections.get(address, []), f"{device.id} ({device.type})")
        config = _at_reset(mapped.config[device.path])
        if section is not None:
            config = section.payload[offset : offset + size]
        container = own.get(("bus master container", "container"))
        alias = own.get(("bus master", "alias"))
        memory, io = root
        if bridge is not None:
            behind = by_owner[bridge.path]
            memory, io = (_container(behind, bridge, name).path for name in ("pci_bridge_pci", "pci_bridge_io"))
        result.append(
            FunctionFacts(
                address,
                device,
                section,
                None if bridge is None else objects.functions[bridge.path],
                config,
                offset,
                mapped.bars[device.path],
                None if memory is None else ids[memory],
                None if io is None else ids[io],
                _bridge(device, own) if ("pci_bridge_pci", "container") in own else None,
                None if container is None else space_of.get(container.path),
                None if alias is None else alias.id,
                settings.get(device.path, {}),
            )
        )
    return tuple(sorted(result, key=lambda facts: facts.address))


def _section(sections: Sequence[Section], name: str) -> tuple[Section | None, int, int]:
    """The one of a function's sections (it may have several) with its config space, and where that is.

    There are devices whose section leaves it out: it stays as it is at reset then, as without a section.
    """
    for section in sections:
        found = find_config(section, name)
        if found is not None:
            return section, *found
    return None, 0, 0


def _at_reset(config: bytes) -> bytes:
    """A config space as it was before the buses were numbered."""
    if config[_HEADER] & 0x7F != _BRIDGE:
        return config
    fixed = bytearray(config)
    fixed[_BUS_NUMBERS] = bytes(3) + config[0x1B:0x1C]
    return bytes(fixed)


def _root(objects: Objects, mapped: Mapped, regions: Sequence[Region]) -> tuple[str | None, str | None]:
    """The paths of the containers of memory and ports that BARs on root buses are in: all of them share one pair."""
    memory, io = set[str](), set[str]()
    on_root = {device.path for device in objects.devices if device.bus in objects.roots}
    for path in on_root:
        for bar in mapped.bars[path]:
            (io if bar.space == "io" else memory).add(bar.container)
    for region in regions:
        if region.path.rpartition("/")[0] in on_root and region.container and region.kind == "alias":
            if region.name in {BRIDGE_WINDOWS["mem"], BRIDGE_WINDOWS["pref"]}:
                memory.add(region.container)
            elif region.name == BRIDGE_WINDOWS["io"]:
                io.add(region.container)
    return _only(memory, _ROOT_MEMORY, regions), _only(io, _ROOT_IO, regions)


def _only(found: set[str], names: Iterable[str], regions: Sequence[Region]) -> str | None:
    if len(found) > 1:
        raise CaptureError(f"BARs of root buses are in more than one container: {', '.join(sorted(found))}")
    if found:
        return found.pop()
    return next((region.path for name in names for region in regions if region.name == name), None)


def _container(own: Mapping[tuple[str, str], Region], bridge: PciObject, name: str) -> Region:
    found = own.get((name, "container"))
    if found is None:
        raise CaptureError(f"{bridge.id}: no region {name}")
    return found


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
