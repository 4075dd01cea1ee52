"""The machine description: what a destination looks like before a load, as `vmfuzz capture` learned it.

A description is JSON (docs/machine.md says how it reads). Here it becomes typed, frozen values; whatever is wrong
with it is a `DescriptionError` that names the place in the document. Nothing is built here: `model.machine` does
that.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from model.errors import DescriptionError
from vmformat import Schema, StreamError

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1


@dataclass(frozen=True, slots=True)
class RegionEntry:
    """A memory region: addresses and sizes in bytes, `container` and `target` ids of other regions."""

    id: str
    name: str
    kind: str
    size: int
    addr: int = 0
    priority: int = 0
    enabled: bool = True
    readonly: bool = False
    container: str | None = None
    target: str | None = None
    target_offset: int = 0
    block: str | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class SpaceEntry:
    """An address space and the region it is rooted at."""

    name: str
    root: str


@dataclass(frozen=True, slots=True)
class BarEntry:
    """A base address register: slot 0 to 5, or 6 for the expansion ROM; `space` is memory, memory64 or io."""

    slot: int
    space: str
    size: int
    region: str


@dataclass(frozen=True, slots=True)
class BridgeEntry:
    """The regions of a bridge: the two containers of its secondary bus and the aliases that show them upstream."""

    memory: str
    io: str
    windows: Mapping[str, str]
    vga: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VirtioEntry:
    """What a virtio device offers: features as a 64-bit mask, default ring sizes by queue index.

    `id` is that of a device without a PCI function. `num_queues` are those a request may belong to. `extra_state`: the
    transport's registers are saved. `ports` are the ids of serial ports, `ports_map` the bits of all that may be.
    `config` is what a driver reads of the device's config at reset, empty where that is not in memory.
    `local` has the destination's values, by path in the section, of fields that must equal it or are saved from it.
    """

    kind: str
    transport: Literal["pci", "mmio"]
    id: str
    host_features: int
    queues: tuple[int, ...]
    num_queues: int
    max_queue_pairs: int
    config_size: int
    config: bytes
    iommu_platform: bool
    has_vnet_hdr: bool
    has_ufo: bool
    modern: bool
    legacy: bool
    extra_state: bool
    max_ports: int
    ports: tuple[int, ...]
    ports_map: tuple[int, ...]
    local: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FunctionEntry:
    """A PCI function at reset: its config space, the masks of the load check, its BARs."""

    function: str
    id: str
    type: str
    parent: str | None
    express: bool
    config: bytes
    compare: bytes
    writable: bytes
    w1c: bytes
    bars: tuple[BarEntry, ...]
    bus_memory: str | None
    bus_io: str | None
    bridge: BridgeEntry | None
    bus_master_space: int | None
    bus_master_alias: str | None
    vectors: int
    virtio: VirtioEntry | None
    properties: Mapping[str, int] = field(default_factory=dict)
    """Settings of the device that change what it does when it loads, as QEMU names them."""


@dataclass(frozen=True, slots=True)
class SectionEntry:
    """A handler of the destination, in the order in which the program walks them."""

    name: str
    instance: int
    version: int
    schema: str | None
    iterable: bool
    compat: tuple[str, int] | None
    function: str | None
    local: Mapping[str, int]
    virtio: VirtioEntry | None


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """A migratable RAM block: its length in bytes, and the longest it may be resized to."""

    name: str
    length: int
    max_length: int
    readonly: bool


@dataclass(frozen=True, slots=True)
class Description:
    """A whole machine. `sha256` is that of the document's canonical JSON."""

    name: str
    qemu: str
    accelerator: str
    machine: str
    config_section: bool
    footers: bool
    vmdescription: bool
    below_4g: int
    above_4g: int
    blocks: tuple[BlockEntry, ...]
    regions: tuple[RegionEntry, ...]
    spaces: tuple[SpaceEntry, ...]
    functions: tuple[FunctionEntry, ...]
    sections: tuple[SectionEntry, ...]
    schemas: Mapping[str, Schema]
    rom: tuple[tuple[str, int, bytes], ...]
    sha256: str
    arguments: tuple[str, ...] = field(default=())


def parse(text: str | bytes) -> Description:
    """A description from its JSON text. Raises DescriptionError, whatever the text."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DescriptionError("the document", "JSON", str(error)) from None
    return from_json(document)


def from_json(document: object) -> Description:
    """A description from parsed JSON. Raises DescriptionError."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    top = _Place("", document)
    if top.number("format", 0) != FORMAT:
        raise DescriptionError("format", str(FORMAT), repr(top.get("format", None)))
    configuration = top.child("configuration")
    ram = top.child("ram")
    schemas = {}
    for key, value in top.child("schemas").mapping().items():
        try:
            schemas[key] = Schema.from_json(value)
        except (StreamError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise DescriptionError(f"schemas.{key}", "a schema", str(error)) from None
    return Description(
        name=top.text("name"),
        qemu=top.text("qemu", ""),
        accelerator=top.text("accelerator", "tcg"),
        machine=configuration.text("machine"),
        config_section=configuration.flag("section", default=True),
        footers=configuration.flag("footers", default=True),
        vmdescription=configuration.flag("vmdescription", default=True),
        below_4g=ram.number("below_4g"),
        above_4g=ram.number("above_4g", 0),
        blocks=tuple(_block(entry) for entry in ram.items("blocks")),
        regions=tuple(_region(entry) for entry in top.items("regions")),
        spaces=tuple(SpaceEntry(entry.text("name"), entry.text("root")) for entry in top.items("spaces")),
        functions=tuple(_function(entry) for entry in top.items("pci")),
        sections=tuple(_section(entry) for entry in top.items("sections")),
        schemas=schemas,
        rom=tuple(
            (entry.text("block"), entry.number("offset"), entry.hexadecimal("bytes")) for entry in top.items("rom")
        ),
        sha256=hashlib.sha256(canonical).hexdigest(),
        arguments=tuple(str(argument) for argument in top.sequence("arguments")),
    )


class _Place:
    """A JSON object and where it stands, with getters that say what is missing."""

    def __init__(self, where: str, value: object) -> None:
        if not isinstance(value, dict):
            raise DescriptionError(where or "the document", "an object", type(value).__name__)
        self.where = where
        self._value: dict[str, Any] = value

    def path(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def mapping(self) -> dict[str, Any]:
        return self._value

    def get(self, key: str, default: object = ...) -> Any:
        if key not in self._value:
            if default is ...:
                raise DescriptionError(self.path(key), "a value", "nothing")
            return default
        return self._value[key]

    def has(self, key: str) -> bool:
        return self._value.get(key) is not None

    def child(self, key: str) -> _Place:
        return _Place(self.path(key), self.get(key, {}))

    def sequence(self, key: str) -> list[Any]:
        value = self.get(key, [])
        if not isinstance(value, list):
            raise DescriptionError(self.path(key), "a list", type(value).__name__)
        return value

    def items(self, key: str) -> list[_Place]:
        return [_Place(f"{self.path(key)}[{index}]", entry) for index, entry in enumerate(self.sequence(key))]

    def text(self, key: str, default: object = ...) -> str:
        value = self.get(key, default)
        if not isinstance(value, str):
            raise DescriptionError(self.path(key), "a string", repr(value))
        return value

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if self.has(key) else None

    def number(self, key: str, default: object = ...) -> int:
        value = self.get(key, default)
        if isinstance(value, str):
            try:
                return int(value, 0)
            except ValueError:
                raise DescriptionError(self.path(key), "a number", repr(value)) from None
        if isinstance(value, bool) or not isinstance(value, int):
            raise DescriptionError(self.path(key), "a number", repr(value))
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise DescriptionError(self.path(key), "true or false", repr(value))
        return value

    def hexadecimal(self, key: str) -> bytes:
        try:
            return bytes.fromhex(self.text(key))
        except ValueError as error:
            raise DescriptionError(self.path(key), "bytes in hexadecimal", str(error)) from None


def _block(place: _Place) -> BlockEntry:
    length = place.number("length")
    return BlockEntry(
        place.text("name"), length, place.number("max_length", length), place.flag("readonly", default=False)
    )


_REGION_KINDS = frozenset({"container", "io", "ram", "rom", "romd", "ramd", "alias", "iommu"})


def _region(place: _Place) -> RegionEntry:
    kind = place.text("kind")
    if kind not in _REGION_KINDS:
        raise DescriptionError(place.path("kind"), "one of " + ", ".join(sorted(_REGION_KINDS)), repr(kind))
    return RegionEntry(
        id=place.text("id"),
        name=place.text("name"),
        kind=kind,
        size=place.number("size"),
        addr=place.number("addr", 0),
        priority=place.number("priority", 0),
        enabled=place.flag("enabled", default=True),
        readonly=place.flag("readonly", default=False),
        container=place.optional_text("container"),
        target=place.optional_text("target"),
        target_offset=place.number("target_offset", 0),
        block=place.optional_text("block"),
        owner=place.text("owner", ""),
    )


def _function(place: _Place) -> FunctionEntry:
    size = place.number("size")
    if size not in {256, 4096}:
        raise DescriptionError(place.path("size"), "256 or 4096", str(size))
    bridge = place.child("bridge") if place.has("bridge") else None
    master = place.child("bus_master") if place.has("bus_master") else None
    return FunctionEntry(
        function=place.text("function"),
        id=place.text("id", ""),
        type=place.text("type"),
        parent=place.optional_text("parent"),
        express=place.flag("express", default=False),
        config=_config(place, size),
        compare=_mask(place, "compare", size),
        writable=_mask(place, "writable", size),
        w1c=_mask(place, "w1c", size),
        bars=tuple(_bar(entry) for entry in place.items("bars")),
        bus_memory=place.optional_text("bus_memory"),
        bus_io=place.optional_text("bus_io"),
        bridge=None if bridge is None else _bridge(bridge),
        bus_master_space=None if master is None else master.number("space"),
        bus_master_alias=None if master is None else master.text("alias"),
        vectors=place.child("msix").number("vectors") if place.has("msix") else 0,
        virtio=_virtio(place.child("virtio")) if place.has("virtio") else None,
        properties={key: place.child("properties").number(key) for key in place.child("properties").mapping()},
    )


def _config(place: _Place, size: int) -> bytes:
    config = bytearray(size)
    for index, row in enumerate(place.sequence("config")):
        where = f"{place.path('config')}[{index}]"
        try:
            offset, _, digits = str(row).partition(":")
            start, data = int(offset, 16), bytes.fromhex(digits)
        except ValueError as error:
            raise DescriptionError(where, "a row 'offset: bytes'", str(error)) from None
        if start + len(data) > size:
            raise DescriptionError(where, f"bytes below {size:#x}", f"{start + len(data):#x}")
        config[start : start + len(data)] = data
    return bytes(config)


def _mask(place: _Place, key: str, size: int) -> bytes:
    mask = bytearray(size)
    for span, value in place.child(key).mapping().items():
        where = f"{place.path(key)}.{span}"
        try:
            first, _, last = span.partition("-")
            start, end, bits = int(first, 16), int(last or first, 16), int(value, 16)
        except (ValueError, TypeError) as error:
            raise DescriptionError(where, "'first-last': 'mask' in hexadecimal", str(error)) from None
        if not (0 <= start <= end < size and 0 <= bits <= 0xFF):
            raise DescriptionError(where, f"offsets below {size:#x} and a byte", f"{span}: {value}")
        mask[start : end + 1] = bytes([bits]) * (end + 1 - start)
    return bytes(mask)


def _bar(place: _Place) -> BarEntry:
    slot, space, size = place.number("slot"), place.text("space"), place.number("size")
    if not 0 <= slot <= 6:
        raise DescriptionError(place.path("slot"), "0 to 6", str(slot))
    if space not in {"memory", "memory64", "io"}:
        raise DescriptionError(place.path("space"), "memory, memory64 or io", repr(space))
    if size <= 0 or size & (size - 1):
        raise DescriptionError(place.path("size"), "a power of two", f"{size:#x}")
    return BarEntry(slot, space, size, place.text("region"))


def _bridge(place: _Place) -> BridgeEntry:
    windows, vga = place.child("windows"), place.child("vga")
    return BridgeEntry(
        memory=place.text("memory"),
        io=place.text("io"),
        windows={name: windows.text(name) for name in ("io", "mem", "pref")},
        vga={name: vga.text(name) for name in ("mem", "io_lo", "io_hi") if vga.has(name)},
    )


def _virtio(place: _Place) -> VirtioEntry:
    transport, local = place.text("transport", "pci"), place.child("local")
    if transport not in {"pci", "mmio"}:
        raise DescriptionError(place.path("transport"), "pci or mmio", repr(transport))
    pairs = place.number("max_queue_pairs", 1)
    return VirtioEntry(
        kind=place.text("kind"),
        transport="mmio" if transport == "mmio" else "pci",
        id=place.text("id", ""),
        host_features=place.number("host_features"),
        queues=_numbers(place, "queues", "a list of ring sizes"),
        num_queues=place.number("num_queues", 1),
        max_queue_pairs=pairs,
        config_size=place.number("config_size"),
        config=place.hexadecimal("config") if place.has("config") else b"",
        iommu_platform=place.flag("iommu_platform", default=False),
        has_vnet_hdr=place.flag("has_vnet_hdr", default=False),
        has_ufo=place.flag("has_ufo", default=False),
        modern=place.flag("modern", default=True),
        legacy=place.flag("legacy", default=False),
        extra_state=place.flag("extra_state", default=place.flag("modern", default=True)),
        max_ports=place.number("max_ports", 0),
        ports=_numbers(place, "ports", "a list of port ids"),
        ports_map=_numbers(place, "ports_map", "a list of words"),
        local={"virtio.device.max_queue_pairs": pairs} | {key: local.number(key) for key in local.mapping()},
    )


def _numbers(place: _Place, key: str, expected: str) -> tuple[int, ...]:
    values = place.sequence(key)
    if not all(isinstance(value, int) and not isinstance(value, bool) and value >= 0 for value in values):
        raise DescriptionError(place.path(key), expected, repr(values))
    return tuple(values)


def _section(place: _Place) -> SectionEntry:
    compat = place.sequence("compat")
    if compat and (len(compat) != 2 or not isinstance(compat[0], str) or not isinstance(compat[1], int)):
        raise DescriptionError(place.path("compat"), "a name and an instance", repr(compat))
    local = place.child("local")
    return SectionEntry(
        name=place.text("name"),
        instance=place.number("instance", 0),
        version=place.number("version", 0),
        schema=place.optional_text("schema"),
        iterable=place.flag("iterable", default=False),
        compat=(compat[0], compat[1]) if compat else None,
        function=place.optional_text("function"),
        local={key: local.number(key) for key in local.mapping()},
        virtio=_virtio(place.child("virtio")) if place.has("virtio") else None,
    )
