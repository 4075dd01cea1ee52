"""What a virtio device is reached through: a PCI function, or registers in memory (virtio.md 1, 2).

A transport knows the records of a section's queues, which vectors there are, and what an interrupt does.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from model.errors import Abort
from model.memory import write

if TYPE_CHECKING:
    from model.devices.pci import PciFunction
    from model.memory import AddressSpace, Memory

NO_VECTOR: Final = 0xFFFF
CAP_MSIX: Final = 0x11
MSIX_ENABLE, MASK_ALL = 0x80, 0x40
INTERRUPT_PIN: Final = 0x3D
PINS: Final = 4


class Mmio:
    """Registers at a fixed address: no vectors; guest memory is always the machine's; an interrupt is a level.

    Model: the level is not followed to the interrupt controller, here and on PCI. There an unmasked entry would store
    a message, which nothing that is compared shows.
    """

    vectors = 0
    record = struct.Struct(">IIQH")
    """num, align, desc, last_avail_idx."""

    space: AddressSpace | None = None
    """Through which the device reaches memory under `iommu_platform`; None for the machine's."""

    table = b""
    config_vector = NO_VECTOR
    level: int | None = None
    """Of the interrupt line, if the device has set it since a section brought it."""

    def reset(self) -> None:
        """Nothing to forget."""

    def line(self, isr: int) -> None:
        """Set the interrupt line by the interrupt status that a section brought."""

    def interrupt(self, isr: int) -> None:
        """Tell the driver of a changed config."""

    def derived(self) -> tuple[tuple[str, str], ...]:
        """What interrupts have come to while loading, for the outcome."""
        return (("interrupt line", "up"),) if self.level else ()


class Pci(Mmio):
    """A PCI function: MSI-X if it has vectors, else a line whose number is whatever its config space says."""

    def __init__(self, function: PciFunction, memory: Memory) -> None:
        self.function = function
        self.memory = memory
        self.vectors = function.entry.vectors
        self.record = struct.Struct(">IQHH" if self.vectors else ">IQH")
        self.space = function.master_space
        self.reset()

    def reset(self) -> None:
        """Table and vector as at reset."""
        self.table = b""
        self.config_vector = NO_VECTOR
        self.pending: set[int] = set()
        self.messages = 0
        self.level = None

    def derived(self) -> tuple[tuple[str, str], ...]:
        """Also vectors that wait for their mask, and messages sent."""
        told = super().derived()
        if self.pending:
            told += (("vectors pending", ", ".join(map(str, sorted(self.pending)))),)
        return (*told, ("messages sent", str(self.messages))) if self.messages else told

    def _control(self) -> int:
        """The high byte of MSI-X control, 0 without MSI-X."""
        capability = self.function.capability(CAP_MSIX)
        return self.function.config[capability + 3] if capability else 0

    def line(self, isr: int) -> None:
        """Without MSI-X the line is driven. Raises Abort where there is no such line."""
        if self._control() & MSIX_ENABLE:
            return
        if not 1 <= self.function.config[INTERRUPT_PIN] <= PINS:
            raise Abort("pci_irq_handler: Assertion `0 <= irq_num && irq_num < PCI_NUM_PINS' failed.")
        self.level = isr & 1

    def interrupt(self, isr: int) -> None:
        """The line; with MSI-X on, a four-byte store through the bus-master space, or a bit that waits for the mask."""
        control = self._control()
        if not control & MSIX_ENABLE:
            self.line(isr)
            return
        vector, space = self.config_vector, self.function.master_space
        entry = self.table[16 * vector : 16 * vector + 16]
        if vector >= self.vectors or space is None or len(entry) < 16:
            return
        if control & MASK_ALL or entry[12] & 1:
            self.pending.add(vector)
            return
        address = int.from_bytes(entry[:8], "little")
        self.messages += 1
        write(self.memory, space, address, entry[8:12], "msi_send_message")
