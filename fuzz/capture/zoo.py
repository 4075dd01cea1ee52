"""Machines to learn schemas from: every machine type, every device that can be plugged in, many processors.

A QEMU says itself what it has (`-M help`, `-device help`); what is written here is only what a device needs to be
plugged in. A machine that does not start, or that refuses to migrate, teaches nothing and is passed over.
"""

from __future__ import annotations

import itertools
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.qemu import find_binary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DEVICE: Final = re.compile(r'^name "([^"]+)"(?:, bus ([\w-]+))?', re.MULTILINE)
_MACHINE: Final = re.compile(r"^(\S+) +(.*)$", re.MULTILINE)

_DRIVE: Final = ("-blockdev", "null-co,node-name=d,size=67108864,read-zeroes=on")
_NET: Final = ("-netdev", "user,id=n")

_NEEDS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    # A device: properties to give it, options that must come before.
    "ivshmem-plain": (
        "memdev=m",
        ("-object", "memory-backend-ram,id=m,size=1M,share=on"),
    ),
    "acpi-erst": ("memdev=m", ("-object", "memory-backend-ram,id=m,size=64K,share=on")),
    "pc-dimm": ("memdev=m", ("-object", "memory-backend-ram,id=m,size=32M")),
    "nvdimm": ("memdev=m", ("-M", "nvdimm=on", "-object", "memory-backend-ram,id=m,size=32M")),
    "virtio-mem-pci": ("memdev=m,requested-size=16M", ("-object", "memory-backend-ram,id=m,size=64M")),
    "virtio-mem": ("memdev=m,requested-size=16M", ("-object", "memory-backend-ram,id=m,size=64M")),
    "virtio-9p-pci": ("fsdev=f,mount_tag=t", ("-fsdev", "local,id=f,path=/usr/share/qemu,security_model=none")),
    "virtio-9p-pci-transitional": (
        "fsdev=f,mount_tag=t",
        ("-fsdev", "local,id=f,path=/usr/share/qemu,security_model=none"),
    ),
    "virtio-9p-pci-non-transitional": (
        "fsdev=f,mount_tag=t",
        ("-fsdev", "local,id=f,path=/usr/share/qemu,security_model=none"),
    ),
    "virtio-9p-device": ("fsdev=f,mount_tag=t", ("-fsdev", "local,id=f,path=/usr/share/qemu,security_model=none")),
    "isa-ipmi-bt": ("bmc=b", ("-device", "ipmi-bmc-sim,id=b")),
    "isa-ipmi-kcs": ("bmc=b", ("-device", "ipmi-bmc-sim,id=b")),
    "pci-ipmi-bt": ("bmc=b", ("-device", "ipmi-bmc-sim,id=b")),
    "pci-ipmi-kcs": ("bmc=b", ("-device", "ipmi-bmc-sim,id=b")),
    "smbus-ipmi": ("bmc=b,address=0x30", ("-device", "ipmi-bmc-sim,id=b")),
    "pci-bridge": ("chassis_nr=9", ()),
    "pci-bridge-seat": ("chassis_nr=9", ()),
    "pcie-root-port": ("chassis=9", ()),
    "ioh3420": ("chassis=9", ()),
    "xio3130-downstream": (
        "bus=u,chassis=10",
        ("-device", "ioh3420,id=r,chassis=9", "-device", "x3130-upstream,id=u,bus=r"),
    ),
    "x3130-upstream": ("bus=r", ("-device", "ioh3420,id=r,chassis=9")),
    "cxl-rp": ("bus=cx,chassis=9,port=1", ("-M", "cxl=on", "-device", "pxb-cxl,bus_nr=64,id=cx,bus=pcie.0")),
    "pxb": ("bus_nr=64", ()),
    "pxb-pcie": ("bus_nr=64", ()),
    "pxb-cxl": ("bus_nr=64", ("-M", "cxl=on")),
    "nvme": ("serial=s", ()),
    "nvme-ns": ("drive=d", (*_DRIVE, "-device", "nvme,serial=s")),
    "usb-mtp": ("rootdir=/usr/share/qemu", ()),
    "usb-audio": ("audiodev=a", ("-audiodev", "none,id=a")),
    "ccid-card-emulated": ("", ()),
    "usb-bot": ("", ()),
    "usb-serial": ("chardev=c", ("-chardev", "null,id=c")),
    "usb-braille": ("chardev=c", ("-chardev", "null,id=c")),
    "usb-redir": ("chardev=c", ("-chardev", "null,id=c")),
    "isa-serial": ("chardev=c", ("-chardev", "null,id=c")),
    "isa-parallel": ("chardev=c", ("-chardev", "null,id=c")),
    "isa-debugcon": ("chardev=c", ("-chardev", "null,id=c")),
    "pci-serial": ("chardev=c", ("-chardev", "null,id=c")),
    "pci-serial-2x": ("chardev1=c", ("-chardev", "null,id=c")),
    "pci-serial-4x": ("chardev1=c", ("-chardev", "null,id=c")),
    "tpci200": ("", ()),
    "ipoctal232": ("", ("-device", "tpci200")),
    "virtio-crypto-pci": ("cryptodev=k", ("-object", "cryptodev-backend-builtin,id=k")),
    "vhost-user-blk-pci": ("chardev=c", ("-chardev", "null,id=c")),
    "ctucan_pci": ("canbus0=can0,canbus1=can0", ("-object", "can-bus,id=can0")),
    "kvaser_pci": ("canbus=can0", ("-object", "can-bus,id=can0")),
    "mioe3680_pci": ("canbus0=can0,canbus1=can0", ("-object", "can-bus,id=can0")),
    "pcm3680_pci": ("canbus0=can0,canbus1=can0", ("-object", "can-bus,id=can0")),
    "virtio-iommu-pci": ("", ()),
    "intel-iommu": ("intremap=on", ("-M", "kernel-irqchip=split")),
    "rocker": ("name=sw", ()),
    "sd-card": ("drive=d", (*_DRIVE, "-device", "sdhci-pci")),
    "loader": ("addr=0x10000,data=1,data-len=4", ()),
    "guest-loader": ("addr=0x10000", ()),
    "floppy": ("drive=d", (*_DRIVE,)),
    "vmbus-bridge": ("", ()),
    "hv-syndbg": ("", ()),
    "virtconsole": ("chardev=c", ("-chardev", "null,id=c", "-device", "virtio-serial-pci")),
    "virtserialport": ("chardev=c", ("-chardev", "null,id=c", "-device", "virtio-serial-pci")),
    "virtio-input-host-pci": ("", ()),
}

_DISKS: Final = frozenset({"ide-hd", "ide-cd", "scsi-hd", "scsi-cd", "usb-storage"})

_BUSES: Final[dict[str, tuple[str, ...]]] = {
    # What a bus needs to be there.
    "usb-bus": ("-device", "qemu-xhci,id=xhci"),
    "SCSI": ("-device", "virtio-scsi-pci,id=scsi"),
    "HDA": ("-device", "ich9-intel-hda"),
    "virtio-serial-bus": ("-device", "virtio-serial-pci"),
    "ccid-bus": ("-device", "piix3-usb-uhci,id=uhci", "-device", "usb-ccid,bus=uhci.0"),
}

_ROOM: Final = ("-m", "64M,slots=4,maxmem=1G")

_PACK_PCI: Final = (
    *("-device", "virtio-rng-pci", "-device", "virtio-balloon-pci", "-device", "virtio-serial-pci"),
    *("-device", "virtio-scsi-pci,id=scsi", *_DRIVE, "-device", "scsi-hd,drive=d,bus=scsi.0", "-device", "virtconsole"),
    *("-blockdev", "null-co,node-name=e,size=67108864,read-zeroes=on", "-device", "virtio-blk-pci,drive=e"),
    *(*_NET, "-device", "virtio-net-pci,netdev=n", "-device", "e1000", "-device", "rtl8139"),
    *("-device", "usb-ehci", "-device", "nec-usb-xhci,id=x", "-device", "usb-tablet,bus=x.0", "-device", "pci-ohci"),
    *("-device", "usb-kbd,bus=x.0", "-device", "usb-hub,bus=x.0"),
)
_PACK_MORE: Final = (
    *("-device", "intel-hda", "-device", "hda-duplex", "-device", "AC97", "-device", "ES1370"),
    *("-device", "pcnet", "-device", "i82551", "-device", "vmxnet3", "-device", "ne2k_pci", "-device", "tulip"),
    *("-device", "lsi53c895a", "-device", "megasas", "-device", "am53c974", "-device", "pvscsi"),
    *(
        "-device",
        "ich9-ahci,id=ahci",
        *_DRIVE,
        "-device",
        "ide-hd,drive=d,bus=ahci.0",
        "-device",
        "pci-bridge,chassis_nr=4",
    ),
    *("-device", "virtio-gpu-pci", "-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci"),
    *("-device", "piix3-usb-uhci", "-device", "pvpanic", "-device", "i6300esb", "-device", "edu"),
)
_PACK_EXPRESS: Final = (
    *("-device", "pcie-root-port,id=r1,chassis=1", "-device", "pcie-root-port,id=r2,chassis=2"),
    *("-device", "ioh3420,id=r3,chassis=3", "-device", "x3130-upstream,id=u,bus=r3"),
    *("-device", "xio3130-downstream,id=d1,bus=u,chassis=4", "-device", "pcie-pci-bridge,id=b,bus=r2"),
    *(*_NET, "-device", "virtio-net-pci,netdev=n,bus=r1", "-device", "e1000e,bus=d1"),
    *("-device", "i82801b11-bridge,id=b2", "-device", "e1000,bus=b,addr=1"),
    *("-device", "megasas-gen2", "-device", "virtio-gpu-pci"),
)
_PACK_ISA: Final = (
    *("-device", "ne2k_isa", "-device", "sb16", "-device", "cs4231a", "-device", "gus", "-device", "adlib"),
    *("-device", "isa-applesmc", "-device", "ib700", "-device", "isa-ide,iobase=0x168,iobase2=0x36e,irq=10"),
    *("-device", "isa-debug-exit"),
)
_PACK_MMIO: Final = (
    *("-device", "virtio-rng-device", "-device", "virtio-balloon-device", "-device", "virtio-serial-device,id=ser"),
    *("-device", "virtio-scsi-device,id=scsi", *_DRIVE, "-device", "scsi-hd,drive=d,bus=scsi.0"),
    *("-device", "virtconsole", "-device", "virtio-keyboard-device", "-device", "virtio-gpu-device"),
    *("-blockdev", "null-co,node-name=e,size=67108864,read-zeroes=on", "-device", "virtio-blk-device,drive=e"),
    *(*_NET, "-device", "virtio-net-device,netdev=n"),
)

_X86_CPUS: Final = (
    "486",
    "pentium",
    "pentium3",
    "athlon",
    "qemu32",
    "qemu64",
    "kvm32",
    "kvm64",
    "core2duo",
    "n270",
    "phenom",
    "Opteron_G5",
    "Nehalem",
    "Haswell",
    "Skylake-Client",
    "Skylake-Server",
    "Icelake-Server",
    "EPYC",
    "EPYC-Milan",
    "Snowridge",
    "max",
    "qemu64,pmu=on",
    "max,xsave=off",
    "max,+invtsc,migratable=off",
    "qemu64,-apic",
    "qemu64,+x2apic",
    "max,hv-relaxed",
)
_ARM_CPUS: Final = (
    "cortex-a7",
    "cortex-a15",
    "cortex-a35",
    "cortex-a53",
    "cortex-a57",
    "cortex-a72",
    "cortex-a76",
    "a64fx",
    "neoverse-n1",
    "max",
)

_ARM_OPTIONS: Final = (
    "gic-version=2",
    "gic-version=3",
    "gic-version=max",
    "gic-version=3,its=off",
    "virtualization=on",
    "secure=on",
    "iommu=smmuv3",
    "virtualization=on,gic-version=3",
    "secure=on,gic-version=3",
    "virtualization=on,secure=on,gic-version=3",
    "mte=on",
    "highmem=off",
    "acpi=off",
    "ras=on",
    "gic-version=4,virtualization=on",
    "compact-highmem=off",
    "iommu=smmuv3,gic-version=3",
    "dtb-randomness=off",
    "default-bus-bypass-iommu=on,iommu=smmuv3",
)


@dataclass(frozen=True, slots=True)
class Item:
    """A machine: QEMU's arguments, and seconds to run before it is saved (0: as it is at reset)."""

    arguments: tuple[str, ...]
    boot: float = 0.0


def plan(binary: str, only: Iterable[str] = ()) -> Iterator[Item]:
    """The machines of this QEMU, those that teach most first. `only`: words one of which an argument must contain."""
    words = tuple(only)
    machines = [name for name, text in _MACHINE.findall(_said(binary, "-M", "help")) if "alias of" not in text]
    arm = "aarch64" in binary
    for item in _arm(binary, machines) if arm else _x86(binary, machines):
        if not words or any(word in argument for word in words for argument in item.arguments):
            yield item


def _x86(binary: str, machines: list[str]) -> Iterator[Item]:
    i440 = [name for name in machines if name.startswith("pc-i440fx-")]
    q35 = [name for name in machines if name.startswith("pc-q35-")]
    for newest in ("pc", "q35"):
        yield Item(("-M", newest))
        yield Item(("-M", newest), 3.0)
    for name in (*i440, *q35):
        pack = _PACK_PCI
        yield Item(("-M", name, *pack))
        yield Item(("-M", name, *_PACK_MORE))
        yield Item(("-M", name, "-vga", "cirrus", "-smp", "2", *(_PACK_EXPRESS if name in q35 else _PACK_ISA)))
    for name in ("isapc", "microvm", "pc", "q35", "pc-i440fx-2.3", "pc-i440fx-1.4", "pc-q35-2.4"):
        yield Item(("-M", name, *(_PACK_MMIO if name == "microvm" else ())), 3.0)
        yield Item(
            ("-M", name, *(_PACK_MMIO if name == "microvm" else _PACK_ISA if name == "isapc" else _PACK_PCI)), 3.0
        )
    yield Item(("-M", "microvm,pic=on,pit=on,rtc=on,isa-serial=on,x-option-roms=off", *_PACK_MMIO))
    yield Item(("-M", "microvm,pcie=on,usb=on,acpi=on", *_PACK_MMIO, "-device", "e1000e"))
    for cpu in _X86_CPUS:
        yield Item(("-M", "q35", "-cpu", cpu, "-smp", "2"), 1.0)
    for options in (
        "q35,smm=off",
        "q35,smbus=off",
        "q35,sata=off",
        "q35,usb=on",
        "q35,hpet=off",
        "q35,acpi=off",
        "pc,usb=on",
        "pc,acpi=off",
        "pc,vmport=off",
        "pc,smm=off",
        "pc,hpet=off",
        "q35,i8042=off",
        "q35,pit=off,pic=off",
        "pc,nvdimm=on",
        "pc,graphics=off",
        "q35,graphics=off",
    ):
        yield Item(("-M", options))
    for more in (
        ("-smp", "1,maxcpus=4"),
        (*_ROOM,),
        ("-serial", "null", "-serial", "null"),
        ("-parallel", "null"),
        ("-vga", "std"),
        ("-vga", "qxl"),
        ("-vga", "vmware"),
        ("-vga", "none", "-device", "secondary-vga"),
        ("-device", "qxl"),
        ("-nic", "user"),
        ("-watchdog-action", "none", "-device", "ib700"),
        ("-usbdevice", "tablet"),
        ("-drive", "if=floppy,file.driver=null-co,file.size=1474560,format=raw"),
        ("-drive", "if=ide,file.driver=null-co,file.size=67108864,format=raw", "-drive", "if=ide,media=cdrom"),
        ("-drive", "if=pflash,file.driver=null-co,file.size=4194304,file.read-zeroes=on,format=raw"),
        ("-drive", "if=virtio,file.driver=null-co,file.size=67108864,format=raw"),
        ("-numa", "node", "-numa", "node", "-smp", "2"),
        ("-uuid", "01234567-89ab-cdef-0123-456789abcdef"),
        ("-device", "vmgenid", "-device", "vmcoreinfo"),
        ("-nic", "user,model=virtio", "-nic", "user,model=e1000e"),
    ):
        yield Item(("-M", "pc", *more), 2.0)
        yield Item(("-M", "q35", *more), 2.0)
    for shape in (
        "packed=on",
        "num-queues=4",
        "disable-modern=on",
        "disable-legacy=on",
        "iommu_platform=on",
        "vectors=0",
    ):
        yield Item(("-M", "q35", *_DRIVE, "-device", f"virtio-blk-pci,drive=d,{shape}"), 2.0)
        yield Item(("-M", "pc", *_DRIVE, "-device", f"virtio-blk-pci,drive=d,{shape}"))
    yield from _varied("pc")
    yield from _varied("q35")
    for controller in ("lsi53c895a", "megasas", "megasas-gen2", "am53c974", "mptsas1068", "pvscsi", "virtio-scsi-pci"):
        disk = ("-device", "scsi-hd,drive=d,bus=hba.0", "-device", "scsi-cd,bus=hba.0")
        yield Item(("-M", "pc", *_DRIVE, "-device", f"{controller},id=hba", *disk), 3.0)
    yield from _devices(binary, ("q35", "pc"))


def _arm(binary: str, machines: list[str]) -> Iterator[Item]:
    virt = [name for name in machines if re.fullmatch(r"virt-[\d.]+", name)]
    yield Item(("-M", "virt"))
    for name in virt:
        for cpu in ("cortex-a15", "cortex-a57"):
            yield Item(("-M", name, "-cpu", cpu, "-smp", "2", *_PACK_PCI))
        yield Item(("-M", name, "-cpu", "cortex-a57", *_PACK_MMIO))
        yield Item(("-M", f"{name},gic-version=3", "-cpu", "cortex-a57", "-smp", "2", *_PACK_EXPRESS[:8]))
    for cpu in _ARM_CPUS:
        yield Item(("-M", "virt", "-cpu", cpu))
        yield Item(("-M", "virt", "-cpu", cpu), 0.5)
    for options in _ARM_OPTIONS:
        for cpu in ("cortex-a57", "max"):
            yield Item(("-M", f"virt,{options}", "-cpu", cpu, "-smp", "2"))
    for more in (
        (*_ROOM,),
        ("-serial", "null", "-serial", "null"),
        ("-nic", "user"),
        ("-device", "ramfb"),
        ("-drive", "if=pflash,file.driver=null-co,file.size=67108864,file.read-zeroes=on,format=raw"),
        ("-drive", "if=virtio,file.driver=null-co,file.size=67108864,format=raw"),
        ("-numa", "node", "-smp", "2"),
    ):
        yield Item(("-M", "virt", "-cpu", "cortex-a57", *more), 0.5)
    for shape in (
        "packed=on",
        "num-queues=4",
        "disable-modern=on",
        "disable-legacy=on",
        "iommu_platform=on",
        "vectors=0",
    ):
        yield Item(("-M", "virt", "-cpu", "cortex-a57", *_DRIVE, "-device", f"virtio-blk-pci,drive=d,{shape}"))
    for cpus in ("1", "3", "4", "8"):
        for gic in ("2", "3"):
            yield Item(("-M", f"virt,gic-version={gic}", "-cpu", "cortex-a57", "-smp", cpus))
            yield Item(("-M", f"virt,virtualization=on,gic-version={gic}", "-cpu", "cortex-a72", "-smp", cpus))
    for cpu in ("max,sve=off", "max,pauth=off", "cortex-a57,pmu=off", "max,sve256=on", "cortex-a15,vfp=off"):
        yield Item(("-M", "virt", "-cpu", cpu))
    yield from _varied("virt", ("-cpu", "cortex-a57"))
    yield from _devices(binary, ("virt",), ("-cpu", "cortex-a57"))


_PROPERTIES: Final = (
    # Properties that decide how long something in a section is, or whether it is there.
    *(
        ("-device", f"{kind},{ports}")
        for kind in ("qemu-xhci", "nec-usb-xhci")
        for ports in (
            "p2=1,p3=1",
            "p2=8,p3=8",
            "p2=15,p3=15",
            "slots=8",
            "slots=64",
            "intrs=1",
            "intrs=16",
            "p2=4,p3=0",
        )
    ),
    *(("-m", f"64M,slots={slots},maxmem=1G") for slots in (1, 2, 16, 64, 255)),
    *(("-smp", f"1,maxcpus={cpus}") for cpus in (2, 3, 8, 64)),
    *(
        (
            "-device",
            "sdhci-pci",
            "-blockdev",
            f"null-co,node-name=d,size={size},read-zeroes=on",
            "-device",
            "sd-card,drive=d",
        )
        for size in (1 << 24, 1 << 28, 1 << 32)
    ),
    ("-device", "pci-bridge,chassis_nr=5,shpc=on"),
    ("-device", "pci-bridge,chassis_nr=5,shpc=off"),
    ("-device", "pci-bridge,chassis_nr=5,msi=off"),
    ("-device", "e1000,extra_mac_registers=off"),
    ("-device", "e1000,migrate_tso_props=off"),
    ("-device", "intel-hda", "-device", "hda-duplex", "-device", "hda-micro"),
    ("-device", "intel-hda", "-device", "hda-output,mixer=off"),
    ("-device", "virtio-serial-pci,max_ports=64"),
    ("-device", "virtio-balloon-pci,free-page-reporting=on,page-poison=on"),
    ("-device", "rtl8139", "-device", "pcnet"),
    ("-device", "pcie-root-port,chassis=3,hotplug=off"),
    ("-device", "pcie-root-port,chassis=3,power_controller_present=off"),
    ("-device", "pcie-root-port,chassis=3", "-device", "pcie-root-port,chassis=4,aer_log_max=2"),
    ("-device", "usb-ehci,id=e", "-device", "usb-kbd,bus=e.0"),
    ("-device", "usb-ehci,id=e", "-device", "usb-hub,bus=e.0"),
    ("-device", "virtio-gpu-pci,max_outputs=4"),
    ("-device", "virtio-net-pci,mq=on,vectors=10"),
    ("-device", "virtio-net-pci,rss=on"),
    ("-device", "virtio-net-pci,guest_announce=off,ctrl_vq=off"),
    ("-device", "i6300esb"),
    ("-device", "virtio-mouse-pci"),
    ("-rtc", "base=utc,clock=vm"),
    ("-device", "ipmi-bmc-sim,id=b", "-device", "pci-ipmi-kcs,bmc=b"),
    ("-device", "pvpanic-pci"),
    ("-device", "edu"),
    ("-device", "sdhci-pci"),
    ("-device", "usb-xhci"),
)
_PROPERTIES_PC: Final = (
    ("-global", "hpet.timers=5"),
    ("-global", "hpet.msi=on"),
    ("-global", "mc146818rtc.lost_tick_policy=slew"),
    ("-global", "kvm-apic.vapic=off"),
    ("-global", "apic.vapic=off"),
    ("-global", "PIIX4_PM.memory-hotplug-support=off"),
    ("-global", "PIIX4_PM.acpi-pci-hotplug-with-bridge-support=off"),
    ("-global", "fw_cfg.dma_enabled=off"),
    ("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"),
    ("-global", "ps2-kbd.extended-state=off"),
    ("-device", "isa-ide,iobase=0x168,iobase2=0x36e,irq=10"),
    ("-device", "isa-fdc,id=f", "-device", "floppy,bus=f.0"),
    ("-device", "piix4-ide,id=i", *_DRIVE, "-device", "ide-hd,drive=d,bus=i.0"),
    ("-device", "ES1370", "-device", "gus"),
    ("-device", "usb-ehci", "-device", "ich9-usb-uhci1"),
    ("-device", "vmmouse"),
    ("-vga", "virtio"),
    ("-vga", "cirrus"),
    (
        "-device",
        "ich9-usb-ehci1,id=e,multifunction=on,addr=8.7",
        "-device",
        "ich9-usb-uhci1,masterbus=e.0,firstport=0,addr=8.0",
    ),
    ("-device", "isa-ipmi-kcs,bmc=b", "-device", "ipmi-bmc-sim,id=b"),
    ("-device", "isa-cirrus-vga", "-vga", "none"),
    ("-device", "isa-vga", "-vga", "none"),
    ("-device", "ati-vga", "-vga", "none"),
    ("-device", "bochs-display", "-vga", "none"),
)


def _varied(machine: str, always: tuple[str, ...] = ()) -> Iterator[Item]:
    """Machines whose properties differ in what their sections hold."""
    for more in (*_PROPERTIES, *(() if machine == "virt" else _PROPERTIES_PC)):
        yield Item(("-M", machine, *always, *more))


def _devices(binary: str, machines: tuple[str, ...], always: tuple[str, ...] = ()) -> Iterator[Item]:
    """Every device by itself, on each of the machines that has its bus."""
    done: set[str] = set()
    for machine in machines:
        for name, bus in _DEVICE.findall(_said(binary, "-M", machine, "-device", "help")):
            if name.endswith("-cpu"):
                continue
            properties, before = _NEEDS.get(name, ("", ()))
            properties, before = _by_kind(name, bus, properties, before)
            if bus == "virtio-bus" and machine == "q35":
                continue
            key = f"{machine}/{name}"
            if key in done:
                continue
            done.add(key)
            start = _with(machine, before)
            yield Item((*start, *always, "-device", ",".join(filter(None, (name, properties)))))


def _with(machine: str, before: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments up to the device; machine options among them become part of `-M`."""
    options = [value for word, value in itertools.pairwise(before) if word == "-M"]
    rest = list(before)
    while "-M" in rest:
        del rest[rest.index("-M") : rest.index("-M") + 2]
    return ("-M", ",".join((machine, *options)), *_ROOM, *rest)


def _by_kind(name: str, bus: str, properties: str, before: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """What devices of a kind need, added to what this one does."""
    before = (*_BUSES.get(bus, ()), *before)
    if name in _DISKS or name.startswith("virtio-blk"):
        return "drive=d", (*_DRIVE, *before)
    if name.startswith("virtio-net"):
        return "netdev=n", (*_NET, *before)
    return properties, before


def _said(binary: str, *arguments: str) -> str:
    done = subprocess.run(
        [find_binary(binary), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )
    return done.stdout
