"""SCSI disks behind virtio-scsi: requests under way (virtio.md 4.2)."""

from __future__ import annotations

import struct

import pytest
from mutants import Case, Cases, Edit, check, patch, put
from test_model_requests import element

DISK = "scsi-disk"
RAM, LUN = 0x800000, 2
READ, WRITE, TEST = 0x28, 0x2A, 0x00
INVALID = "invalid SCSI request migration data"
COMMAND, ANSWER = (RAM, 51), (RAM + 0x1000, 108)
DATA = (RAM + 0x2000, 4096)
NOT_READY = "Failed to load SCSIDevice:requests"


def case(edit: Edit, verdict: str = "accepted", text: str = "") -> Case:
    return Case(edit, verdict, text, machine="virtio-zoo")


def request(
    opcode: int,
    what: bytes,
    *,
    mark: int = 1,
    lun: int = LUN,
    queue: int = 0,
    blocks: int = 8,
    tail: bytes = b"",
) -> bytes:
    cdb = struct.pack(">BBIBHB", opcode, 0, 16, 0, blocks, 0).ljust(16, b"\0")
    return bytes([mark]) + cdb + struct.pack(">III", 77, lun, queue) + what + tail


def moved(length: int, data: bytes = b"") -> bytes:
    """Where the disk was: sector, number of sectors, length of its buffer, what is in it."""
    return struct.pack(">QII", 128, 8, length) + data


def under_way(*requests: bytes, end: bytes = b"\0") -> Edit:
    return patch(DISK, ("requests@end", 1, b"".join(requests) + end))


SENSE = b"\5\x10SCSIDevice/sense\0\0\0\1" + bytes(range(100, 256))


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


READING = element([ANSWER, DATA], [COMMAND])
WRITING = element([ANSWER], [COMMAND, DATA])
NEITHER = element([ANSWER], [COMMAND])

CASES: Cases = {
    "a negative end": case(put(DISK, "requests@end", 0x80)),
    "the last negative end": case(put(DISK, "requests@end", 0xFF)),
    "a request that is not there": case(put(DISK, "requests@end", 1), "aborted"),
    "a read that begins again": case(under_way(request(READ, READING, tail=moved(4096)))),
    "a read that goes on": case(
        under_way(request(READ, READING, mark=2, tail=moved(4096, struct.pack(">I", 512) + bytes(512))))
    ),
    "a read that had more than it asked for": case(
        under_way(request(READ, READING, mark=2, tail=moved(512, struct.pack(">I", 513) + bytes(513)))),
        "aborted",
        "r->iov.iov_len <= r->buflen",
    ),
    "a read without a buffer": case(under_way(request(READ, READING, mark=2, tail=moved(0)))),
    "a write": case(under_way(request(WRITE, WRITING, tail=moved(4096, bytes(4096))))),
    "a command without blocks": case(under_way(request(TEST, NEITHER))),
    "two": case(under_way(request(TEST, NEITHER), request(READ, READING, tail=moved(4096)))),
    "of the other queue": case(under_way(request(TEST, NEITHER, queue=1))),
    "of no queue": case(under_way(request(TEST, NEITHER, queue=2)), "aborted", "n < vs->conf.num_queues"),
    "to another unit": case(under_way(request(READ, READING, lun=0))),
    "an answer too short": case(under_way(request(TEST, element([(RAM, 107)], [COMMAND]))), "refused", INVALID),
    "a command too short": case(under_way(request(TEST, element([ANSWER], [(RAM, 50)]))), "refused", INVALID),
    "no answer": case(under_way(request(TEST, element([], [COMMAND]))), "refused", INVALID),
    "both ways": case(under_way(request(READ, element([ANSWER, DATA], [COMMAND, DATA]))), "refused", INVALID),
    "the wrong way": case(under_way(request(READ, WRITING)), "aborted", "req->sreq->cmd.mode == req->mode"),
    "no way": case(under_way(request(WRITE, NEITHER)), "aborted", "req->sreq->cmd.mode == req->mode"),
    "no blocks wanted": case(under_way(request(READ, NEITHER, blocks=0, tail=moved(0)))),
    "an opcode of no group": case(under_way(request(0x60, NEITHER))),
    "an answer of no length": case(
        under_way(request(TEST, element([(RAM, 0)], [COMMAND]))), "refused", "virtio: error trying to map MMIO memory"
    ),
    "an answer across the end of RAM": case(
        under_way(request(TEST, element([(0xFFFFF0, 108)], [COMMAND]))), "refused", "virtio: unexpected memory split"
    ),
    "a tray that is open": case(put(DISK, "tray_open", 1)),
    "sense": case(put(DISK, "sense_len", 0xFFFFFFFF)),
    "more sense": case(patch(DISK, ("sense_len", 4, u32(252)), ("media_changed", 0, SENSE))),
    "more sense that is not used": case(patch(DISK, ("media_changed", 0, SENSE))),
    "more sense that is cut off": case(patch(DISK, ("media_changed", 0, SENSE[:-1])), "refused"),
}


LSI, ESP, MPTSAS, MEGASAS = (f"0{slot}.0/0:0:0/scsi-disk" for slot in range(2, 6))
USB = "06.0/1/0:0:0/scsi-disk"
MESSAGE = bytes(48) + struct.pack(">I", 1) + struct.pack(">QQ", RAM, 4096)


def elsewhere(disk: str, *requests: bytes, verdict: str = "accepted", text: str = "") -> Case:
    """A disk behind another controller, most of which keep nothing of a request."""
    return Case(patch(disk, ("requests@end", 1, b"".join(requests) + b"\0")), verdict, text, machine="pc-attic")


def plain(opcode: int, kept: bytes = b"", tail: bytes = b"") -> bytes:
    """A request of such a disk."""
    return (
        b"\1" + struct.pack(">BBIBHB", opcode, 0, 16, 0, 8, 0).ljust(16, b"\0") + struct.pack(">II", 7, 0) + kept + tail
    )


_READ = plain(READ, tail=moved(4096))
CASES |= {
    "lsi: a command without blocks": elsewhere(LSI, plain(TEST)),
    "lsi: two reads": elsewhere(LSI, _READ, _READ),
    "lsi: a request that is not there": Case(put(LSI, "requests@end", 1), "refused", machine="pc-attic"),
    "esp: a write": elsewhere(ESP, plain(WRITE, tail=moved(512, bytes(512)))),
    "esp: a request that is not there": Case(put(ESP, "requests@end", 1), "refused", machine="pc-attic"),
    "mptsas: a command without blocks": elsewhere(MPTSAS, plain(TEST, MESSAGE)),
    "mptsas: a read": elsewhere(MPTSAS, plain(READ, MESSAGE, moved(4096))),
    "mptsas: less than nothing": elsewhere(
        MPTSAS, plain(TEST, bytes(48) + b"\xff" * 4), verdict="aborted", text="n >= 0"
    ),
    "megasas: any request": elsewhere(MEGASAS, plain(TEST), verdict="aborted"),
    "usb: a read": elsewhere(USB, _READ),
    "usb: two": elsewhere(USB, _READ, _READ, verdict="aborted", text="s->req == NULL"),
    "usb: a request that is not there": Case(put(USB, "requests@end", 1), "aborted", machine="pc-attic"),
}


@pytest.mark.parametrize("one", CASES.values(), ids=CASES.keys())
def test_the_model(one: Case) -> None:
    check(one)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
