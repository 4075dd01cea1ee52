"""What values mean: words of the specifications behind the numbers."""

from __future__ import annotations

import struct
from uuid import UUID

import pytest

from vmformat.node import Leafs, Node
from vmformat.render.meaning import meaning, pci

DEVICE_CONFIG = bytes.fromhex("f41a 4210") + bytes(0x10 - 4) + struct.pack("<6I", 0, 0xFA800000, 0, 0, 0xFDA0000C, 0x12)
BRIDGE_CONFIG = (
    bytes.fromhex("361b 0c00 0000 0000 0000 0406 0000 01 00".replace(" ", ""))
    + bytes(0xC)
    + bytes.fromhex("c1b1 0000 80fb 90fb a1fe b1fe 01000000 01000000 0300 0300".replace(" ", ""))
).ljust(64, b"\0")

REGISTERS: dict[str, tuple[str, int, str]] = {
    "vendor": ("vendor_id", 0x1AF4, "Red Hat, virtio"),
    "unknown vendor": ("vendor_id", 0x4242, ""),
    "modern virtio": ("device_id", 0x1042, "virtio-blk"),
    "transitional virtio": ("device_id", 0x1000, "virtio-net, transitional"),
    "command": ("command", 0x107, "I/O, memory, bus master, SERR"),
    "nothing on": ("command", 0, ""),
    "a bit without a name": ("command", 0x8001, "I/O, bit 15"),
    "status": ("status", 0x210, "capabilities, medium DEVSEL"),
    "class": ("class", 0x604, "PCI bridge"),
    "header type": ("header_type", 0x81, "bridge, multi-function"),
    "memory": ("bar1", 0xFA800000, "memory at 0xfa800000, 32-bit"),
    "64-bit memory": ("bar4", 0xFDA0000C, "memory at 0x12fda00000, 64-bit, prefetchable"),
    "the other half": ("bar5", 0x12, "upper half of bar4"),
    "I/O": ("bar0", 0xC001, "I/O at 0xc000"),
    "empty": ("bar2", 0, ""),
    "ROM": ("rom_bar", 0xFEB00001, "on, at 0xfeb00000"),
    "MSI-X": ("msix.control", 0x8004, "5 vectors, on"),
    "MSI-X off": ("msix.control", 0xC000, "1 vector, on, all masked"),
    "MSI": ("msi.control", 0x81, "1 of 1 vectors, on, 64-bit"),
    "table": ("msix.table", 0x801, "bar1 + 0x800"),
    "port type": ("pcie.capabilities", 0x142, "version 2, root port"),
    "link": ("pcie.link_status", 0x11, "2.5 GT/s, x1"),
    "pin": ("interrupt_pin", 1, "INTA"),
    "power state": ("pm.control", 3, "D3"),
    "nothing known": ("latency_timer", 64, ""),
}


@pytest.mark.parametrize(("name", "value", "text"), REGISTERS.values(), ids=REGISTERS.keys())
def test_registers(name: str, value: int, text: str) -> None:
    assert pci.register(name, value, DEVICE_CONFIG) == text


WINDOWS = {
    "io_base": "I/O 0x3c000..0x3bfff",
    "memory_base": "memory 0xfb800000..0xfb9fffff",
    "pref_base": "prefetchable memory 0x1fea00000..0x1febfffff",
}


@pytest.mark.parametrize(("name", "text"), WINDOWS.items(), ids=WINDOWS.keys())
def test_windows_of_a_bridge(name: str, text: str) -> None:
    shown = pci.register(name, 1, BRIDGE_CONFIG)
    assert shown == ("closed" if name == "io_base" else text)


@pytest.mark.parametrize("config", [b"", b"\1", bytes(15), bytes(30)], ids=len)
@pytest.mark.parametrize("name", [*pci._BY_NAME, "bar0", "bar5", "bar77"])
def test_a_config_space_that_is_cut_off_costs_nothing(name: str, config: bytes) -> None:
    assert isinstance(pci.register(name, 5, config), str)


LEAVES: dict[str, tuple[str, str, str, Leafs, str]] = {
    "virtio status": (
        "0000:00:03.0/virtio-blk", "virtio.head.status", "uint8", 0xF, "ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK",
    ),
    "status of a net device": ("virtio-net", "virtio.device.status", "uint16", 1, "link up"),
    "status of something else": ("timer", "status", "uint8", 1, ""),
    "features": ("virtio-blk", "virtio.head.features_lo", "uint32", 0x44, "SEG_MAX, BLK_SIZE"),
    "features of a net device": ("virtio-net", "virtio.head.features_lo", "uint32", 0x20, "MAC"),
    "wide features": ("virtio-blk", "virtio.core.virtio/64bit_features.guest_features", "uint64", 1 << 32, "VERSION_1"),
    "two words of features": ("virtio-rng", "vqs.guest_features", "uint32", (1 << 29, 1), "EVENT_IDX, VERSION_1"),
    "config of a disk": (
        "virtio-blk", "virtio.head.config", "buffer", b"\0\0\2" + bytes(9) + b"\xfe\0\0\0" + b"\1",
        "capacity 0x20000, seg_max 0xfe",
    ),
    "config of a net device": (
        "virtio-net", "virtio.head.config", "buffer", b"RT\0\x124V\1\0\2\0",
        "mac 52:54:00:12:34:56, status 1, max_virtqueue_pairs 2",
    ),
    "config of an unknown device": ("virtio-new", "virtio.head.config", "buffer", b"\1\2", ""),
    "no vector": ("virtio-net", "virtio.queues.queue[0].vector", "uint16", 0xFFFF, "none"),
    "timer": ("apic", "timer", "timer", 1_500_000_000, "1.5 s"),
    "timer not running": ("apic", "timer", "timer", -1, "not pending"),
    "flags of a CPU": ("cpu", "env.eflags", "uint64", 0x246, "PF, ZF, IF"),
    "cr0": ("cpu", "env.cr[0]", "uint64", 0x80000011, "PE, ET, PG"),
    "efer": ("cpu", "env.efer", "uint64", 0x500, "LME, LMA"),
    "registers": ("cpu", "env.regs", "uint64", (0, 1, *[0] * 13, -1), "rcx 0x1, r15 0xffffffffffffffff"),
    "registers of an Arm": ("cpu", "env.regs", "uint32", (0, 1, *[0] * 14), ""),
    "MAC as numbers": ("virtio-net", "virtio.device.mac", "uint8", tuple(b"RT\0\x124V"), "52:54:00:12:34:56"),
    "MAC as bytes": ("e1000", "conf.macaddr", "buffer", b"RT\0\x124V", "52:54:00:12:34:56"),
    "not a MAC": ("e1000", "mac", "uint32", (*range(5), 1 << 30), ""),
    "UUID": ("configuration", "configuration/uuid.uuid", "buffer", bytes(15) + b"\1", str(UUID(int=1))),
    "flags of a dirty bitmap": ("dirty-bitmap", "[0].flags", "uint8", 0x1C, "BITMAP_NAME, DEVICE_NAME, START"),
    "a block": ("block", "[0].sector_flags", "uint64", 0x201, "DEVICE_BLOCK, sector 0x1"),
    "progress of blocks": ("block", "[0].sector_flags", "uint64", 50 << 9 | 4, "PROGRESS, 50 %"),
    "flags of something else": ("floppy", "flags", "uint8", 3, ""),
    "APIC": ("apic", "apicbase", "uint32", 0xFEE00900, "at 0xfee00000, BSP, enabled"),
}  # fmt: skip


@pytest.mark.parametrize(("device", "path", "type_", "value", "text"), LEAVES.values(), ids=LEAVES.keys())
def test_leaves(device: str, path: str, type_: str, value: Leafs, text: str) -> None:
    name = path.rpartition("/")[2].rpartition(".")[2] if not path.startswith("env.") else path
    name = "conf.macaddr" if path == "conf.macaddr" else name
    assert meaning(device, path, Node(name, type_, 0, 8, value)) == text
