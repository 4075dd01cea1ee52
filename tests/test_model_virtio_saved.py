"""What virtio devices save again, and when they interrupt (virtio.md 2, 3)."""

from __future__ import annotations

import struct

import pytest
from mutants import PC, Case, Cases, Change, Edit, again, byte, check, on, patch, put, subsection

BLK, NET, PC_BLK = "02.1:00.0/virtio-blk", "02.0:00.0/virtio-net", "02.0/virtio-blk"
GPU, BALLOON, SERIAL = "virtio-gpu", "virtio-balloon", "virtio-console"
MSIX_CONTROL, PIN = 0xDF, 0x3D
INCONSISTENT = "inconsistent with Host index"
VERSION_1 = 1 << 32


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def zoo(edit: Edit, verdict: str = "accepted", text: str = "") -> Case:
    return Case(edit, verdict, text, machine="virtio-zoo")


def of_balloon(name: str, *words: int) -> Change:
    """A subsection of the balloon's."""
    full = f"virtio-balloon-device/{name}".encode()
    body = b"\5" + bytes([len(full)]) + full + u32(1) + b"".join(map(u32, words))
    return patch(BALLOON, ("device.actual", 4, bytes(4) + body))


BROKEN_GPU = on(
    put(GPU, "head.status", 0x0F),
    put(GPU, "queues.queue[0].desc", 0x800000),
    put(GPU, "queues.queue[0].last_avail_idx", 4),
    put(GPU, "guest_features", VERSION_1),
)
LAST_2 = put(BLK, "queues.queue[0].last_avail_idx", 2)

CASES: Cases = {
    # interrupts
    "isr": Case(put(BLK, "head.isr", 2)),
    "isr, line down": Case(on(put(BLK, "head.isr", 0), put(BLK, "pci.irq_state[0]", 1))),
    "broken, line up": Case(on(put(BLK, "head.isr", 0), LAST_2), text=INCONSISTENT),
    "broken, vector masked": Case(
        on(byte(BLK, MSIX_CONTROL, 0x80), put(BLK, "config_vector", 1), LAST_2), text=INCONSISTENT
    ),
    "broken, function masked": Case(
        on(byte(BLK, MSIX_CONTROL, 0xC0), put(BLK, "config_vector", 1), LAST_2), text=INCONSISTENT
    ),
    "broken, no vector": Case(on(byte(BLK, MSIX_CONTROL, 0x80), LAST_2), text=INCONSISTENT),
    "broken, no driver": Case(on(put(BLK, "head.status", 3), put(BLK, "head.isr", 0), LAST_2), text=INCONSISTENT),
    "broken, disabled: no interrupt": zoo(BROKEN_GPU, text=INCONSISTENT),
    "disabled: no line the second time": zoo(again(GPU, byte(GPU, PIN, 5))),
    "broken: no line the second time": Case(again(BLK, byte(BLK, PIN, 5)), "aborted", "pci_irq_handler"),
    "broken and again": Case(on(again(BLK, byte(BLK, PIN, 5)), LAST_2), text=INCONSISTENT),
    # pending bits
    "pending, masked": Case(on(byte(BLK, MSIX_CONTROL, 0x80), put(BLK, "msix.pending", b"\7"))),
    "pending, one unmasked": Case(
        on(byte(BLK, MSIX_CONTROL, 0x80), put(BLK, "msix.pending", b"\7"), put(BLK, "msix[1].control", 0))
    ),
    # config
    "config longer": Case(patch(BLK, ("config_len", 4, u32(65)), ("queues.num", 0, bytes(8)))),
    "config shorter": Case(patch(BLK, ("config_len", 4, u32(49)), ("head.config", 8, b""))),
    # what is there and what is not
    "no extra_state": Case(subsection(BLK, "virtio/extra_state")),
    "extra_state of a legacy device": Case(subsection(PC_BLK, "virtio/extra_state", b""), machine=PC),
    "endian 2": Case(subsection(BLK, "virtio/device_endian", b"\2")),
    "endian 7, then 1": Case(subsection(BLK, "virtio/device_endian", b"\7", b"\1")),
    "ringsize": Case(subsection(BLK, "virtio/ringsize", u32(128) * 2 + bytes(4088))),
    "ringsize of queues that are not there": Case(subsection(BLK, "virtio/ringsize", u32(256) * 2 + u32(7) * 1022)),
    "addresses of the last queue": Case(put(BLK, "vq[1023].vring.used", 0x1234)),
    "net: VLANs with CTRL_VLAN": Case(put(NET, "guest_features", VERSION_1 | 1 << 19)),
    "net: mergeable buffers": Case(put(NET, "guest_features", VERSION_1 | 1 << 15)),
    "net: 65 macs": Case(patch(NET, ("mac_table.in_use", 4, u32(65) + bytes(390)))),
    "balloon: poison": zoo(of_balloon("page-poison", 7)),
    "balloon: hints": zoo(of_balloon("free-page-report", 7, 1)),
    "balloon: something": zoo(of_balloon("foo", 7), "refused", "No such file or directory"),
    "serial twice": zoo(again(SERIAL)),
}


@pytest.mark.parametrize("one", CASES.values(), ids=CASES.keys())
def test_the_model(one: Case) -> None:
    check(one)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
