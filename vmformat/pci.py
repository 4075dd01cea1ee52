"""Names inside PCI config space and MSI-X state: what QEMU's own description calls one opaque field.

Everything in config space is little-endian. Registers are those of the PCI Local Bus and PCI Express specifications
(`_pci.header`, `_pci.capabilities`, `_pci.extended`) and of the chips' data sheets (`_pci.chips`). Where a capability
stands, and what it holds, is read from the bytes themselves, so a damaged chain gives fewer names, never a fault.

What no register covers is `reserved_0x40` where it is zero, as what the specifications reserve is, and `bytes_0x40`
where it is not: that much stays without a name. So the children cover the config space from end to end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vmformat._pci.capabilities import CAPABILITIES, HEAD, VIRTIO_CAPABILITIES, vendor
from vmformat._pci.chips import CHIPS, CLASSES
from vmformat._pci.extended import BY_LANES, EXTENDED_CAPABILITIES, EXTENDED_HEAD
from vmformat._pci.header import BRIDGE_REGISTERS, DEVICE_REGISTERS, Register
from vmformat._pci.shpc import Shpc
from vmformat.node import Node, Values
from vmformat.of_input import kept
from vmformat.schema import Field, Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vmformat.node import Inner

__all__ = [
    "BRIDGE_REGISTERS",
    "CAPABILITIES",
    "COMMAND",
    "CONFIG_SIZE",
    "DEVICE_REGISTERS",
    "EXPRESS_CONFIG_SIZE",
    "EXTENDED_CAPABILITIES",
    "INSIDES",
    "VIRTIO_CAPABILITIES",
    "Capability",
    "Config",
    "Msix",
    "Register",
    "Shpc",
    "capabilities",
    "config_node",
    "find_capability",
    "msix_vectors",
    "pci_device_schema",
    "registers",
    "told_config_size",
]

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

_VENDOR: Final = 0x09


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
        data = config[at:CONFIG_SIZE]
        if number == _VENDOR:
            add(at, number, *vendor(data, config[0:2]))
        elif number in CAPABILITIES:
            name, layout = CAPABILITIES[number]
            add(at, number, name, layout(data))
        else:
            add(at, number, f"cap_{number:#04x}", HEAD)
        at = config[at + 1] & ~3
    at = EXTENDED
    while at >= EXTENDED and at + 4 <= len(config) and at not in seen:
        seen.add(at)
        header = int.from_bytes(config[at : at + 4], "little")
        if header in {0, 0xFFFF_FFFF}:
            break
        add(at, header & 0xFFFF, *_extended(config, at, header & 0xFFFF))
        at = header >> 20 & ~3
    return tuple(found)


def _extended(config: bytes, at: int, number: int) -> tuple[str, tuple[Register, ...]]:
    """The name and the registers of an extended capability."""
    data = config[at : at + _MOST]
    if number in BY_LANES:
        name, by_lanes = BY_LANES[number]
        return name, by_lanes(data, _link_width(config))
    if number in EXTENDED_CAPABILITIES:
        name, layout = EXTENDED_CAPABILITIES[number]
        return name, layout(data)
    return f"ecap_{number:#06x}", EXTENDED_HEAD


_MOST: Final = 64
"""Bytes of an extended capability that tell its layout."""


def _link_width(config: bytes) -> int:
    """The most lanes of the link, 1..32."""
    at = find_capability(config, 0x10)
    width = 1 if at is None else int.from_bytes(config[at + 0xC : at + 0x10], "little") >> 4 & 0x3F
    return min(max(width, 1), 32)


def find_capability(config: bytes, number: int) -> int | None:
    """The offset of the first capability of that id in the conventional chain."""
    return next((c.offset for c in capabilities(config[:CONFIG_SIZE]) if c.id == number), None)


def msix_vectors(config: bytes) -> int:
    """The vectors that the MSI-X capability tells (1..2048), 0 if there is none."""
    at = find_capability(config, 0x11)
    return 0 if at is None else (int.from_bytes(config[at + 2 : at + 4], "little") & 0x7FF) + 1


@kept(512)
def registers(config: bytes) -> tuple[Register, ...]:
    """Every byte of a config space under a name: header registers, capabilities, the chip's own, what is left."""
    bridge = len(config) > HEADER_TYPE and config[HEADER_TYPE] & 0x7F == 1
    found = tuple((cap.offset, cap.name, cap.registers) for cap in capabilities(config))
    named, gaps = _laid_out(bridge, found, _own(config), len(config))
    left = [(a, b - a, f"reserved_{a:#x}") for a, b in gaps if not config[a:b].strip(b"\0")]
    if len(left) < len(gaps):
        left = [piece for a, b in gaps for piece in _runs(config, a, b)]
    return tuple(sorted((*named, *left)))


@kept(256)
def _laid_out(
    bridge: bool,
    capabilities: tuple[tuple[int, str, tuple[Register, ...]], ...],
    own: tuple[Register, ...],
    end: int,
) -> tuple[tuple[Register, ...], tuple[tuple[int, int], ...]]:
    """The registers with a name, and the stretches between them, cut at the border of the extended config space.

    Many functions of a machine are laid out alike.
    """
    named = list(BRIDGE_REGISTERS if bridge else DEVICE_REGISTERS)
    for offset, name, held in capabilities:
        named += [(offset + at, size, f"{name}.{register}") for at, size, register in held]
    named = _apart(named, end)
    taken = {byte for offset, size, _ in named for byte in range(offset, offset + size)}
    named += [register for register in own if taken.isdisjoint(range(register[0], register[0] + register[1]))]
    gaps: list[tuple[int, int]] = []
    at = 0
    for offset, size, _ in (*sorted(named), (end, 0, "")):
        for a, b in ((at, min(offset, EXTENDED)), (max(at, EXTENDED), offset)):
            if a < b:
                gaps.append((a, b))
        at = offset + size
    return tuple(named), tuple(gaps)


def _apart(named: list[Register], end: int) -> list[Register]:
    """In order, without those that overlap one before: in a damaged chain a capability may lie inside another."""
    result: list[Register] = []
    at = 0
    for offset, size, name in sorted(named):
        if offset >= at and offset + size <= end:
            result.append((offset, size, name))
            at = offset + size
    return result


def _own(config: bytes) -> tuple[Register, ...]:
    """The chip's own registers, as far as the config space reaches."""
    if len(config) < CONFIG_SIZE:
        return ()
    ids = int.from_bytes(config[0:2], "little"), int.from_bytes(config[2:4], "little")
    kind = int.from_bytes(config[10:12], "little"), config[9]
    return CHIPS.get(ids) or CLASSES.get(kind) or ()


def _runs(config: bytes, start: int, end: int) -> Iterator[Register]:
    """A stretch without registers: words of zeros together, others likewise."""
    begin, zero = start, not any(config[start : min((start & ~3) + 4, end)])
    for at in range((start & ~3) + 4, end, 4):
        empty = not any(config[at : min(at + 4, end)])
        if empty != zero:
            yield begin, at - begin, f"{'reserved' if zero else 'bytes'}_{begin:#x}"
            begin, zero = at, empty
    yield begin, end - begin, f"{'reserved' if zero else 'bytes'}_{begin:#x}"


def config_node(config: bytes, offset: int = 0) -> tuple[Node, ...]:
    """The registers of a config space as nodes, from end to end; `offset` is where it stands."""
    return tuple(_register(config, offset, register) for register in registers(config))


def _register(config: bytes, offset: int, register: Register) -> Node:
    at, size, name = register
    raw = config[at : at + size]
    if size in _INTEGERS and not name.startswith(("bytes_", "reserved_")):
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


INSIDES: Final[Mapping[str, Callable[[bytes], Inner]]] = {"pci config": Config, "msix state": Msix, "shpc": Shpc}
"""Wire types of bytes that have children, and what makes these."""
