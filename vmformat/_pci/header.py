"""The standard header, 64 bytes (PCI Local Bus 3.0, 6.1; PCI-to-PCI Bridge 1.2, 3.2)."""

from __future__ import annotations

from typing import Final, TypeAlias

Register: TypeAlias = tuple[int, int, str]
"""Offset, bytes (1, 2, 4 or 8 for an integer, else raw) and name."""

_COMMON: Final[tuple[Register, ...]] = (
    (0x00, 2, "vendor_id"),
    (0x02, 2, "device_id"),
    (0x04, 2, "command"),
    (0x06, 2, "status"),
    (0x08, 1, "revision"),
    (0x09, 1, "prog_if"),
    (0x0A, 2, "class"),
    (0x0C, 1, "cache_line_size"),
    (0x0D, 1, "latency_timer"),
    (0x0E, 1, "header_type"),
    (0x0F, 1, "bist"),
    (0x34, 1, "capability_pointer"),
    (0x3C, 1, "interrupt_line"),
    (0x3D, 1, "interrupt_pin"),
)
DEVICE_REGISTERS: Final[tuple[Register, ...]] = (
    *_COMMON,
    *((0x10 + 4 * i, 4, f"bar{i}") for i in range(6)),
    (0x28, 4, "cardbus_cis"),
    (0x2C, 2, "subsystem_vendor_id"),
    (0x2E, 2, "subsystem_id"),
    (0x30, 4, "rom_bar"),
    (0x35, 7, "reserved_0x35"),
    (0x3E, 1, "min_gnt"),
    (0x3F, 1, "max_lat"),
)
"""Header type 0."""
BRIDGE_REGISTERS: Final[tuple[Register, ...]] = (
    *_COMMON,
    (0x10, 4, "bar0"),
    (0x14, 4, "bar1"),
    (0x18, 1, "primary_bus"),
    (0x19, 1, "secondary_bus"),
    (0x1A, 1, "subordinate_bus"),
    (0x1B, 1, "secondary_latency_timer"),
    (0x1C, 1, "io_base"),
    (0x1D, 1, "io_limit"),
    (0x1E, 2, "secondary_status"),
    (0x20, 2, "memory_base"),
    (0x22, 2, "memory_limit"),
    (0x24, 2, "pref_base"),
    (0x26, 2, "pref_limit"),
    (0x28, 4, "pref_base_upper"),
    (0x2C, 4, "pref_limit_upper"),
    (0x30, 2, "io_base_upper"),
    (0x32, 2, "io_limit_upper"),
    (0x35, 3, "reserved_0x35"),
    (0x38, 4, "rom_bar"),
    (0x3E, 2, "bridge_control"),
)
"""Header type 1."""
