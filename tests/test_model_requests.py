"""Requests under way: their segments are mapped while the section loads (virtio.md 4.1, 11)."""

from __future__ import annotations

import struct

import pytest
from mutants import PC, Case, Cases, Change, byte, check, on, patch, qword, raw, word

BLK, PC_BLK = "02.1:00.0/virtio-blk", "02.0/virtio-blk"
RAM, HOLE = 0x1000000, 0x80000000
SPLIT, UNMAPPED = "virtio: unexpected memory split", "virtio: error trying to map MMIO memory"
Segments = list[tuple[int, int]]


def element(written: Segments, read: Segments, numbers: tuple[int, int] | None = None) -> bytes:
    """One request: what the device writes, what it reads, and the numbers of both if they lie."""
    in_num, out_num = numbers or (len(written), len(read))
    data = bytearray(49168)
    struct.pack_into("<III", data, 0, 0, out_num, in_num)
    for segments, addresses, pairs in ((written, 16, 16400), (read, 8208, 32784)):
        for index, (address, length) in enumerate(segments):
            struct.pack_into("<Q", data, addresses + 8 * index, address)
            struct.pack_into("<Q", data, pairs + 16 * index + 8, length)
    return bytes(data)


def request(data: bytes, queue: int | None = 0, mark: int = 1) -> bytes:
    return bytes([mark]) + (b"" if queue is None else struct.pack(">I", queue)) + data


def under_way(*requests: bytes, device: str = BLK) -> Change:
    return patch(device, ("requests@end", 0, b"".join(requests)))


GOOD = element([(RAM, 512), (RAM + 512, 1)], [(RAM + 0x1000, 16)])

CASES: Cases = {
    "one": Case(under_way(request(GOOD))),
    "two": Case(under_way(request(GOOD), request(GOOD, 1))),
    "any mark": Case(under_way(request(GOOD, mark=0x80))),
    "no segments": Case(under_way(request(element([], [])))),
    "queue 2 of 2": Case(under_way(request(GOOD, 2)), "refused", "Invalid virtqueue index in request list: 0x2"),
    "nowhere": Case(under_way(request(element([(HOLE, 512)], [])))),
    "nowhere, twice": Case(under_way(request(element([(HOLE, 512)], [(HOLE, 16)]))), "refused", UNMAPPED),
    "nowhere, in two requests": Case(under_way(*2 * [request(element([(HOLE, 512)], []))]), "refused", UNMAPPED),
    "nowhere, a page": Case(under_way(request(element([(HOLE, 4096)], [])))),
    "nowhere, more than a page": Case(under_way(request(element([(HOLE, 4097)], []))), "refused", SPLIT),
    "across the end of RAM": Case(under_way(request(element([(0x3FFFFF0, 32)], []))), "refused", SPLIT),
    "to the end of RAM": Case(under_way(request(element([(0x3FFFFF0, 16)], [])))),
    "of no length": Case(under_way(request(element([(RAM, 0)], []))), "refused", UNMAPPED),
    "1025 to write": Case(under_way(request(element([], [], (1025, 0)))), "aborted", "data.in_num"),
    "1025 to read": Case(under_way(request(element([], [], (0, 1025)))), "aborted", "data.out_num"),
    "1024 to read": Case(under_way(request(element([], [(RAM, 1)] * 1024)))),
    "writes to the shadowed ROM": Case(under_way(request(element([(0xF0000, 16)], [])))),
    "writes to the shadowed ROM, twice": Case(under_way(request(element([(0xF0000, 16)] * 2, [])))),
    "reads the shadowed ROM": Case(under_way(request(element([], [(0xF0000, 16)] * 2)))),
    "reads across shadowed ROM and RAM": Case(under_way(request(element([], [(0xE7FF0, 32)])))),
    "writes across RAM and shadowed ROM": Case(under_way(request(element([(0xEFFF0, 32)], [])))),
    "writes to flash, twice": Case(under_way(request(element([(0xFFFC0000, 16)] * 2, []))), "refused", UNMAPPED),
    "reads flash": Case(under_way(request(element([], [(0xFFFC0000, 0x1000)] * 2)))),
    "reads a register": Case(under_way(request(element([], [(0xFED00000, 16)])))),
    "reads the config window": Case(under_way(request(element([], [(0xB0000000, 16)])))),
    "at the last address": Case(under_way(request(element([((1 << 64) - 1, 1)], [])))),
    "around the last address": Case(under_way(request(element([((1 << 64) - 1, 2)], [])))),
    "without bus master": Case(on(word(BLK, 4, 0x103), under_way(request(GOOD)))),
    "into a window that covers RAM": Case(on(qword("mch", 0x60, 1), under_way(request(element([(RAM, 16)], []))))),
    "into RAM that TSEG has taken": Case(
        on(byte("mch", 0x9E, 0x39), under_way(request(element([(0x3F00000, 16)] * 2, [])))), "refused", UNMAPPED
    ),
    "cut in the request": Case(raw(lambda data: data[: len(data) - 45000]), "refused"),
    "pc, without a queue's number": Case(
        under_way(request(element([(RAM // 2, 512)], [(RAM // 2, 16)]), None), device=PC_BLK), machine=PC
    ),
    "pc, nowhere, twice": Case(
        under_way(request(element([(HOLE, 512)] * 2, []), None), device=PC_BLK), "refused", UNMAPPED, machine=PC
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
