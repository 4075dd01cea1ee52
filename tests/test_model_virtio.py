"""virtio sections, field by field, on shipped streams, by the tables of virtio.md 11."""

from __future__ import annotations

import struct

import pytest
from mutants import (
    PC,
    Case,
    Cases,
    Change,
    again,
    behind,
    byte,
    check,
    dword,
    on,
    page,
    patch,
    put,
    qword,
    subsection,
    word,
)

BLK, NET, PC_BLK, PC_NET = "02.1:00.0/virtio-blk", "02.0:00.0/virtio-net", "02.0/virtio-blk", "03.0/virtio-net"
VERSION_1 = 1 << 32
AVAIL, USED = 0x3FDE000, 0x3FDF000
INCONSISTENT = "inconsistent with Host index"
ADDRESSES = bytes(16 * 1024)


def u16(value: int) -> bytes:
    return struct.pack(">H", value)


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    return struct.pack(">Q", value)


def desc(address: int) -> Change:
    return put(BLK, "queues.queue[0].desc", address)


def avail(address: int) -> Change:
    return put(BLK, "vq[0].vring.avail", address)


def used(address: int) -> Change:
    return put(BLK, "vq[0].vring.used", address)


def last(value: int, device: str = BLK) -> Change:
    return put(device, "queues.queue[0].last_avail_idx", value)


def ring(index: int) -> bytes:
    return struct.pack("<HH", 0, index)


CASES: Cases = {
    # the transport's part, and the head
    "queue_sel 1023": Case(put(BLK, "queue_sel", 1023)),
    "queue_sel 1024": Case(put(BLK, "queue_sel", 1024), "refused", "Operation not permitted"),
    "config vector 2 of 3": Case(put(BLK, "config_vector", 2)),
    "config vector 3 of 3": Case(put(BLK, "config_vector", 3), "refused", "Invalid argument"),
    "config vector none": Case(put(BLK, "config_vector", 0xFFFF)),
    "queue vector 2": Case(put(BLK, "queues.queue[0].vector", 2)),
    "queue vector 3": Case(put(BLK, "queues.queue[0].vector", 3), "refused", "Invalid argument"),
    "vector of the second queue": Case(put(BLK, "queues.queue[1].vector", 9), "refused", "Invalid argument"),
    "status 0": Case(put(BLK, "head.status", 0)),
    "status ff": Case(put(BLK, "head.status", 0xFF)),
    "isr": Case(put(BLK, "head.isr", 0xFF)),
    "config longer": Case(patch(BLK, ("config_len", 4, u32(65)), ("queues.num", 0, bytes(8)))),
    "config shorter": Case(patch(BLK, ("config_len", 4, u32(49)), ("head.config", 8, b""))),
    "config of nothing": Case(patch(BLK, ("config_len", 4, u32(0)), ("head.config", 57, b""))),
    "config length lies": Case(put(BLK, "config_len", 65), "refused", "Failed to load virtio-blk:virtio"),
    "config of nonsense": Case(put(BLK, "head.config", b"\xff" * 57)),
    "MSI-X table of all ones": Case(patch(BLK, ("msix[0].address_lo", 48, b"\xff" * 48))),
    "MSI-X pending": Case(put(BLK, "msix.pending", b"\xff")),
    "MSI-X pending, on": Case(on(byte(BLK, 0xDF, 0x80), put(BLK, "msix.pending", b"\xff"))),
    "interrupt pin 0": Case(byte(BLK, 0x3D, 0), "aborted", "pci_irq_handler: Assertion"),
    "interrupt pin 5": Case(byte(BLK, 0x3D, 5), "aborted", "pci_irq_handler: Assertion"),
    "interrupt pin 4": Case(byte(BLK, 0x3D, 4)),
    "interrupt pin 5, MSI-X on": Case(on(byte(BLK, 0x3D, 5), byte(BLK, 0xDF, 0x80))),
    "interrupt pin 5, of a port": Case(byte("02.1/pcie-root-port", 0x3D, 5)),
    "interrupt pin 5, of ahci": Case(byte("ich9_ahci", 0x3D, 5)),
    # the queues' number and records
    "no queues": Case(patch(BLK, ("queues.num", 36, u32(0)))),
    "one queue": Case(patch(BLK, ("queues.num", 4, u32(1)), ("queues.queue[1].num", 16, b""))),
    "four queues": Case(
        patch(BLK, ("queues.num", 4, u32(4)), ("requests@end", 0, 2 * (u32(256) + bytes(10) + u16(0xFFFF))))
    ),
    "a queue that a legacy device did not make has no rings": Case(
        patch(
            "02.0/virtio-blk",
            ("queues.num", 4, u32(2)),
            ("requests@end", 0, u32(256) + (0xFFF800).to_bytes(8, "big") + bytes(2) + u16(0xFFFF)),
        ),
        machine=PC,
    ),
    "1025 queues": Case(put(BLK, "queues.num", 1025), "refused", "Invalid number of virtqueues: 0x401"),
    "ring of 0": Case(put(BLK, "queues.queue[0].num", 0), "aborted", "Assertion `len > 0' failed."),
    "ring of 0 without rings": Case(on(put(BLK, "queues.queue[0].num", 0), desc(0), last(0))),
    "ring of 255": Case(put(BLK, "queues.queue[0].num", 255)),
    "ring of 1": Case(put(BLK, "queues.queue[0].num", 1)),
    "ring of 0x8000": Case(put(BLK, "queues.queue[0].num", 0x8000), text="Cannot map desc"),
    "ring of 2^32-1": Case(put(BLK, "queues.queue[0].num", 0xFFFFFFFF), text="Cannot map desc"),
    "second ring of 0": Case(put(BLK, "queues.queue[1].num", 0)),
    "second ring set up": Case(on(put(BLK, "queues.queue[1].desc", 0x100000), put(BLK, "vq[1].vring.used", 0x102000))),
    "second ring far away": Case(put(BLK, "queues.queue[1].desc", 0x100000000)),
    "no ring, last 1": Case(desc(0), "refused", "VQ 0 address 0x0 inconsistent with Host index 0x1"),
    "no ring, last 0": Case(on(desc(0), last(0))),
    "no second ring, last 7": Case(
        put(BLK, "queues.queue[1].last_avail_idx", 7), "refused", "VQ 1 address 0x0 inconsistent with Host index 0x7"
    ),
    # indices
    "last 2": Case(last(2), text="VQ 0 size 0x100 Guest index 0x1 inconsistent with Host index 0x2: delta 0xffff"),
    "last 0": Case(last(0), "refused", "VQ 0 size 0x100 < last_avail_idx 0x0 - used_idx 0x1"),
    "last 256 behind": Case(last(0xFF01), "refused", "last_avail_idx 0xff01 - used_idx 0x1"),
    "last 257 behind": Case(last(0xFF00), text="delta 0x101"),
    "avail ahead": Case(page(AVAIL, ring(0x101))),
    "avail too far ahead": Case(page(AVAIL, ring(0x102)), text="delta 0x101"),
    "used behind": Case(on(page(USED, ring(0xFF01)), page(AVAIL, ring(1)))),
    "used too far behind": Case(page(USED, ring(0xFF00)), "refused", "last_avail_idx 0x1 - used_idx 0xff00"),
    "all around 0xffff": Case(on(page(AVAIL, ring(3)), page(USED, ring(0xFFFE)), last(0xFFFF))),
    # addresses
    "empty RAM, last 0": Case(on(desc(0x2000000), avail(0x2001000), used(0x2002000), last(0))),
    "empty RAM, last 1": Case(on(desc(0x2000000), avail(0x2001000), used(0x2002000)), text="Guest index 0x0"),
    "above RAM, last 0": Case(on(desc(0x5000000), avail(0x5001000), used(0x5002000), last(0))),
    "above RAM, last 1": Case(on(desc(0x5000000), avail(0x5001000), used(0x5002000)), text=INCONSISTENT),
    "at 2^63": Case(on(desc(1 << 63), avail(1 << 63), used(1 << 63), last(0))),
    "at the last address": Case(on(desc((1 << 64) - 1), last(1))),
    "avail at the last address": Case(avail((1 << 64) - 2)),
    "desc crosses the end of RAM": Case(desc(0x3FFF800), text="Cannot map desc"),
    "used crosses the end of RAM": Case(used(0x3FFFE00), text="Cannot map used"),
    "avail crosses the end of RAM": Case(avail(0x3FFFF00), text="Cannot map avail"),
    "desc unaligned": Case(desc(0x3000001)),
    "desc in the HPET": Case(desc(0xFED00000), text="Cannot map desc"),
    "desc in the IOAPIC": Case(desc(0xFEC00000)),
    "desc in flash": Case(desc(0xFFFC0000)),
    "desc in own BAR": Case(desc(0xFE800000)),
    "desc in the config window": Case(desc(0xB0000000)),
    "avail in the config window": Case(avail(0xB0000000), text="Guest index 0x29c0"),
    "avail in the config window of nobody": Case(avail(0xB0008000), text="Guest index 0xffff"),
    "avail in the config window of a bus": Case(avail(0xB0200000), text="Guest index 0x1042"),
    "avail in config space behind its end": Case(avail(0xB0000FF0), text="Guest index 0xffff"),
    "avail in another's config space": Case(avail(0xB00FA100), text="Guest index 0xffff"),
    "avail in RAM under the BIOS": Case(avail(0xE8000), text=INCONSISTENT),
    "used in the BIOS's shadow": Case(used(0xF0000)),
    "used in the BIOS's shadow, written": Case(
        on(used(0xF0000), page(0xF0000, ring(0xC483))), "refused", "- used_idx 0xc483"
    ),
    "desc crosses from shadowed ROM to RAM": Case(desc(0xE7800)),
    "desc crosses from RAM to shadowed ROM": Case(desc(0xC2800)),
    "used crosses from RAM to shadowed ROM": Case(used(0xC2E00)),
    "ring in the E segment": Case(on(desc(0xE8000), avail(0xE9000), used(0xEA000), last(0))),
    "ring in the E segment, mch behind": Case(
        on(desc(0xE8000), avail(0xE9000), used(0xEA000), last(0), behind("mch", BLK)), text=""
    ),
    "everything at 0": Case(on(avail(0), used(0)), text=INCONSISTENT),
    # status bits and interrupts of a broken ring
    "broken with MSI-X on": Case(on(byte(BLK, 0xDF, 0x80), put(BLK, "config_vector", 0), last(2)), text=INCONSISTENT),
    "broken with master off": Case(on(word(BLK, 4, 0x102), last(2)), text=INCONSISTENT),
    # features
    "features_lo of all ones": Case(put(BLK, "features_lo", 0xFFFFFFFF)),
    "bit 63": Case(
        put(BLK, "guest_features", VERSION_1 | 1 << 63), "refused", "Features 0x8000000100000000 unsupported"
    ),
    "packed": Case(put(BLK, "guest_features", VERSION_1 | 1 << 34), "refused", "Features 0x500000000 unsupported"),
    "no VERSION_1": Case(put(BLK, "guest_features", 0x44)),
    "event index": Case(put(BLK, "guest_features", VERSION_1 | 1 << 29)),
    "event index at the end of RAM": Case(
        on(put(BLK, "guest_features", VERSION_1 | 1 << 29), avail(0x4000000 - 0x204), last(0)), text="Cannot map avail"
    ),
    "avail to the end of RAM": Case(on(avail(0x4000000 - 0x204), last(0)), "refused", "used_idx 0x1"),
    # subsections
    "no 64bit_features": Case(subsection(BLK, "virtio/64bit_features")),
    "no virtqueues": Case(subsection(BLK, "virtio/virtqueues"), text="Guest index 0x0"),
    "no extra_state": Case(subsection(BLK, "virtio/extra_state")),
    "no started": Case(subsection(BLK, "virtio/started")),
    "started twice": Case(subsection(BLK, "virtio/started", None, b"\0")),
    "started of 0x7f": Case(put(BLK, "started.started", 0x7F)),
    "virtqueues twice": Case(subsection(BLK, "virtio/virtqueues", None, ADDRESSES), text=INCONSISTENT),
    "broken": Case(subsection(BLK, "virtio/broken", b"\1")),
    "broken, then not": Case(subsection(BLK, "virtio/broken", b"\1", b"\0")),
    "disabled": Case(subsection(BLK, "virtio/disabled", b"\1")),
    "endian 0": Case(subsection(BLK, "virtio/device_endian", b"\0")),
    "endian 2": Case(subsection(BLK, "virtio/device_endian", b"\2")),
    "endian 7": Case(subsection(BLK, "virtio/device_endian", b"\7")),
    "unknown": Case(subsection(BLK, "virtio/foo", b""), "refused", "No such file or directory"),
    "unknown without a slash": Case(subsection(BLK, "virtio-foo", b""), "refused", "No such file or directory"),
    "somebody else's": Case(subsection(BLK, "xvirtio/foo", b""), "refused", "Missing section footer"),
    "started of version 2": Case(
        subsection(BLK, "virtio/started", b"\1", version=2),
        "refused",
        "virtio/started: incoming version_id 2 is too new for local version_id 1",
    ),
    "started of version 0x101": Case(subsection(BLK, "virtio/started", b"\1", version=0x101)),
    "started cut off": Case(subsection(BLK, "virtio/started", b""), "refused"),
    "packed queues of a split device": Case(
        subsection(BLK, "virtio/packed_virtqueues", (u16(9) + b"\1" + u16(3) + b"\0" + u32(2)).ljust(10 * 1024, b"\0")),
        text=INCONSISTENT,
    ),
    "ringsize": Case(subsection(BLK, "virtio/ringsize", u32(128) * 1024)),
    "none at all": Case(
        on(*(subsection(BLK, f"virtio/{name}") for name in ("64bit_features", "virtqueues", "extra_state", "started")))
    ),
    # twice, and the listener in between
    "again with the ring elsewhere": Case(
        on(again(BLK, on(desc(0x2000000), avail(0x2001000), used(0x2002000), last(0))))
    ),
    "again without ring": Case(again(BLK, on(desc(0), last(0)))),
    "again with the features gone": Case(again(BLK, subsection(BLK, "virtio/64bit_features"))),
    "ring covered later": Case(on(again("mch", qword("mch", 0x60, 1)))),
    "ring cut later": Case(on(again("mch", byte("mch", 0x9E, 0x39)), desc(0x3EFF800)), text=""),
    "ring cut later by the root complex": Case(
        on(
            desc(0x100000),
            avail(0x101000),
            used(0x102000),
            last(0),
            behind("ICH9LPC", BLK),
            dword("ICH9LPC", 0xF0, 0x104001),
        )
    ),
    "ring cut in the middle later": Case(
        on(
            desc(0x103800),
            avail(0x101000),
            used(0x102000),
            last(0),
            behind("ICH9LPC", BLK),
            dword("ICH9LPC", 0xF0, 0x104001),
        ),
        text="Cannot map desc",
    ),
    "version 1": Case(put(BLK, "pci.version_id", 1)),
    "version 1, then 2": Case(on(again(BLK), put(BLK, "pci.version_id", 1)), "refused"),
    "version 0": Case(put(BLK, "pci.version_id", 0)),
    # a legacy device
    "legacy: ring of 255": Case(put(PC_BLK, "queues.queue[0].num", 255), machine=PC),
    "legacy: ring of 0": Case(put(PC_BLK, "queues.queue[0].num", 0), machine=PC),
    "legacy: ring of 0x8000": Case(put(PC_BLK, "queues.queue[0].num", 0x8000), machine=PC, text="Cannot map"),
    "legacy: last 2": Case(last(2, PC_BLK), text=INCONSISTENT, machine=PC),
    "legacy: last 0": Case(last(0, PC_BLK), "refused", "last_avail_idx 0x0 - used_idx 0x1", machine=PC),
    "legacy: ring in a hole": Case(put(PC_BLK, "queues.queue[0].desc", 0x80000000), text=INCONSISTENT, machine=PC),
    "legacy: desc at the end": Case(
        put(PC_BLK, "queues.queue[0].desc", (1 << 64) - 0x1000), text=INCONSISTENT, machine=PC
    ),
    "legacy: VERSION_1": Case(put(PC_BLK, "guest_features", VERSION_1), "refused", "unsupported", machine=PC),
    "legacy: with virtqueues": Case(subsection(PC_BLK, "virtio/virtqueues", ADDRESSES), machine=PC),
    "legacy: event index": Case(put(PC_BLK, "guest_features", 1 << 29), machine=PC),
}

RECORD = u32(64) + bytes(10) + u16(0xFFFF)
MQ = 1 << 22
NET_CASES: Cases = {
    "net: ring set up": Case(
        on(
            *(put(NET, f"queues.queue[{index}].desc", 0x100000 + 0x4000 * index) for index in range(3)),
            *(
                put(NET, f"vq[{index}].vring.{what}", 0x100000 + 0x4000 * index + at)
                for index in range(3)
                for what, at in (("avail", 0x1000), ("used", 0x2000))
            ),
            put(NET, "guest_features", VERSION_1),
        )
    ),
    "net: 65 macs": Case(patch(NET, ("mac_table.in_use", 4, u32(65) + bytes(390)))),
    "net: 64 macs": Case(patch(NET, ("mac_table.in_use", 4, u32(64) + bytes(384)))),
    "net: 65 macs that are not there": Case(put(NET, "mac_table.in_use", 65), "refused"),
    "net: 2^31 macs": Case(put(NET, "mac_table.in_use", 0x80000000)),
    "net: 2^24 macs": Case(put(NET, "mac_table.in_use", 0x1000000), "refused", "Input/output error"),
    "net: vnet header": Case(put(NET, "has_vnet_hdr", 1), "refused", "virtio-net: saved image requires vnet_hdr=on"),
    "net: UFO": Case(put(NET, "has_ufo", 1), "refused", "virtio-net: saved image requires TUN_F_UFO support"),
    "net: offloads without a field": Case(put(NET, "features_lo", 4), "refused"),
    "net: offloads": Case(patch(NET, ("features_lo", 4, u32(4)), ("has_ufo", 1, bytes(9)))),
    "net: VLANs": Case(put(NET, "vlans", b"\xaa" * 512)),
    "net: tx waiting": Case(put(NET, "tx_waiting", 1)),
    "net: MQ": Case(put(NET, "guest_features", VERSION_1 | MQ), "refused"),
    "net: rss in its place": Case(patch(NET, ("has_ufo", 1, b"\0\5\x15virtio-net-device/rss" + u32(1) + bytes(51)))),
    "net: rss enabled": Case(
        patch(NET, ("has_ufo", 1, b"\0\5\x15virtio-net-device/rss" + u32(1) + b"\1\1\0" + bytes(48))),
        text="warning: Can't post-load eBPF RSS - fallback to software RSS",
    ),
    "net: rss enabled, with hashes": Case(
        patch(NET, ("has_ufo", 1, b"\0\5\x15virtio-net-device/rss" + u32(1) + b"\1\1\1" + bytes(48)))
    ),
    "net: rss behind the core's": Case(subsection(NET, "virtio-net-device/rss", bytes(51)), "refused", "No such file"),
    "net: disabled": Case(put(NET, "disabled.disabled", 0)),
    "net: broken": Case(subsection(NET, "virtio/broken", b"\1")),
    "net: status": Case(put(NET, "head.status", 0x0F)),
    # the number of queues is taken from the rings' sizes when features are set
    "net: first ring of 0": Case(
        put(NET, "queues.queue[0].num", 0), "aborted", "Assertion `old_num_queues >= 3' failed."
    ),
    "net: second ring of 0": Case(
        put(NET, "queues.queue[1].num", 0), "aborted", "Assertion `old_num_queues >= 3' failed."
    ),
    "net: third ring of 0": Case(
        put(NET, "queues.queue[2].num", 0), "aborted", "Assertion `old_num_queues >= 3' failed."
    ),
    "net: no queues": Case(patch(NET, ("queues.num", 52, u32(0))), "aborted"),
    "net: one queue": Case(patch(NET, ("queues.num", 52, u32(1) + RECORD)), "aborted", "old_num_queues >= 3"),
    "net: two queues": Case(patch(NET, ("queues.num", 52, u32(2) + 2 * RECORD)), "aborted", "old_num_queues >= 3"),
    "net: four queues": Case(patch(NET, ("queues.num", 4, u32(4)), ("mac[0]", 0, RECORD))),
    "net: fourth ring of 0": Case(patch(NET, ("queues.num", 4, u32(4)), ("mac[0]", 0, bytes(14) + u16(0xFFFF)))),
    "net: five queues": Case(patch(NET, ("queues.num", 4, u32(5)), ("mac[0]", 0, 2 * RECORD))),
    "net: five queues, twice": Case(on(patch(NET, ("queues.num", 4, u32(5)), ("mac[0]", 0, 2 * RECORD)), again(NET))),
    "net: five queues, the fifth of 0": Case(
        patch(NET, ("queues.num", 4, u32(5)), ("mac[0]", 0, RECORD + bytes(14) + u16(0xFFFF))),
        "aborted",
        "Assertion `old_num_queues % 2 == 1' failed.",
    ),
    "net: five queues, the fourth of 0": Case(
        patch(NET, ("queues.num", 4, u32(5)), ("mac[0]", 0, bytes(14) + u16(0xFFFF) + RECORD))
    ),
    "net: seven queues": Case(patch(NET, ("queues.num", 4, u32(7)), ("mac[0]", 0, 4 * RECORD))),
    "net: eight queues": Case(patch(NET, ("queues.num", 4, u32(8)), ("mac[0]", 0, 5 * RECORD)), "aborted"),
    "net: nine queues that are used no more": Case(
        patch(NET, ("queues.num", 4, u32(9)), ("mac[0]", 0, bytes(14) + u16(0xFFFF) + 5 * RECORD))
    ),
    "net: 19 queues": Case(patch(NET, ("queues.num", 4, u32(19)), ("mac[0]", 0, 16 * RECORD)), "aborted"),
    "net: features and rings wrong": Case(
        on(put(NET, "queues.queue[0].num", 0), put(NET, "guest_features", 1 << 63)), "aborted", "old_num_queues >= 3"
    ),
    "net: pc, first ring of 0": Case(
        put(PC_NET, "queues.queue[0].num", 0), "aborted", "Assertion `old_num_queues >= 3' failed.", machine=PC
    ),
    "net: pc, vnet header": Case(put(PC_NET, "has_vnet_hdr", 1), "refused", "requires vnet_hdr=on", machine=PC),
    "net: pc, two sections": Case(again(PC_NET), machine=PC),
}
CASES |= NET_CASES


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
