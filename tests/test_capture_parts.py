"""The parts of a capture that need no QEMU: masks as text, handler order, the probing image, names, ids, layouts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fuzz.capture.describe import _dump
from fuzz.capture.errors import CaptureError
from fuzz.capture.functions import capability_layout, find_config
from fuzz.capture.masks import shown
from fuzz.capture.objects import PciObject, RegionObject, addresses
from fuzz.capture.prober import snapshot_image
from fuzz.capture.regions import _block, _ids, _owner_path
from fuzz.capture.sections import handler_order
from vmformat.framing import Kind
from vmformat.schema import Field, Schema
from vmformat.section import Section


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        pytest.param(bytes(256), {}, id="nothing"),
        pytest.param(b"\xff" * 4 + bytes(2) + b"\x10" + bytes(249), {"00-03": "ff", "06": "10"}, id="a run and a byte"),
        pytest.param(bytes(254) + b"\x0f\xf0", {"fe": "0f", "ff": "f0"}, id="neighbours that differ, to the end"),
        pytest.param(bytes(0x100) + b"\xff" + bytes(0xEFF), {"100": "ff"}, id="Express: three digits"),
    ],
)
def test_masks_as_text(mask: bytes, text: dict[str, str]) -> None:
    assert shown(mask) == text


@pytest.mark.parametrize(
    ("full", "iterable", "order"),
    [
        pytest.param([0, 4, 5], [2], [0, 2, 4, 5], id="one priority"),
        pytest.param([38, 40, 42, 0, 4, 39], [2], [38, 40, 42, 0, 2, 4, 39], id="bridges first"),
        pytest.param([60, 38, 40, 0, 4], [2, 3], [60, 38, 40, 0, 2, 3, 4], id="three priorities, two iterable"),
        pytest.param([3, 4], [2], [2, 3, 4], id="iterable first"),
    ],
)
def test_handler_order(full: list[int], iterable: list[int], order: list[int]) -> None:
    assert handler_order(full, iterable) == order


def test_capabilities_of_a_config_space() -> None:
    config = bytearray(4096)
    config[0x06], config[0x34] = 0x10, 0x54
    config[0x54:0x56] = b"\x10\x48"  # PCI Express, next 0x48
    config[0x48:0x4A] = b"\x11\x00"  # MSI-X, the last
    config[0x100:0x104] = (0x148 << 20 | 2 << 16 | 0x0001).to_bytes(4, "little")  # AER
    config[0x148:0x14C] = (0 << 20 | 1 << 16 | 0x000D).to_bytes(4, "little")  # ACS
    assert capability_layout(bytes(config)) == [(0x54, 0x10), (0x48, 0x11), (0x100, 1), (0x148, 0x0D)]
    assert capability_layout(bytes(config[:256])) == [(0x54, 0x10), (0x48, 0x11)]
    config[0x49] = 0x54  # a loop ends
    assert capability_layout(bytes(config[:256])) == [(0x54, 0x10), (0x48, 0x11)]
    config[0x06] = 0  # no list
    assert capability_layout(bytes(config[:256])) == []


def _section(payload: bytes, schema: Schema | None = None) -> Section:
    return Section(Kind.FULL, 1, "0000:00:01.0/x", 0, 1, payload, schema)


def test_where_a_config_space_is_says_the_schema() -> None:
    device = Schema("PCIDevice", 2, 1, (Field("version_id", "int32 le"), Field("config[0]", "pci config", 256)))
    schema = Schema("x", 1, 1, (Field("before", "uint16"), Field("dev", "struct", struct=device)))
    assert find_config(_section(bytes(2 + 4 + 256), schema), "x") == (6, 256)
    with pytest.raises(CaptureError, match="the schema does not fit"):
        find_config(_section(bytes(100), schema), "x")


def test_where_a_config_space_is_without_a_schema() -> None:
    assert find_config(_section(b"\0\0\0\2" + bytes(256 + 16)), "x") == (4, 256)
    express = bytearray(4096)
    express[0x06], express[0x34], express[0x40] = 0x10, 0x40, 0x10
    assert find_config(_section(b"\0\0\0\2" + bytes(express) + bytes(16)), "x") == (4, 4096)
    with pytest.raises(CaptureError, match="x: cannot tell how long"):
        find_config(_section(b"\0\0\0\2" + bytes(express[:256]) + bytes(16)), "x")
    with pytest.raises(CaptureError, match="does not begin with PCI device state version 2"):
        find_config(_section(b"\0\0\0\3\x86\x80"), "x")


def test_the_image_that_holds_a_state() -> None:
    image = snapshot_image(b"QEVM" + bytes(5000))
    assert image[:8] == b"QFI\xfb\0\0\0\3"
    assert len(image) == (7 + 2) * 4096
    assert image[7 * 4096 : 7 * 4096 + 4] == b"QEVM"
    assert image[4 * 4096 + 40 : 4 * 4096 + 48] == (5004).to_bytes(8, "big")
    with pytest.raises(CaptureError, match="too long to be probed"):
        snapshot_image(bytes(4 << 20))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("owner:{dev id=rp0}", "/machine/peripheral/rp0"),
        ("owner:{dev path=/machine/q35/mch}", "/machine/q35/mch"),
        ("parent:{obj path=/machine/unattached}", "/machine/unattached"),
        ("owner:{obj path=/objects/pc.ram}", "/objects/pc.ram"),
        ("owner:{dev id=x} parent:{obj path=/y}", "/y"),
        ("", ""),
    ],
)
def test_owners(text: str, path: str) -> None:
    assert _owner_path(text) == path


def _region(owner: str, name: str, ordinal: int = 0) -> RegionObject:
    return RegionObject(f"{owner}/{name}[{ordinal}]", owner, name, ordinal, 16, 0, 0, "")


def test_ids_are_as_short_as_they_can_be() -> None:
    ids = _ids(
        [
            _region("/machine/unattached", "system"),
            _region("/machine/peripheral/rp0", "pci_bridge_pci"),
            _region("/machine/peripheral/rp1", "pci_bridge_pci"),
            _region("/machine/peripheral/rp0", "pci_bridge_io", 0),
            _region("/machine/peripheral/rp0", "pci_bridge_io", 1),
        ]
    )
    assert sorted(ids.values()) == [
        "rp0:pci_bridge_io#0",
        "rp0:pci_bridge_io#1",
        "rp0:pci_bridge_pci",
        "rp1:pci_bridge_pci",
        "system",
    ]


def test_ram_blocks_of_regions() -> None:
    blocks = ["pc.ram", "0000:00:01.0/vga.vram", "0000:00:02.0/x.rom", "0000:00:03.0/x.rom"]
    assert _block(_region("/objects/pc.ram", "pc.ram"), blocks, {}) == "pc.ram"
    assert _block(_region("/machine/peripheral/v", "vga.vram"), blocks, {}) == "0000:00:01.0/vga.vram"
    functions = {"/machine/peripheral/a": "0000:00:02.0", "/machine/peripheral/b": "0000:00:03.0"}
    assert _block(_region("/machine/peripheral/b", "x.rom"), blocks, functions) == "0000:00:03.0/x.rom"
    assert _block(_region("/machine/peripheral/a", "io"), blocks, functions) is None


def test_addresses_of_functions() -> None:
    devices = (
        PciObject("/machine/peripheral/blk0", "virtio-blk-pci", "/machine/peripheral/rp0/rp0", 0),
        PciObject("/machine/peripheral/rp0", "pcie-root-port", "/machine/q35/pcie.0", 0x12),
        PciObject("/machine/unattached/device[2]", "ICH9-LPC", "/machine/q35/pcie.0", 0xF8),
    )
    assert addresses(devices, {"/machine/q35/pcie.0": 0}) == {
        "/machine/peripheral/blk0": "0000:00:02.2:00.0",
        "/machine/peripheral/rp0": "0000:00:02.2",
        "/machine/unattached/device[2]": "0000:00:1f.0",
    }


def test_addresses_behind_an_expander_begin_with_its_bus_number_and_go_through_the_expander() -> None:
    devices = (
        PciObject("/machine/peripheral/px0", "pxb-pcie", "/machine/q35/pcie.0", 0x10),
        PciObject("/machine/peripheral/rp0", "pcie-root-port", "/machine/unattached/device[9]/px0", 0x08),
        PciObject("/machine/peripheral/blk0", "virtio-blk-pci", "/machine/peripheral/rp0/rp0", 0),
    )
    roots = {"/machine/q35/pcie.0": 0, "/machine/unattached/device[9]/px0": 0x40}
    assert addresses(devices, roots, {"/machine/unattached/device[9]/px0": "/machine/peripheral/px0"}) == {
        "/machine/peripheral/px0": "0000:00:02.0",
        "/machine/peripheral/rp0": "0000:40:02.0:01.0",
        "/machine/peripheral/blk0": "0000:40:02.0:01.0:00.0",
    }


def test_json_reads_like_a_list_and_is_json() -> None:
    value: dict[str, Any] = {
        "regions": [{"id": "a" * 200, "size": "0x1"}, {"id": "b"}],
        "arguments": ["-m", "8M"],
        "long": {"x" * 100: 1, "y" * 100: 2},
        "empty": [],
    }
    text = _dump(value)
    assert json.loads(text) == value
    assert text.endswith("}\n")
    assert sum(line.startswith('    {"id"') for line in text.splitlines()) == 2
    assert '  "arguments": ["-m", "8M"],' in text.splitlines()
