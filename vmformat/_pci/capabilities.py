"""Conventional capabilities: what each holds, as its own bytes say (PCI 3.0, 6.7 and app. H; PCI Express 5.0, 7.5-7.9).

A layout is told by the capability's bytes (all from its id on): control bits, lengths, versions. Registers that such a
bit does not call for are not there. Where a capability has no register, nothing is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vmformat._pci.header import Register

Layout: TypeAlias = "Callable[[bytes], tuple[Register, ...]]"
"""The bytes from a capability's id on, to its registers; offsets count from there."""

HEAD: Final[tuple[Register, ...]] = ((0, 1, "id"), (1, 1, "next"))

VIRTIO_VENDOR: Final = b"\xf4\x1a"
QEMU_VENDOR: Final = b"\x36\x1b"

VIRTIO_CAPABILITIES: Final = {
    1: "common",
    2: "notify",
    3: "isr",
    4: "device",
    5: "config_window",
    8: "shared_memory",
    9: "vendor",
}
"""Virtio's vendor capabilities by their type byte (virtio 1.2, 4.1.4)."""

_VIRTIO: Final[tuple[Register, ...]] = (
    *HEAD,
    (2, 1, "length"),
    (3, 1, "type"),
    (4, 1, "bar"),
    (5, 3, "padding"),
    (8, 4, "offset"),
    (12, 4, "size"),
)
_VIRTIO_MORE: Final[Mapping[str, tuple[Register, ...]]] = {
    "notify": ((16, 4, "multiplier"),),
    "config_window": ((16, 4, "data"),),
    "shared_memory": ((16, 4, "offset_hi"), (20, 4, "size_hi")),
}

_RESERVE: Final[tuple[Register, ...]] = (
    *HEAD,
    (2, 1, "length"),
    (3, 1, "type"),
    (4, 4, "bus"),
    (8, 8, "io"),
    (16, 4, "memory"),
    (20, 4, "pref_memory_32"),
    (24, 8, "pref_memory_64"),
)


def word(data: bytes, at: int) -> int:
    """Two bytes, 0 behind the end."""
    return int.from_bytes(data[at : at + 2], "little")


def dword(data: bytes, at: int) -> int:
    """Four bytes, 0 behind the end."""
    return int.from_bytes(data[at : at + 4], "little")


def byte(data: bytes, at: int) -> int:
    """One byte, 0 behind the end."""
    return data[at] if at < len(data) else 0


def _fixed(*registers: Register) -> Layout:
    layout = HEAD + registers
    return lambda _: layout


def _agp(data: bytes) -> tuple[Register, ...]:
    """Revision 3 has more registers behind the command."""
    found = (*HEAD, (2, 1, "revision"), (3, 1, "reserved"), (4, 4, "status"), (8, 4, "command"))
    if byte(data, 2) >> 4 < 3:
        return found
    return (
        *found,
        (0x0C, 4, "isochronous_status"),
        (0x10, 4, "control"),
        (0x14, 2, "aperture_size"),
        (0x16, 2, "page_size"),
        (0x18, 4, "gart_lo"),
        (0x1C, 4, "gart_hi"),
    )


def _msi(data: bytes) -> tuple[Register, ...]:
    """Four layouts: addresses of 64 bits (bit 7 of the control word), masks for each vector (bit 8)."""
    control = word(data, 2)
    found: list[Register] = [*HEAD, (2, 2, "control"), (4, 4, "address_lo")]
    at = 8
    if control & 0x80:
        found.append((8, 4, "address_hi"))
        at = 12
    found.append((at, 2, "data"))
    if control & 0x300:
        found.append((at + 2, 2, "extended_data"))
    if control & 0x100:
        found += [(at + 4, 4, "mask"), (at + 8, 4, "pending")]
    return tuple(found)


def _pcix(data: bytes) -> tuple[Register, ...]:
    """Of a device; ECC registers from version 1 on."""
    found = (*HEAD, (2, 2, "command"), (4, 4, "status"))
    if not word(data, 2) >> 12 & 3:
        return found
    more = ("ecc_control", "ecc_first_address", "ecc_second_address", "ecc_attribute")
    return (*found, *((8 + 4 * i, 4, name) for i, name in enumerate(more)))


def _hypertransport(data: bytes) -> tuple[Register, ...]:
    found = (*HEAD, (2, 2, "command"))
    if word(data, 2) >> 11 == 0b10101 and not word(data, 2) & 2:  # an MSI mapping that can be moved
        return (*found, (4, 4, "address_lo"), (8, 4, "address_hi"))
    return found


def vendor(data: bytes, owner: bytes) -> tuple[str, tuple[Register, ...]]:
    """A vendor capability, of a function whose vendor id is `owner`: its name and registers."""
    if owner == VIRTIO_VENDOR:
        kind = VIRTIO_CAPABILITIES.get(byte(data, 3), f"type{byte(data, 3)}")
        return f"virtio_{kind}", _VIRTIO + _VIRTIO_MORE.get(kind, ())
    if owner == QEMU_VENDOR and byte(data, 2) >= 32 and byte(data, 3) == 1:
        return "resource_reserve", _RESERVE
    return "vendor", (*HEAD, (2, 1, "length"))


_V1_COMMON: Final[tuple[Register, ...]] = (
    *HEAD,
    (0x02, 2, "capabilities"),
    (0x04, 4, "device_capabilities"),
    (0x08, 2, "device_control"),
    (0x0A, 2, "device_status"),
    (0x0C, 4, "link_capabilities"),
    (0x10, 2, "link_control"),
    (0x12, 2, "link_status"),
)
_V1_SLOT: Final[tuple[Register, ...]] = (
    (0x14, 4, "slot_capabilities"),
    (0x18, 2, "slot_control"),
    (0x1A, 2, "slot_status"),
)
_V1_ROOT: Final[tuple[Register, ...]] = (
    (0x1C, 2, "root_control"),
    (0x1E, 2, "root_capabilities"),
    (0x20, 4, "root_status"),
)
_V2: Final[tuple[Register, ...]] = (
    (0x24, 4, "device_capabilities2"),
    (0x28, 2, "device_control2"),
    (0x2A, 2, "device_status2"),
    (0x2C, 4, "link_capabilities2"),
    (0x30, 2, "link_control2"),
    (0x32, 2, "link_status2"),
    (0x34, 4, "slot_capabilities2"),
    (0x38, 2, "slot_control2"),
    (0x3A, 2, "slot_status2"),
)
_ROOT_TYPES: Final = frozenset({0x4, 0xA})
"""Device/port types with root registers: root ports and event collectors."""


def _express(data: bytes) -> tuple[Register, ...]:
    """From version 2 on all registers are there; in version 1 those that the type of port calls for."""
    capabilities = word(data, 2)
    if capabilities & 0xF >= 2:
        return _V1_COMMON + _V1_SLOT + _V1_ROOT + _V2
    root = capabilities >> 4 & 0xF in _ROOT_TYPES
    slot = root or capabilities & 0x100
    return _V1_COMMON + (_V1_SLOT if slot else ()) + (_V1_ROOT if root else ())


def _enhanced_allocation(data: bytes) -> tuple[Register, ...]:
    """Entries of a dword and up to four more; a bridge has its bus numbers before them."""
    found: list[Register] = [*HEAD, (2, 1, "entries"), (3, 1, "reserved")]
    at = 4
    for i in range(byte(data, 2) & 0x3F):
        head = dword(data, at)
        words = head & 7
        names = ["base", "max_offset"]
        if words > 2 and dword(data, at + 4) & 2:
            names.append("base_hi")
        if words > 2 and dword(data, at + 8) & 2:
            names.append("max_offset_hi")
        found.append((at, 4, f"entry{i}.header"))
        found += [(at + 4 * k, 4, f"entry{i}.{name}") for k, name in enumerate(names[:words], start=1)]
        at += 4 * (words + 1)
    return tuple(found)


_AMD_IOMMU: Final = _fixed(
    (2, 2, "header"),
    (0x04, 4, "base_lo"),
    (0x08, 4, "base_hi"),
    (0x0C, 4, "range"),
    (0x10, 4, "misc0"),
    (0x14, 4, "misc1"),
)

CAPABILITIES: Final[Mapping[int, tuple[str, Layout]]] = {
    0x00: ("null", _fixed()),
    0x01: ("pm", _fixed((2, 2, "capabilities"), (4, 2, "control"), (6, 1, "bridge"), (7, 1, "data"))),
    0x02: ("agp", _agp),
    0x03: ("vpd", _fixed((2, 2, "address"), (4, 4, "data"))),
    0x04: ("slot_id", _fixed((2, 1, "expansion_slot"), (3, 1, "chassis"))),
    0x05: ("msi", _msi),
    0x06: ("hot_swap", _fixed((2, 1, "control_status"), (3, 1, "reserved"))),
    0x07: ("pcix", _pcix),
    0x08: ("hypertransport", _hypertransport),
    0x0A: ("debug_port", _fixed((2, 2, "place"))),
    0x0B: ("resource_control", _fixed((2, 2, "control"))),
    0x0C: ("hotplug", _fixed((2, 1, "select"), (3, 1, "pending"), (4, 4, "data"))),
    0x0D: ("ssvid", _fixed((2, 2, "reserved"), (4, 2, "subsystem_vendor_id"), (6, 2, "subsystem_id"))),
    0x0E: ("agp_8x", _agp),
    0x0F: ("secure_device", _AMD_IOMMU),
    0x10: ("pcie", _express),
    0x11: ("msix", _fixed((2, 2, "control"), (4, 4, "table"), (8, 4, "pba"))),
    0x12: ("sata", _fixed((2, 2, "revision"), (4, 4, "bar"))),
    0x13: ("af", _fixed((2, 1, "length"), (3, 1, "capabilities"), (4, 1, "control"), (5, 1, "status"))),
    0x14: ("ea", _enhanced_allocation),
    0x15: (
        "fpb",
        _fixed(
            (2, 2, "reserved"),
            (0x04, 4, "capabilities"),
            (0x08, 4, "rid_control1"),
            (0x0C, 4, "rid_control2"),
            (0x10, 4, "memory_low_control"),
            (0x14, 4, "memory_high_control1"),
            (0x18, 4, "memory_high_control2"),
            (0x1C, 4, "vector_access_control"),
            (0x20, 4, "vector_access_data"),
        ),
    ),
}
"""Capabilities by id: a short name and what tells the registers. 0x09, the vendor's, is `vendor`."""
