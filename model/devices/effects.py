"""Which device does what: the `Effects` of a section by the name of its vmsd.

A vmsd that is in neither table is one whose loaded state nobody here follows: its bytes are consumed by its schema,
its PCI part is taken, and the outcome says so in `not_modelled`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.devices.ahci import Ahci
from model.devices.checks import CHECKS, watch_for
from model.devices.chipset import I440fx, Ich9Lpc, Mch, Piix4Pm
from model.devices.clock import Rtl8139, Timer
from model.devices.e1000e import E1000e
from model.devices.fw_cfg import FwCfg
from model.devices.globalstate import GlobalState
from model.devices.handler import Effects
from model.devices.hda import IntelHda
from model.devices.root_port import RootPort
from model.devices.scsi_disk import ScsiDisk
from model.devices.shpc import Shpc
from model.devices.slirp import Slirp
from model.devices.vapic import KvmTprOpt
from model.devices.vga import CirrusVga, Qxl, Vga
from model.devices.virtio import VIRTIO
from model.devices.vmgenid import VmGenId
from model.devices.vtd import IntelIommu
from model.devices.xhci import Xhci

if TYPE_CHECKING:
    from model.devices.handler import Handler
    from model.machine import Machine

_FOLLOWED: Final = (
    Ahci,
    CirrusVga,
    E1000e,
    FwCfg,
    GlobalState,
    I440fx,
    Ich9Lpc,
    IntelHda,
    IntelIommu,
    KvmTprOpt,
    Mch,
    Piix4Pm,
    Qxl,
    RootPort,
    Rtl8139,
    ScsiDisk,
    Shpc,
    Slirp,
    Timer,
    Vga,
    VmGenId,
    Xhci,
)

_EFFECTS: Final = {effects.vmsd: effects for effects in _FOLLOWED} | {
    "ioh-3240-express-root-port": RootPort,
    "pcie-pci-bridge": Shpc,
    "virtio-vga": Vga,
    "vmware_vga": Vga,
    "xio3130-express-downstream-port": RootPort,
}

# No memory-API call, no use of guest memory and no verdict of their own on load (pci.md 5.4: traced; virtio.md 9.1).
INERT: Final = frozenset({
    "cpu_common", "cpu", "apic", "PCIHost", "PCIBUS", "dma", "i8259", "ioapic", "hpet", "mc146818rtc", "i8254",
    "pcspk", "ps2kbd", "ps2mouse", "pckbd", "vmmouse", "port92", "i2c_bus", "acpi_build", "ich9_smb", "PIIX3", "ide",
    "xio3130-express-upstream-port", "e1000", "serial", "parallel_isa", "fdc", "smbus-eeprom", "kvmclock",
    "usb-hub", "usb-kbd", "usb-ptr", "uhci",
    "ac97", "cs4231a", "es1370", "hda-audio", "sb16",
    "eeprom", "i82550", "i82801", "ipoctal232", "ne2000", "pci-serial", "pcnet", "tpci200", "tulip", "vmxnet3",
    "lsiscsi", "megasas", "megasas-gen2", "mptsas", "pciespscsi", "pvscsi", "sd-card", "sdhci",
    "ehci", "ohci", "usb-ccid", "usb-storage",
    "acpi-erst", "i6300esb_wdt", "i82801b11_bridge", "ib700_wdt", "ipmi-bmc-sim", "ipmi-interface",
    "ipmi-interface-isa-bt", "ipmi-interface-pci-bt", "ipmi-interface-pci-kcs", "ivshmem-plain", "pvpanic-pci",
    "bochs-display", "gus", "i2c-ddc", "kvaser_pci", "smbus-ipmi", "vmcoreinfo",
    "acpi-ged", "gpex_root", "isa-ide",
})  # fmt: skip


def equip(machine: Machine, handler: Handler) -> None:
    """Give a handler the device behind it."""
    kind = _EFFECTS.get(handler.kind)
    virtio = handler.virtio
    if virtio is not None and virtio.kind in VIRTIO:
        handler.effects = VIRTIO[virtio.kind](machine, handler, virtio)
    elif kind is not None:
        handler.effects = kind(machine, handler)
    handler.watch = watch_for(handler.schema, CHECKS)
    handler.is_followed = handler.kind in INERT or type(handler.effects) is not Effects
