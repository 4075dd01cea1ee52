"""intel-iommu: a message that a device sends to the interrupt range is looked up in a table in guest memory.

Source: the VT-d specification's remapping table; held against the program. Nothing is refused: a message without a
valid entry is dropped with a complaint.

Model: whose message it is is not checked against the entry, and where it ends is not followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.memory import try_read

if TYPE_CHECKING:
    from model.devices.vtd_faults import Faults
    from model.machine import Machine

REGION: Final = "vtd-ir"
ENTRY: Final = 16
REMAPPED, SUBHANDLE = 1 << 4, 1 << 3
PRESENT: Final = 1
RESERVED_LOW, RESERVED_HIGH = 0xFF00_7000, ~0xF_FFFF & (1 << 64) - 1
READER: Final = "vtd_irte_get"


def deliver(machine: Machine, faults: Faults, table: tuple[int, int], offset: int, data: bytes) -> None:
    """A message to an offset in the interrupt range, with remapping on by a table at an address, of so many entries."""
    if not offset & REMAPPED:
        return
    index = (offset >> 2 & 1) << 15 | offset >> 5 & 0x7FFF
    if offset & SUBHANDLE:
        index += int.from_bytes(data[:2], "little")
    if index >= table[1]:
        faults.say("vtd_irte_get: index too large", f": ind=0x{index:x}")
        return
    address = table[0] + ENTRY * index
    entry, answered = try_read(machine.memory, machine.memory_space, address & (1 << 64) - 1, ENTRY, READER)
    if not answered:
        faults.say("vtd_irte_get: read failed", f": ind=0x{index:x} addr=0x{address:x}")
        return
    low, high = int.from_bytes(entry[:8], "little"), int.from_bytes(entry[8:], "little")
    shown = f" (index={index}, high=0x{high:x}, low=0x{low:x})"
    if not low & PRESENT:
        faults.say("vtd_irte_get: detected non-present IRTE", shown)
    elif low & RESERVED_LOW or high & RESERVED_HIGH:
        faults.say("vtd_irte_get: detected non-zero reserved IRTE", shown)
