"""The registers of a standard hot-plug controller (SHPC 1.0, 4): what a bridge that has one saves of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vmformat.node import Node, Values

if TYPE_CHECKING:
    from vmformat._pci.header import Register

_REGISTERS: Final[tuple[Register, ...]] = (
    (0x00, 4, "base_offset"),
    (0x04, 4, "slots_available1"),
    (0x08, 4, "slots_available2"),
    (0x0C, 1, "slots"),
    (0x0D, 1, "first_device"),
    (0x0E, 2, "physical_slot"),
    (0x10, 2, "secondary_bus_configuration"),
    (0x12, 1, "msi_control"),
    (0x13, 1, "programming_interface"),
    (0x14, 2, "command"),
    (0x16, 2, "command_status"),
    (0x18, 4, "interrupt_locator"),
    (0x1C, 4, "serr_locator"),
    (0x20, 4, "controller_serr_int"),
)
_SLOT: Final[tuple[Register, ...]] = ((0, 2, "status"), (2, 1, "event_latch"), (3, 1, "event_mask"))
_SLOTS: Final = 0x24
_TYPES: Final = {1: "uint8", 2: "le16", 4: "le32"}


@dataclass(frozen=True, slots=True)
class Shpc:
    """The children of a "shpc" field: registers, then `slot0` and so on; what is no whole slot is `reserved`."""

    data: bytes

    def expand(self, offset: int) -> tuple[Node, ...]:
        """All of them."""
        size = len(self.data)
        found = [r for r in _REGISTERS if r[0] + r[1] <= size]
        at = found[-1][0] + found[-1][1] if found else 0
        if at == _SLOTS:
            slots = (size - _SLOTS) // 4
            found += [(_SLOTS + 4 * i + a, n, f"slot{i}.{name}") for i in range(slots) for a, n, name in _SLOT]
            at += 4 * slots
        if at < size:
            found.append((at, size - at, "reserved"))
        return tuple(self._node(offset, register) for register in found)

    def at(self, _offset: int, _index: int) -> Node | None:
        """Registers have names, not numbers."""
        return None

    def values(self) -> Values:
        """The bytes."""
        return self.data

    def _node(self, offset: int, register: Register) -> Node:
        at, size, name = register
        raw = self.data[at : at + size]
        if name == "reserved":
            return Node(name, "buffer", offset + at, size, raw)
        return Node(name, _TYPES[size], offset + at, size, int.from_bytes(raw, "little"))
