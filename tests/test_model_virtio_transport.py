"""virtio devices behind registers in memory (virtio.md 1): legacy rings with an alignment, no vectors."""

from __future__ import annotations

import struct

import pytest
from mutants import Case, Cases, Change, Edit, again, check, on, page, patch, put, subsection

BLK, SCSI, NET, RNG = "virtio-blk", "02a00/virtio-scsi", "virtio-net", "virtio-rng"
INCONSISTENT = "inconsistent with Host index"
VERSION_1 = 1 << 32
RAM, END = 0x800000, 0x1000000


def case(edit: Edit, verdict: str = "accepted", text: str = "") -> Case:
    return Case(edit, verdict, text, machine="microvm-virtio")


def ring(index: int) -> bytes:
    return struct.pack("<HH", 0, index)


def queue(what: str, value: int, device: str = SCSI, number: int = 2) -> Change:
    return put(device, f"queues.queue[{number}].{what}", value)


RECORD = struct.pack(">IIQH", 64, 4096, 0, 0)

CASES: Cases = {
    "registers": case(on(put(BLK, "host_features_sel", 1), put(BLK, "guest_features_sel", 9))),
    "page shift": case(put(BLK, "guest_page_shift", 0xFFFFFFFF)),
    "an interrupt": case(put(BLK, "head.isr", 3)),
    "aligned to 1": case(queue("align", 1), "refused", "VQ 2 size 0x100 < last_avail_idx"),
    "aligned to 8192": case(queue("align", 8192), "refused"),
    "aligned to 3": case(queue("align", 3), "refused"),
    "aligned to all of 32 bits": case(queue("align", 0xFFFFFFFF), text="Cannot map used"),
    "not aligned at all": case(queue("align", 0), text=INCONSISTENT),
    "ring of 0": case(queue("num", 0), text=INCONSISTENT),
    "ring of 128": case(queue("num", 128), text=INCONSISTENT),
    "ring of 0x8000": case(queue("num", 0x8000), text="Cannot map"),
    "last 0": case(queue("last_avail_idx", 0), text="delta 0x107"),
    "elsewhere": case(queue("desc", RAM), text=INCONSISTENT),
    "elsewhere, and both indices there": case(
        on(
            queue("desc", RAM),
            page(RAM + 0x1000, ring(263), "microvm.ram"),
            page(RAM + 0x2000, ring(263), "microvm.ram"),
        )
    ),
    "nowhere": case(queue("desc", 0x80000000), text=INCONSISTENT),
    "across the end of RAM": case(queue("desc", END - 0x800), text="Cannot map desc"),
    "in the registers of a device": case(queue("desc", 0xFEB00000), text="Cannot map"),
    "no ring": case(queue("desc", 0), "refused", "VQ 2 address 0x0 inconsistent with Host index"),
    "no ring, last 0": case(on(queue("desc", 0), queue("last_avail_idx", 0))),
    "another queue set up": case(queue("desc", RAM, RNG, 0)),
    "VERSION_1": case(
        subsection(SCSI, "virtio/64bit_features", struct.pack(">Q", VERSION_1)), "refused", "unsupported"
    ),
    "queue addresses": case(subsection(SCSI, "virtio/virtqueues", bytes(16384))),
    "extra state": case(
        subsection(SCSI, "virtio/extra_state", b"\5\x11virtio_mmio/state\0\0\0\1" + bytes(8 + 27 * 1024))
    ),
    "extra state of nothing": case(subsection(SCSI, "virtio/extra_state", b"")),
    "extra state of PCI": case(
        subsection(SCSI, "virtio/extra_state", b"\5\x17virtio_pci/modern_state\0\0\0\1"), "refused"
    ),
    "broken": case(subsection(SCSI, "virtio/broken", b"\1")),
    "twice": case(again(SCSI)),
    "twice, elsewhere": case(again(SCSI, queue("desc", RAM)), text=INCONSISTENT),
    "net without queues": case(patch(NET, ("queues.num", 58, bytes(4))), "aborted"),
    "net: five queues": case(patch(NET, ("queues.num", 4, struct.pack(">I", 5) + 2 * RECORD)), "aborted"),
    "net: four queues": case(patch(NET, ("queues.num", 4, struct.pack(">I", 4) + RECORD)), "aborted"),
    "net: first ring of 0": case(put(NET, "queues.queue[0].num", 0), "aborted", "old_num_queues >= 3"),
}


@pytest.mark.parametrize("one", CASES.values(), ids=CASES.keys())
def test_the_model(one: Case) -> None:
    check(one)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
