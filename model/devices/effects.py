"""Which device does what: the `Effects` of a section by the name of its vmsd.

A vmsd that is in neither table is one whose loaded state nobody here follows: its bytes are consumed by its schema,
its PCI part is taken, and the outcome says so in `not_modelled`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.devices.checks import by_vmsd, watch_for
from model.devices.checks_platform import PLATFORM
from model.devices.checks_storage import STORAGE
from model.devices.chipset import I440fx, Ich9Lpc, Mch, Piix4Pm
from model.devices.handler import Effects
from model.devices.platform import Ahci, FwCfg, GlobalState, KvmTprOpt, RootPort, Vga
from model.devices.virtio import Virtio

if TYPE_CHECKING:
    from model.devices.handler import Handler
    from model.machine import Machine

_EFFECTS: Final = {
    effects.vmsd: effects
    for effects in (Ahci, FwCfg, GlobalState, I440fx, Ich9Lpc, KvmTprOpt, Mch, Piix4Pm, RootPort, Vga)
} | dict.fromkeys(("xio3130-express-downstream-port", "ioh-3240-express-root-port"), RootPort)

# No memory-API call, no use of guest memory and no verdict of their own on load (pci.md 5.4: traced; virtio.md 9.1).
INERT: Final = frozenset({
    "timer", "cpu_common", "cpu", "apic", "PCIHost", "PCIBUS", "dma", "i8259", "ioapic", "hpet", "mc146818rtc", "i8254",
    "pcspk", "ps2kbd", "ps2mouse", "pckbd", "vmmouse", "port92", "i2c_bus", "acpi_build", "ich9_smb", "PIIX3", "ide",
    "pci_bridge", "pcie-pci-bridge",
    "xio3130-express-upstream-port", "e1000", "serial", "parallel_isa", "fdc", "smbus-eeprom", "slirp",
})  # fmt: skip


CHECKS: Final = by_vmsd((*PLATFORM, *STORAGE))
"""What devices refuse, by vmsd."""


def equip(machine: Machine, handler: Handler) -> None:
    """Give a handler the device behind it."""
    function = handler.function
    kind = _EFFECTS.get(handler.kind)
    if function is not None and function.entry.virtio is not None and function.entry.virtio.kind in {"blk", "net"}:
        handler.effects = Virtio(machine, handler, function.entry.virtio)
    elif kind is not None:
        handler.effects = kind(machine, handler)
    handler.watch = watch_for(handler.schema, CHECKS)
    handler.is_followed = handler.kind in INERT or type(handler.effects) is not Effects
