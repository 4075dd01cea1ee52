"""Names inside PCI config space and MSI-X state: what QEMU's own description calls one opaque field.

Everything in config space is little-endian. Registers are those of the PCI Local Bus and PCI Express specifications;
where a capability stands is read from the bytes themselves, so a damaged chain gives fewer names, never a fault. Bytes
that have no name are `bytes_0x40` pieces, so that the children cover the config space from end to end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from vmformat.node import Node, Values
from vmformat.schema import Field, Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG_SIZE: Final = 256
"""Bytes of config space of a conventional function."""
EXPRESS_CONFIG_SIZE: Final = 4096
"""Bytes of config space of a PCI Express function."""
COMMAND: Final = 0x04
"""Offset of the command word: bit 0 I/O, bit 1 memory, bit 2 bus master."""
HEADER_TYPE: Final = 0x0E
CAPABILITY_POINTER: Final = 0x34
EXTENDED: Final = 0x100
"""Where extended capabilities begin."""

Register: TypeAlias = tuple[int, int, str]
"""Offset, bytes (1, 2, 4 or 8 for an integer, else raw) and name."""

_COMMON: Final[tuple[Register, ...]] = (
    (0x00, 2, "vendor_id"),
    (0x02, 2, "device_id"),
    (0x04, 2, "command"),
    (0x06, 2, "status"),
    (0x08, 1, "revision"),
    (0x09, 1, "prog_if"),
    (0x0A, 2, "class"),
    (0x0C, 1, "cache_line_size"),
    (0x0D, 1, "latency_timer"),
    (0x0E, 1, "header_type"),
    (0x0F, 1, "bist"),
    (0x34, 1, "capability_pointer"),
    (0x3C, 1, "interrupt_line"),
    (0x3D, 1, "interrupt_pin"),
)
DEVICE_REGISTERS: Final[tuple[Register, ...]] = (
    *_COMMON,
    *((0x10 + 4 * i, 4, f"bar{i}") for i in range(6)),
    (0x28, 4, "cardbus_cis"),
    (0x2C, 2, "subsystem_vendor_id"),
    (0x2E, 2, "subsystem_id"),
    (0x30, 4, "rom_bar"),
    (0x3E, 1, "min_gnt"),
    (0x3F, 1, "max_lat"),
)
"""Header type 0."""
BRIDGE_REGISTERS: Final[tuple[Register, ...]] = (
    *_COMMON,
    (0x10, 4, "bar0"),
    (0x14, 4, "bar1"),
    (0x18, 1, "primary_bus"),
    (0x19, 1, "secondary_bus"),
    (0x1A, 1, "subordinate_bus"),
    (0x1B, 1, "secondary_latency_timer"),
    (0x1C, 1, "io_base"),
    (0x1D, 1, "io_limit"),
    (0x1E, 2, "secondary_status"),
    (0x20, 2, "memory_base"),
    (0x22, 2, "memory_limit"),
    (0x24, 2, "pref_base"),
    (0x26, 2, "pref_limit"),
    (0x28, 4, "pref_base_upper"),
    (0x2C, 4, "pref_limit_upper"),
    (0x30, 2, "io_base_upper"),
    (0x32, 2, "io_limit_upper"),
    (0x38, 4, "rom_bar"),
    (0x3E, 2, "bridge_control"),
)
"""Header type 1."""

_HEAD: Final[tuple[Register, ...]] = ((0, 1, "id"), (1, 1, "next"))

CAPABILITIES: Final[dict[int, tuple[str, tuple[Register, ...]]]] = {
    0x01: ("pm", (*_HEAD, (2, 2, "capabilities"), (4, 2, "control"), (6, 1, "bridge"), (7, 1, "data"))),
    0x05: ("msi", (*_HEAD, (2, 2, "control"), (4, 4, "address_lo"), (8, 4, "address_hi"), (12, 2, "data"))),
    0x0D: ("ssvid", (*_HEAD, (2, 2, "reserved"), (4, 2, "subsystem_vendor_id"), (6, 2, "subsystem_id"))),
    0x10: (
        "pcie",
        (
            *_HEAD,
            (0x02, 2, "capabilities"),
            (0x04, 4, "device_capabilities"),
            (0x08, 2, "device_control"),
            (0x0A, 2, "device_status"),
            (0x0C, 4, "link_capabilities"),
            (0x10, 2, "link_control"),
            (0x12, 2, "link_status"),
            (0x14, 4, "slot_capabilities"),
            (0x18, 2, "slot_control"),
            (0x1A, 2, "slot_status"),
            (0x1C, 2, "root_control"),
            (0x1E, 2, "root_capabilities"),
            (0x20, 4, "root_status"),
            (0x24, 4, "device_capabilities2"),
            (0x28, 2, "device_control2"),
            (0x2A, 2, "device_status2"),
            (0x2C, 4, "link_capabilities2"),
            (0x30, 2, "link_control2"),
            (0x32, 2, "link_status2"),
            (0x34, 4, "slot_capabilities2"),
            (0x38, 2, "slot_control2"),
            (0x3A, 2, "slot_status2"),
        ),
    ),
    0x11: ("msix", (*_HEAD, (2, 2, "control"), (4, 4, "table"), (8, 4, "pba"))),
    0x12: ("sata", (*_HEAD, (2, 2, "revision"), (4, 4, "bar"))),
}
"""Capabilities by id: a short name and the registers, offsets within the capability."""

VIRTIO_CAPABILITIES: Final = {1: "common", 2: "notify", 3: "isr", 4: "device", 5: "config_window"}
"""Virtio's vendor capabilities by their type byte."""

_VIRTIO: Final[tuple[Register, ...]] = (
    *_HEAD,
    (2, 1, "length"),
    (3, 1, "type"),
    (4, 1, "bar"),
    (5, 3, "padding"),
    (8, 4, "offset"),
    (12, 4, "size"),
)

EXTENDED_CAPABILITIES: Final[dict[int, tuple[str, tuple[Register, ...]]]] = {
    0x01: (
        "aer",
        (
            (0, 4, "header"),
            (4, 4, "uncorrectable_status"),
            (8, 4, "uncorrectable_mask"),
            (12, 4, "uncorrectable_severity"),
            (16, 4, "correctable_status"),
            (20, 4, "correctable_mask"),
            (24, 4, "control"),
            (28, 16, "header_log"),
            (44, 4, "root_command"),
            (48, 4, "root_status"),
            (52, 4, "error_source"),
        ),
    ),
    0x0D: ("acs", ((0, 4, "header"), (4, 2, "capabilities"), (6, 2, "control"))),
}
"""Extended capabilities by id."""


@dataclass(frozen=True, slots=True)
class Capability:
    """A capability found in a config space: where, its id, a name unique in this config space."""

    offset: int
    id: int
    name: str
    registers: tuple[Register, ...]


def capabilities(config: bytes) -> tuple[Capability, ...]:
    """The capabilities of both chains, in chain order. A chain ends at the first pointer that leads nowhere new."""
    found: list[Capability] = []
    names: set[str] = set()

    def add(offset: int, number: int, name: str, registers: tuple[Register, ...]) -> None:
        unique = name if name not in names else f"{name}_{offset:#x}"
        names.add(unique)
        found.append(Capability(offset, number, unique, registers))

    seen: set[int] = set()
    at = config[CAPABILITY_POINTER] & ~3 if len(config) > CAPABILITY_POINTER else 0
    while 0x40 <= at < CONFIG_SIZE - 4 and at + 4 <= len(config) and at not in seen:
        seen.add(at)
        number = config[at]
        name, registers = CAPABILITIES.get(number, (f"cap_{number:#04x}", _HEAD))
        if number == 0x09:
            name, registers = _vendor(config, at)
        add(at, number, name, registers)
        at = config[at + 1] & ~3
    at = EXTENDED
    while at >= EXTENDED and at + 4 <= len(config) and at not in seen:
        seen.add(at)
        header = int.from_bytes(config[at : at + 4], "little")
        if header in {0, 0xFFFF_FFFF}:
            break
        number = header & 0xFFFF
        add(at, number, *EXTENDED_CAPABILITIES.get(number, (f"ecap_{number:#06x}", ((0, 4, "header"),))))
        at = header >> 20 & ~3
    return tuple(found)


def _vendor(config: bytes, at: int) -> tuple[str, tuple[Register, ...]]:
    """A vendor capability; virtio's if the vendor id says so."""
    if config[0:2] != b"\xf4\x1a":
        return "vendor", (*_HEAD, (2, 1, "length"))
    kind = VIRTIO_CAPABILITIES.get(config[at + 3], f"type{config[at + 3]}")
    extra: tuple[Register, ...] = ()
    if kind == "notify":
        extra = ((16, 4, "multiplier"),)
    elif kind == "config_window":
        extra = ((16, 4, "data"),)
    return f"virtio_{kind}", _VIRTIO + extra


def find_capability(config: bytes, number: int) -> int | None:
    """The offset of the first capability of that id in the conventional chain."""
    return next((c.offset for c in capabilities(config[:CONFIG_SIZE]) if c.id == number), None)


def msix_vectors(config: bytes) -> int:
    """The vectors that the MSI-X capability tells (1..2048), 0 if there is none."""
    at = find_capability(config, 0x11)
    return 0 if at is None else (int.from_bytes(config[at + 2 : at + 4], "little") & 0x7FF) + 1


@lru_cache(maxsize=512)
def registers(config: bytes) -> tuple[Register, ...]:
    """Every byte of a config space under a name: header registers, capabilities, and what is left."""
    bridge = len(config) > HEADER_TYPE and config[HEADER_TYPE] & 0x7F == 1
    named = list(BRIDGE_REGISTERS if bridge else DEVICE_REGISTERS)
    for cap in capabilities(config):
        named += [(cap.offset + at, size, f"{cap.name}.{name}") for at, size, name in cap.registers]
    result: list[Register] = []
    at = 0
    for offset, size, name in sorted(named):
        if offset < at or offset + size > len(config):
            continue  # a damaged chain: one capability inside another
        result += _rest(at, offset)
        result.append((offset, size, name))
        at = offset + size
    result += _rest(at, len(config))
    return tuple(result)


def _rest(start: int, end: int) -> Iterator[Register]:
    """Nameless bytes, cut at the border of the extended config space."""
    for a, b in ((start, min(end, EXTENDED)), (max(start, EXTENDED), end)):
        if a < b:
            yield a, b - a, f"bytes_{a:#x}"


def config_node(config: bytes, offset: int = 0) -> tuple[Node, ...]:
    """The registers of a config space as nodes, from end to end; `offset` is where it stands."""
    return tuple(_register(config, offset, register) for register in registers(config))


def _register(config: bytes, offset: int, register: Register) -> Node:
    at, size, name = register
    raw = config[at : at + size]
    if name[:6] != "bytes_" and size in _INTEGERS:
        return Node(name, _INTEGERS[size], offset + at, size, int.from_bytes(raw, "little"))
    return Node(name, "buffer", offset + at, size, raw)


_INTEGERS: Final = {1: "uint8", 2: "le16", 4: "le32", 8: "le64"}

_VECTOR: Final[tuple[Register, ...]] = (
    (0, 4, "address_lo"),
    (4, 4, "address_hi"),
    (8, 4, "data"),
    (12, 4, "control"),
)


@dataclass(frozen=True, slots=True)
class Config:
    """The children of a "pci config" field."""

    data: bytes

    def expand(self, offset: int) -> tuple[Node, ...]:
        """The registers."""
        return config_node(self.data, offset)

    def at(self, _offset: int, _index: int) -> Node | None:
        """Registers have names, not numbers."""
        return None

    def values(self) -> Values:
        """The bytes."""
        return self.data


@dataclass(frozen=True, slots=True)
class Msix:
    """The children of an "msix state" field: the vectors, then the pending bits."""

    data: bytes

    @property
    def vectors(self) -> int:
        """n such that 16 n + ceil(n / 8) bytes are there."""
        return len(self.data) * 8 // 129

    def expand(self, offset: int) -> tuple[Node, ...]:
        """Vectors `[i]` and `pending`."""
        vectors = [self._vector(offset, i) for i in range(self.vectors)]
        at = 16 * self.vectors
        return (*vectors, Node("pending", "buffer", offset + at, len(self.data) - at, self.data[at:]))

    def at(self, offset: int, index: int) -> Node | None:
        """Vector `index`."""
        return self._vector(offset, index) if 0 <= index < self.vectors else None

    def values(self) -> Values:
        """The bytes."""
        return self.data

    def _vector(self, offset: int, index: int) -> Node:
        data, at = self.data[16 * index : 16 * index + 16], offset + 16 * index
        return Node(f"[{index}]", "element", at, 16, None, tuple(_register(data, at, r) for r in _VECTOR))


def told_config_size(payload: bytes, offset: int = 4) -> int | None:
    """How long the config space is that begins at an offset of a PCI section's payload; None if that cannot be told.

    4096 bytes iff it has a PCI Express capability; what follows it must be there, interrupt levels of 16 bytes.
    """
    express = find_capability(payload[offset : offset + CONFIG_SIZE], 0x10) is not None
    size = EXPRESS_CONFIG_SIZE if express else CONFIG_SIZE
    return size if len(payload) >= offset + size + 16 else None


@lru_cache(maxsize=2)
def pci_device_schema(*, express: bool) -> Schema:
    """The vmsd `PCIDevice` of a conventional or Express function: version, config space, interrupt levels."""
    name, size = ("config[1]", EXPRESS_CONFIG_SIZE) if express else ("config[0]", CONFIG_SIZE)
    return Schema(
        "PCIDevice",
        2,
        1,
        (Field("version_id", "int32 le"), Field(name, "pci config", size), Field("irq_state", "pci irq state", 16)),
    )
