from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmformat import decode, encode
from vmformat.pci import (
    CONFIG_SIZE,
    EXPRESS_CONFIG_SIZE,
    Msix,
    capabilities,
    config_node,
    find_capability,
    msix_vectors,
    pci_device_schema,
    registers,
)


def config(size: int, *pieces: tuple[int, str]) -> bytes:
    data = bytearray(size)
    for at, text in pieces:
        piece = bytes.fromhex(text)
        data[at : at + len(piece)] = piece
    return bytes(data)


# Chains of facts: pci.md 1.3.
ROOT_PORT = config(
    4096,
    (0x00, "361b0c00 07010010 00000406 00008100"),
    (0x34, "54"),
    (0x54, "1048 4201"),
    (0x48, "1140 0080"),
    (0x40, "0d00"),
    (0x100, "01008214"),
    (0x148, "0d000100"),
)
VIRTIO = config(
    4096,
    (0x00, "f41a4210 07001000 01000001 00000000"),
    (0x34, "dc"),
    (0xDC, "11c8 0480"),
    (0xC8, "09b4 1405"),
    (0xB4, "09a4 1402"),
    (0xA4, "0994 1004"),
    (0x94, "0984 1003"),
    (0x84, "097c 1001"),
    (0x7C, "0140"),
    (0x40, "1000"),
)

CHAINS: dict[str, tuple[bytes, list[str]]] = {
    "root port": (ROOT_PORT, ["pcie", "msix", "ssvid", "aer", "acs"]),
    "virtio": (
        VIRTIO,
        ["msix", "virtio_config_window", "virtio_notify", "virtio_device", "virtio_isr", "virtio_common", "pm", "pcie"],
    ),
    "none": (bytes(256), []),
    "into the header": (config(256, (0x34, "10"), (0x10, "1000")), []),
    "a circle": (config(256, (0x34, "40"), (0x40, "0150"), (0x50, "0140")), ["pm", "pm_0x50"]),
    "an unknown one": (config(256, (0x34, "40"), (0x40, "7700")), ["cap_0x77"]),
    "at the very end": (config(256, (0x34, "fc"), (0xFC, "0100")), []),
    "unaligned": (config(256, (0x34, "43"), (0x40, "0500")), ["msi"]),
    "another vendor": (config(256, (0x34, "40"), (0x40, "0900 10 01")), ["vendor"]),
    "extended, only ones": (config(4096, (0x100, "ffffffff")), []),
    "an unknown extended one": (config(4096, (0x100, "99000100")), ["ecap_0x0099"]),
    "cut off": (b"\1\2\3", []),
}


@pytest.mark.parametrize("case", CHAINS, ids=str)
def test_capabilities(case: str) -> None:
    data, names = CHAINS[case]
    assert [cap.name for cap in capabilities(data)] == names


@pytest.mark.parametrize(
    ("data", "vectors", "express"), [(ROOT_PORT, 1, 0x54), (VIRTIO, 5, 0x40), (bytes(256), 0, None)]
)
def test_what_shapes_are_told_by(data: bytes, vectors: int, express: int | None) -> None:
    assert msix_vectors(data) == vectors
    assert find_capability(data, 0x10) == express


def test_registers_by_name() -> None:
    port = {node.name: (node.offset, node.type, node.value) for node in config_node(ROOT_PORT, 1000)}
    assert port["vendor_id"] == (1000, "le16", 0x1B36)
    assert port["command"] == (1004, "le16", 0x0107)
    assert port["secondary_bus"][0] == 1000 + 0x19
    assert port["pcie.slot_control"][0] == 1000 + 0x54 + 0x18
    assert port["acs.control"][0] == 1000 + 0x148 + 6
    device = {node.name: node.offset for node in config_node(VIRTIO)}
    assert device["bar4"] == 0x20
    assert device["virtio_notify.multiplier"] == 0xB4 + 16
    assert "secondary_bus" not in device


@given(st.binary(min_size=0, max_size=64), st.sampled_from([64, 256, 4096]), st.integers(0, 250))
def test_names_cover_every_byte_once(piece: bytes, size: int, at: int) -> None:
    data = bytearray(size)
    data[at : at + len(piece)] = piece
    data = data[:size]
    expected = 0
    for offset, length, _ in registers(bytes(data)):
        assert offset == expected
        expected = offset + length
    assert expected == len(data)
    names = [name for _, _, name in registers(bytes(data))]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("vectors", [1, 2, 3, 5, 7, 8, 9, 64, 65, 2048])
def test_msix_state_tells_its_vectors(vectors: int) -> None:
    state = Msix(bytes(16 * vectors + (vectors + 7) // 8))
    assert state.vectors == vectors
    children = state.expand(0)
    assert len(children) == vectors + 1
    assert children[-1].offset == 16 * vectors
    assert sum(child.size for child in children) == len(state.data)


@pytest.mark.parametrize(("express", "size"), [(False, CONFIG_SIZE), (True, EXPRESS_CONFIG_SIZE)])
def test_the_common_part(express: bool, size: int) -> None:
    schema = pci_device_schema(express=express)
    payload = b"\0\0\0\2" + VIRTIO[:size] + b"\0\0\0\1" + bytes(12)
    tree = decode(schema, payload)
    name = schema.fields[1].name
    node = tree.find(f"{name}.device_id")
    assert node is not None
    assert (node.offset, node.value) == (6, 0x1042)
    assert encode(schema, tree.values()) == payload
