"""What PCI registers say (PCI Local Bus 3.0, PCI-to-PCI Bridge 1.2, PCI Express Base)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat.render.line import plural, size
from vmformat.render.meaning.bits import bits

if TYPE_CHECKING:
    from collections.abc import Callable

VENDORS: Final = {
    0x1000: "LSI",
    0x1013: "Cirrus Logic",
    0x1022: "AMD",
    0x1033: "NEC",
    0x10EC: "Realtek",
    0x1106: "VIA",
    0x1234: "QEMU VGA",
    0x1274: "Ensoniq",
    0x15AD: "VMware",
    0x1AF4: "Red Hat, virtio",
    0x1B36: "Red Hat, QEMU",
    0x8086: "Intel",
    0xFFFF: "nothing there",
}
"""Vendors of what QEMU emulates."""

VIRTIO_VENDOR: Final = 0x1AF4
VIRTIO_IDS: Final = {
    1: "net",
    2: "blk",
    3: "console",
    4: "rng",
    5: "balloon",
    8: "scsi",
    9: "9p",
    16: "gpu",
    18: "input",
    19: "vsock",
    20: "crypto",
    23: "iommu",
    24: "mem",
    26: "fs",
    27: "pmem",
}
_LEGACY_IDS: Final = {
    0x1000: "net",
    0x1001: "blk",
    0x1002: "balloon",
    0x1003: "console",
    0x1004: "scsi",
    0x1005: "rng",
    0x1009: "9p",
}

_COMMAND: Final = {
    0: "I/O",
    1: "memory",
    2: "bus master",
    3: "special cycles",
    4: "memory write and invalidate",
    5: "VGA palette snoop",
    6: "parity errors",
    8: "SERR",
    9: "fast back-to-back",
    10: "INTx off",
}
_STATUS: Final = {
    3: "interrupt",
    4: "capabilities",
    5: "66 MHz",
    7: "fast back-to-back",
    8: "data parity error",
    11: "signalled target abort",
    12: "received target abort",
    13: "received master abort",
    14: "signalled system error",
    15: "parity error",
}
_DEVSEL: Final = {0: "", 1: "medium DEVSEL", 2: "slow DEVSEL", 3: "DEVSEL 3"}

_CLASSES: Final = {
    0x0000: "unclassified",
    0x0100: "SCSI",
    0x0101: "IDE",
    0x0104: "RAID",
    0x0106: "SATA",
    0x0107: "SAS",
    0x0108: "NVMe",
    0x0180: "storage",
    0x0200: "Ethernet",
    0x0280: "network",
    0x0300: "VGA",
    0x0380: "display",
    0x0400: "video",
    0x0401: "audio",
    0x0403: "HD audio",
    0x0480: "multimedia",
    0x0500: "RAM",
    0x0600: "host bridge",
    0x0601: "ISA bridge",
    0x0604: "PCI bridge",
    0x0680: "bridge",
    0x0700: "serial port",
    0x0780: "communication",
    0x0805: "SD host",
    0x0806: "IOMMU",
    0x0880: "system peripheral",
    0x0900: "keyboard",
    0x0902: "mouse",
    0x0980: "input",
    0x0C03: "USB",
    0x0C05: "SMBus",
    0x0C80: "serial bus",
    0x0D80: "wireless",
    0x1000: "encryption",
    0x1180: "signal processing",
    0x00FF: "other",
}

_PORT_TYPES: Final = {
    0: "endpoint",
    1: "legacy endpoint",
    4: "root port",
    5: "upstream port",
    6: "downstream port",
    7: "PCIe-to-PCI bridge",
    8: "PCI-to-PCIe bridge",
    9: "integrated endpoint",
    10: "event collector",
}
_SPEEDS: Final = {1: "2.5 GT/s", 2: "5 GT/s", 3: "8 GT/s", 4: "16 GT/s", 5: "32 GT/s", 6: "64 GT/s"}
_SLOT_STATUS: Final = {
    0: "button pressed",
    1: "power fault",
    2: "latch changed",
    3: "presence changed",
    4: "command completed",
    5: "latch open",
    6: "card present",
    7: "interlock",
    8: "link changed",
}
_BRIDGE: Final = {
    0: "parity errors",
    1: "SERR",
    2: "ISA",
    3: "VGA",
    4: "VGA 16-bit",
    5: "master abort",
    6: "bus reset",
    7: "fast back-to-back",
}


def _word(config: bytes, offset: int, width: int = 2) -> int:
    return int.from_bytes(config[offset : offset + width], "little")


def bar(value: int, upper: int) -> str:
    """A base address register, with what the next one holds."""
    if not value:
        return ""
    if value & 1:
        return f"I/O at {value & ~3:#x}"
    if value & 6 == 4:
        kind, address = "64-bit", upper << 32 | value & ~0xF
    else:
        kind, address = "below 1 MiB" if value & 6 == 2 else "32-bit", value & ~0xF
    prefetchable = ", prefetchable" if value & 8 else ""
    return f"memory at {address:#x}, {kind}{prefetchable}"


def _bar(name: str, value: int, config: bytes) -> str:
    number = int(name[3:])
    last = 1 if _word(config, 0x0E, 1) & 0x7F == 1 else 5
    # The second half of a 64-bit address is told with the first.
    first = 0
    while first < number:
        wide = _word(config, 0x10 + 4 * first, 4) & 7 == 4
        if wide and first + 1 == number:
            return f"upper half of bar{first}"
        first += 2 if wide else 1
    upper = _word(config, 0x14 + 4 * number, 4) if number < last else 0
    return bar(value, upper)


def _rom(value: int) -> str:
    return f"{'on' if value & 1 else 'off'}, at {value & ~0x7FF:#x}" if value else ""


def _window(kind: str, base: int, limit: int) -> str:
    return f"{kind} {base:#x}..{limit:#x}" if base <= limit else "closed"


def _memory_window(config: bytes) -> str:
    base, limit = (_word(config, at) & 0xFFF0 for at in (0x20, 0x22))
    return _window("memory", base << 16, limit << 16 | 0xFFFFF)


def _pref_window(config: bytes) -> str:
    base, limit = ((_word(config, at) & 0xFFF0) << 16 for at in (0x24, 0x26))
    if _word(config, 0x24) & 0xF == 1:
        base |= _word(config, 0x28, 4) << 32
        limit |= _word(config, 0x2C, 4) << 32
    return _window("prefetchable memory", base, limit | 0xFFFFF)


def _io_window(config: bytes) -> str:
    base, limit = ((_word(config, at, 1) & 0xF0) << 8 for at in (0x1C, 0x1D))
    if _word(config, 0x1C, 1) & 0xF == 1:
        base |= _word(config, 0x30) << 16
        limit |= _word(config, 0x32) << 16
    return _window("I/O", base, limit | 0xFFF)


def _device(value: int, config: bytes) -> str:
    if _word(config, 0) != VIRTIO_VENDOR:
        return ""
    kind = VIRTIO_IDS.get(value - 0x1040) or _LEGACY_IDS.get(value)
    return f"virtio-{kind}{', transitional' if value < 0x1040 else ''}" if kind else ""


def _status(value: int) -> str:
    said = bits(value & ~0x600, _STATUS)
    return ", ".join(piece for piece in (said, _DEVSEL[value >> 9 & 3]) if piece)


def _msix_control(value: int) -> str:
    state = "on" if value & 0x8000 else "off"
    return f"{plural((value & 0x7FF) + 1, 'vector')}, {state}{', all masked' if value & 0x4000 else ''}"


def _msi_control(value: int) -> str:
    state = "on" if value & 1 else "off"
    wide = ", 64-bit" if value & 0x80 else ""
    return f"{1 << (value >> 4 & 7)} of {1 << (value >> 1 & 7)} vectors, {state}{wide}"


def _place(value: int) -> str:
    return f"bar{value & 7} + {value & ~7:#x}"


def _link(value: int) -> str:
    speed, width = _SPEEDS.get(value & 0xF), value >> 4 & 0x3F
    return f"{speed}, x{width}" if speed else ""


_BARS: Final = frozenset("012345")

_BY_NAME: Final[dict[str, Callable[[int, bytes], str]]] = {
    "vendor_id": lambda value, _: VENDORS.get(value, ""),
    "subsystem_vendor_id": lambda value, _: VENDORS.get(value, "") if value else "",
    "device_id": _device,
    "command": lambda value, _: bits(value, _COMMAND),
    "status": lambda value, _: _status(value),
    "secondary_status": lambda value, _: _status(value),
    "class": lambda value, _: _CLASSES.get(value, ""),
    "header_type": lambda value, _: (
        f"{'bridge' if value & 0x7F == 1 else 'device' if not value & 0x7F else 'unknown'}"
        f"{', multi-function' if value & 0x80 else ''}"
    ),
    "rom_bar": lambda value, _: _rom(value),
    "memory_base": lambda _, config: _memory_window(config),
    "pref_base": lambda _, config: _pref_window(config),
    "io_base": lambda _, config: _io_window(config),
    "bridge_control": lambda value, _: bits(value, _BRIDGE),
    "interrupt_pin": lambda value, _: f"INT{'ABCD'[value - 1]}" if 1 <= value <= 4 else "none" if not value else "",
    "msix.control": lambda value, _: _msix_control(value),
    "msix.table": lambda value, _: _place(value),
    "msix.pba": lambda value, _: _place(value),
    "msi.control": lambda value, _: _msi_control(value),
    "pm.control": lambda value, _: f"D{value & 3}{', PME on' if value & 0x100 else ''}",
    "pcie.capabilities": lambda value, _: f"version {value & 0xF}, {_PORT_TYPES.get(value >> 4 & 0xF, 'unknown')}",
    "pcie.link_capabilities": lambda value, _: _link(value),
    "pcie.link_status": lambda value, _: _link(value),
    "pcie.slot_status": lambda value, _: bits(value, _SLOT_STATUS),
}


def register(name: str, value: int, config: bytes) -> str:
    """What register `name` of a config space says, "" if there is nothing to add to the number."""
    if name[:3] == "bar" and name[3:] in _BARS:
        return _bar(name, value, config)
    found = _BY_NAME.get(name)
    if found is None and name.startswith("virtio_") and name.endswith((".size", ".offset")):
        return size(value) if value >= 1024 else ""
    return "" if found is None else found(value, config)


def msix_vector(value: int) -> str:
    """The control word of an entry of the MSI-X table."""
    return "masked" if value & 1 else "unmasked"
