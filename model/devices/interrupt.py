"""Interrupts that a PCI function raises while it loads: its line, or a message that is a store to guest memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.errors import Abort

if TYPE_CHECKING:
    from model.devices.dma import Dma
    from model.devices.pci import PciFunction

INTERRUPT_PIN: Final = 0x3D
PINS: Final = 4
CAP_MSI: Final = 0x05
ENABLED, WIDE, MASKABLE = 1 << 0, 1 << 7, 1 << 8


def set_line(function: PciFunction) -> None:
    """Drive the line whose number the loaded config space has, up or down. Raises Abort where there is none such."""
    if not 1 <= function.config[INTERRUPT_PIN] <= PINS:
        raise Abort("pci_irq_handler: Assertion `0 <= irq_num && irq_num < PCI_NUM_PINS' failed.")


def has_messages(function: PciFunction) -> bool:
    """Whether MSI is on."""
    at = function.capability(CAP_MSI)
    return bool(at) and bool(function.config[at + 2] & ENABLED)


def send_message(function: PciFunction, dma: Dma) -> None:
    """Send the first of the function's messages, unless it is masked."""
    config, at = function.config, function.capability(CAP_MSI)
    control = int.from_bytes(config[at + 2 : at + 4], "little")
    address = int.from_bytes(config[at + 4 : at + (12 if control & WIDE else 8)], "little")
    data_at = at + (12 if control & WIDE else 8)
    if control & MASKABLE and config[data_at + 4] & 1:
        return
    dma.write(address, config[data_at : data_at + 2] + b"\0\0", "msi_send_message")
