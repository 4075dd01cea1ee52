"""Capabilities, chips' own registers and hot-plug registers: which register stands where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmformat import Field, Schema, decode, encode
from vmformat.pci import CAPABILITIES, EXTENDED_CAPABILITIES, Shpc, config_node, registers


def config(size: int, *pieces: tuple[int, str]) -> bytes:
    data = bytearray(size)
    for at, text in pieces:
        piece = bytes.fromhex(text)
        data[at : at + len(piece)] = piece
    return bytes(data)


def capability(text: str, start: str = "8680 0000") -> dict[str, tuple[int, int]]:
    """Registers of a capability at 0x40, without its name: (offset in it, size)."""
    found = registers(config(256, (0, start), (0x34, "40"), (0x40, text)))
    return {name.partition(".")[2]: (at - 0x40, size) for at, size, name in found if "." in name}


STANDARD: dict[str, tuple[str, dict[str, tuple[int, int]]]] = {
    "pm": ("0100 0300", {"capabilities": (2, 2), "control": (4, 2), "bridge": (6, 1), "data": (7, 1)}),
    "agp 2": ("0200 20", {"revision": (2, 1), "reserved": (3, 1), "status": (4, 4), "command": (8, 4)}),
    "agp 3": ("0200 30", {"isochronous_status": (12, 4), "gart_hi": (28, 4)}),
    "vpd": ("0300", {"address": (2, 2), "data": (4, 4)}),
    "slot id": ("0400", {"expansion_slot": (2, 1), "chassis": (3, 1)}),
    "msi, 32 bits": ("0500 0000", {"control": (2, 2), "address_lo": (4, 4), "data": (8, 2)}),
    "msi, 64 bits": ("0500 8000", {"address_lo": (4, 4), "address_hi": (8, 4), "data": (12, 2)}),
    "msi, 32 bits, masks": (
        "0500 0001",
        {"data": (8, 2), "extended_data": (10, 2), "mask": (12, 4), "pending": (16, 4)},
    ),
    "msi, 64 bits, masks": ("0500 8001", {"data": (12, 2), "mask": (16, 4), "pending": (20, 4)}),
    "pcix": ("0700 0000", {"command": (2, 2), "status": (4, 4)}),
    "pcix with ecc": ("0700 0010", {"ecc_control": (8, 4), "ecc_attribute": (20, 4)}),
    "an msi mapping": ("0800 00a8", {"command": (2, 2), "address_lo": (4, 4), "address_hi": (8, 4)}),
    "hotplug": ("0c00", {"select": (2, 1), "pending": (3, 1), "data": (4, 4)}),
    "express 1, endpoint": ("1000 0100", {"link_status": (0x12, 2)}),
    "express 1, root port": ("1000 4101", {"slot_status": (0x1A, 2), "root_status": (0x20, 4)}),
    "express 1, a slot": ("1000 6101", {"slot_status": (0x1A, 2)}),
    "express 2": ("1000 0200", {"root_status": (0x20, 4), "slot_status2": (0x3A, 2)}),
    "msix": ("1100 0400", {"control": (2, 2), "table": (4, 4), "pba": (8, 4)}),
    "sata": ("1200", {"revision": (2, 2), "bar": (4, 4)}),
    "af": ("1300 0603", {"length": (2, 1), "status": (5, 1)}),
    "ea": (
        "1400 0200 02000080 00000000 00000000 04000080 0a000000 0a000000 00000000 00000000",
        {"entries": (2, 1), "entry0.base": (8, 4), "entry1.header": (16, 4), "entry1.max_offset_hi": (32, 4)},
    ),
    "fpb": ("1500", {"vector_access_data": (0x20, 4)}),
}


@pytest.mark.parametrize("case", STANDARD, ids=str)
def test_standard_capabilities(case: str) -> None:
    text, expected = STANDARD[case]
    found = capability(text)
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("0500 0000", "mask"),
        ("0500 0000", "address_hi"),
        ("0200 20", "gart_lo"),
        ("1000 0100", "slot_control"),
        ("1000 6101", "root_control"),
        ("0700 0000", "ecc_control"),
        ("0800 0000", "address_lo"),
    ],
)
def test_registers_that_no_bit_calls_for(text: str, absent: str) -> None:
    assert absent not in capability(text)


def test_vendors_capabilities() -> None:
    assert capability("0900 20 01", "361b 0c00")["pref_memory_64"] == (24, 8)
    assert set(capability("0900 20 01", "8680 0c00")) == {"id", "next", "length"}
    assert capability("0900 18 08", "f41a 0010")["size_hi"] == (20, 4)


def extended(text: str) -> dict[str, tuple[int, int]]:
    data = config(4096, (0x34, "40"), (0x40, "1000 0200"), (0x4C, "4100 0000"), (0x100, text))
    return {n.partition(".")[2]: (at - 0x100, size) for at, size, n in registers(data) if at >= 0x100 and "." in n}


EXTENDED: dict[str, tuple[str, dict[str, tuple[int, int]]]] = {
    "aer 1": ("0100 0100", {"uncorrectable_status": (4, 4), "header_log": (0x1C, 16), "error_source": (0x34, 4)}),
    "aer 2": ("0100 0200", {"prefix_log": (0x38, 16)}),
    "vc": ("0200 0100 01000000", {"status": (14, 2), "resource1.status": (0x26, 2)}),
    "serial number": ("0300 0100", {"serial_lo": (4, 4), "serial_hi": (8, 4)}),
    "acs": ("0d00 0100", {"capabilities": (4, 2), "control": (6, 2)}),
    "acs with egress": ("0d00 0100 2028", {"egress0": (8, 4), "egress1": (12, 4)}),
    "ari": ("0e00 0100", {"control": (6, 2)}),
    "ats": ("0f00 0100", {"control": (6, 2)}),
    "sriov": ("1000 0100", {"total_vfs": (0x0E, 2), "vf_device_id": (0x1A, 2), "vf_bar5": (0x38, 4)}),
    "pri": ("1300 0100", {"status": (6, 2), "allocation": (12, 4)}),
    "rebar": ("1500 0100 00000000 40000000", {"capabilities1": (12, 4), "control1": (16, 4)}),
    "tph": ("1700 0100 00020100", {"steering1": (14, 2)}),
    "ltr": ("1800 0100", {"max_no_snoop": (6, 2)}),
    "lanes": ("1900 0100", {"lane_error_status": (8, 4), "lane3": (18, 2)}),
    "pasid": ("1b00 0100", {"control": (6, 2)}),
    "dpc": ("1d00 0100", {"error_source": (10, 2)}),
    "dpc of a root port": ("1d00 0100 2000", {"pio_exception": (28, 4), "pio_prefix_log": (0x34, 16)}),
}


@pytest.mark.parametrize("case", EXTENDED, ids=str)
def test_extended_capabilities(case: str) -> None:
    text, expected = EXTENDED[case]
    found = extended(text)
    assert {name: found.get(name) for name in expected} == expected


CHIPS: dict[str, tuple[str, str, str, int, int]] = {
    # ids, class and programming interface; a register, where it stands, its bytes.
    "i440fx": ("8680 3712", "00 0006", "smram", 0x72, 1),
    "mch": ("8680 c029", "00 0006", "pciexbar", 0x60, 8),
    "piix3": ("8680 0070", "00 0106", "xbcs", 0x4E, 2),
    "piix3 ide": ("8680 1070", "80 0101", "idetim_primary", 0x40, 2),
    "piix4 pm": ("8680 1371", "00 8006", "smbba", 0x90, 4),
    "ich9 lpc": ("8680 1829", "00 0106", "rcba", 0xF0, 4),
    "ich9 ahci": ("8680 2229", "01 0601", "map", 0x90, 1),
    "ich9 smbus": ("8680 3029", "00 050c", "hostc", 0x40, 1),
    "any uhci": ("0612 3830", "00 030c", "legsup", 0xC0, 2),
    "any xhci": ("361b 0d00", "30 030c", "fladj", 0x61, 1),
}


@pytest.mark.parametrize("case", CHIPS, ids=str)
def test_registers_of_a_chip(case: str) -> None:
    ids, kind, name, offset, size = CHIPS[case]
    data = config(256, (0, ids), (9, kind), (offset, "11" * size))
    assert (offset, size, name) in registers(data)
    assert not [register for register in registers(data) if register[2].startswith("bytes_")]


def test_a_capability_wins_over_the_chip() -> None:
    data = config(256, (0, "8680 1829"), (0x34, "40"), (0x40, "0100"))
    names = [name for _, _, name in registers(data)]
    assert "pm.control" in names
    assert "pmbase" not in names
    assert "rcba" in names


def test_what_is_left_is_reserved_where_it_is_zero() -> None:
    data = config(4096, (0x48, "01"), (0x200, "02 00 00 00 00 00 00 00 03"))
    left = [register for register in registers(data) if register[2].startswith(("bytes_", "reserved_"))]
    assert left == [
        (0x35, 7, "reserved_0x35"),
        (0x40, 8, "reserved_0x40"),
        (0x48, 4, "bytes_0x48"),
        (0x4C, 0xB4, "reserved_0x4c"),
        (0x100, 0x100, "reserved_0x100"),
        (0x200, 4, "bytes_0x200"),
        (0x204, 4, "reserved_0x204"),
        (0x208, 4, "bytes_0x208"),
        (0x20C, 0xDF4, "reserved_0x20c"),
    ]


@given(
    st.sampled_from([256, 4096]),
    st.lists(st.tuples(st.integers(0x10, 0x3F), st.sampled_from([*CAPABILITIES, 9, 0x77]), st.binary(max_size=16))),
    st.lists(st.tuples(st.integers(0x40, 0x3FF), st.sampled_from([*EXTENDED_CAPABILITIES, 0x19, 0x77]), st.binary())),
    st.sampled_from(["f41a", "361b", "8680"]),
)
def test_any_chain_covers_every_byte_once(
    size: int, short: list[tuple[int, int, bytes]], long: list[tuple[int, int, bytes]], vendor: str
) -> None:
    data = bytearray(config(size, (0, vendor)))
    link = 0x34
    for slot, number, rest in short:
        data[link] = 4 * slot
        data[4 * slot : 4 * slot + 2 + len(rest)] = bytes([number, 0]) + rest
        link = 4 * slot + 1
    link = 0x100
    for slot, number, rest in long if size == 4096 else ():
        data[link : link + 4] = (number | 1 << 16 | 4 * slot << 20).to_bytes(4, "little")
        data[4 * slot + 4 : 4 * slot + 4 + len(rest)] = rest
        link = 4 * slot
    whole = bytes(data[:size])
    at = 0
    for node in config_node(whole):
        assert node.offset == at
        assert node.size > 0
        at += node.size
    assert at == len(whole)


def test_hot_plug_registers() -> None:
    state = Shpc(bytes(range(36)) + bytes.fromhex("01020304") * 31)
    found = {node.name: (node.offset, node.value) for node in state.expand(100)}
    assert found["slots"] == (112, 12)
    assert found["command"] == (120, 0x1514)
    assert found["slot30.event_mask"] == (100 + 36 + 123, 4)
    assert sum(node.size for node in state.expand(0)) == 160
    assert state.at(0, 0) is None


@pytest.mark.parametrize("size", [0, 1, 13, 35, 36, 38, 41])
def test_hot_plug_registers_of_odd_lengths_are_covered(size: int) -> None:
    nodes = Shpc(bytes(size)).expand(0)
    assert sum(node.size for node in nodes) == size
    schema = Schema("bridge", 1, 1, (Field("shpc", "shpc", size),))
    payload = bytes(range(size))
    assert encode(schema, decode(schema, payload).values()) == payload
