"""The ram section's records on shipped streams (stream.md 4, 2.11)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from mutants import (
    Q35,
    Case,
    Cases,
    Change,
    check,
    header,
    insert,
    machine,
    on,
    outcome_of,
    page,
    put,
    section,
    stream,
)

from model import REFERENCE, load
from vmformat import Kind, Section, write

if TYPE_CHECKING:
    from collections.abc import Callable

EOS = struct.pack(">Q", 0x10)
AVAIL = 0x3FDE000
BLK = "02.1:00.0/virtio-blk"
MIB = 1 << 20


def named(address: int, flags: int, data: bytes = b"", block: bytes = b"pc.ram") -> bytes:
    return struct.pack(">QB", address | flags, len(block)) + block + data


def bare(address: int, flags: int, data: bytes = b"") -> bytes:
    return struct.pack(">Q", address | flags) + data


def part(*records: bytes, kind: Kind = Kind.PART) -> Change:
    """One more section, behind those there are."""
    return insert(3, Section(kind, 2, "ram", 0, 4, b"".join(records) + EOS, None, 2))


def lists(change: Callable[[bytes], bytes]) -> Change:
    return section("ram", lambda found: found.replace_payload(change(found.payload)))


def block(name: bytes, length: int, become: int | bytes, total: bool = True) -> Change:
    """A block of the list gets another length, or another name; the sum follows if `total`."""
    old = bytes([len(name)]) + name + struct.pack(">Q", length)

    def change(data: bytes) -> bytes:
        assert old in data
        if isinstance(become, bytes):
            return data.replace(old, bytes([len(become)]) + become + struct.pack(">Q", length))
        (sum_,) = struct.unpack_from(">Q", data)
        head = struct.pack(">Q", (sum_ + (become - length if total else 0)) % 2**64)
        return head + data[8:].replace(old, old[:-8] + struct.pack(">Q", become))

    return lists(change)


RING = struct.pack("<HH", 0, 2)
TABLES, LOADER, RSDP = b"/rom@etc/acpi/tables", b"/rom@etc/table-loader", b"/rom@etc/acpi/rsdp"

CASES: Cases = {
    "a page": Case(part(named(AVAIL, 8, RING.ljust(4096, b"\0")))),
    "a page, then zeros": Case(
        part(named(AVAIL, 8, RING.ljust(4096, b"\0")), named(AVAIL, 2, b"\0")), text="index 0x0"
    ),
    "a page of 0x01": Case(part(named(AVAIL, 2, b"\1"))),
    "a page of 0x02": Case(part(named(AVAIL, 2, b"\2")), text="Guest index 0x202 inconsistent"),
    "continue": Case(part(named(0, 2, b"\0"), bare(AVAIL, 0x28, RING.ljust(4096, b"\0")))),
    "continue from the section before": Case(part(bare(AVAIL, 0x28, RING.ljust(4096, b"\0")))),
    "continue at the very first": Case(
        insert(0, Section(Kind.FULL, 2, "ram", 0, 4, bare(0, 0x28, bytes(4096)) + EOS, None, 2)),
        "refused",
        "Ack, bad migration stream!",
    ),
    "xbzrle": Case(part(named(AVAIL, 0x40, b"\1\0\4\2\2\2\0"))),
    "xbzrle too long": Case(part(named(AVAIL, 0x40, b"\1\x10\1")), "refused", "len overflow!"),
    "xbzrle of another kind": Case(part(named(AVAIL, 0x40, b"\2\0\4\2\2\2\0")), "refused", "wrong compression!"),
    "xbzrle of nonsense": Case(part(named(AVAIL, 0x40, b"\1\0\4\0\0\0\0")), "refused", "decode error!"),
    "compressed": Case(part(named(AVAIL, 0x100, struct.pack(">I", 4))), "refused", "unexpected compressed page"),
    "hook": Case(part(bare(0, 0x80)), "refused", "Invalid argument"),
    "full": Case(part(bare(0, 0x01)), "refused", "Unknown combination of migration flags: 0x1"),
    "no flags": Case(part(bare(0x1000, 0)), "refused", "Unknown combination of migration flags: 0"),
    "two kinds": Case(part(named(0x1000, 0x0A)), "refused", "Unknown combination of migration flags: 0xa"),
    "multifd": Case(part(bare(0, 0x200)), "refused", "Unknown combination of migration flags: 0x200"),
    "page behind the block": Case(part(named(0x4000000, 8, bytes(4096))), "refused", "Illegal RAM offset 4000000"),
    "page of nobody": Case(part(named(0, 8, bytes(4096), b"px")), "refused", "Can't find block px"),
    "page of the BIOS": Case(part(named(0, 8, b"\xff" * 4096, b"pc.bios"))),
    "page behind EOS": Case(part(EOS, named(0, 8, bytes(4096))), "refused", "Missing section footer for ram"),
    "list twice": Case(insert(1, stream("q35-modern").sections[0])),
    "empty list": Case(part(bare(0, 4))),
    "sum too large": Case(
        lists(lambda data: struct.pack(">Q", struct.unpack_from(">Q", data)[0] + 4096) + data[8:]), "refused"
    ),
    "sum too small": Case(
        lists(lambda data: struct.pack(">Q", struct.unpack_from(">Q", data)[0] - 4096) + data[8:]), "refused"
    ),
    "block of another name": Case(block(b"pc.bios", 0x40000, b"px.bios"), "refused", 'Unknown ramblock "px.bios"'),
    "pc.ram longer": Case(
        block(b"pc.ram", 64 * MIB, 128 * MIB),
        "refused",
        "Size mismatch: pc.ram: 0x8000000 != 0x4000000: Invalid argument",
    ),
    "pc.ram shorter": Case(block(b"pc.ram", 64 * MIB, 32 * MIB), "refused", "Size mismatch: pc.ram: 0x2000000 !="),
    "tables longer": Case(block(TABLES, 0x20000, 0x40000)),
    "tables and loader of odd lengths": Case(on(block(TABLES, 0x20000, 0x20801), block(LOADER, 0x1000, 0x7FF))),
    "rsdp and tables of odd lengths": Case(on(block(RSDP, 0x1000, 20), block(TABLES, 0x20000, 0x20FEC))),
    "pc.ram of an odd length": Case(
        on(block(b"pc.ram", 64 * MIB, 64 * MIB - 1), block(TABLES, 0x20000, 0x20001)), text=""
    ),
    "tables too long": Case(block(TABLES, 0x20000, 0x201000), "refused", "Size too large: /rom@etc/acpi/tables"),
    "tables of nothing": Case(block(TABLES, 0x20000, 0)),
    "rsdp longer": Case(block(RSDP, 0x1000, 0x2000), "refused", "Size too large: /rom@etc/acpi/rsdp: 0x2000 > 0x1000"),
    "rsdp of nearly 2^64, which is the last of the list": Case(
        block(RSDP, 0x1000, 2**64 - 0x1000), "refused", "unexpected compressed page"
    ),
    "the list again behind the devices": Case(insert(-1, stream("q35-modern").sections[0])),
    "version 3": Case(
        header("ram", version=3), "refused", "error while loading state for instance 0x0 of device 'ram'"
    ),
    "version 5": Case(header("ram", version=5), "refused", "savevm: unsupported version 5 for 'ram' v4"),
    "ram as FULL": Case(header("ram", kind=Kind.FULL)),
    "PART behind END": Case(part(named(0x2000000, 2, b"\0"))),
    "END twice": Case(part(kind=Kind.END)),
    "ring from a page": Case(on(page(AVAIL, RING), put(BLK, "queues.queue[0].last_avail_idx", 2))),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


def test_what_a_page_brings_is_what_the_ring_says() -> None:
    (queue,) = outcome_of(CASES["ring from a page"]).devices[1].queues
    assert (queue.last_avail, queue.shadow_avail, queue.used, queue.inuse) == (2, 2, 1, 1)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()


def test_a_run_of_zero_pages_is_as_many_records() -> None:
    """Contents, refusal and steps are those of a load that takes them one by one."""
    filled, cleared, beyond = 7, 7, 1 << 20
    pages = [page(filled << 12, b"\xaa")]
    zeros = [struct.pack(">QB", number << 12 | 0x22, 0) for number in (*range(20), cleared, beyond, 3)]
    outcomes = []
    for run in (True, False):
        bench = machine(Q35)
        with pytest.MonkeyPatch.context() as patch:
            if not run:
                patch.setattr("model.devices.ram.zero_run", lambda *_: 0)
            edited = on(*pages)(stream(Q35))
            index = next(i for i, r in enumerate(edited.records) if isinstance(r, Section) and r.kind == 3)
            end = edited.records[index]
            assert isinstance(end, Section)
            data = write(edited.replace_record(index, end.replace_payload(end.payload[:-8] + b"".join(zeros))))
            found = load(bench, data, REFERENCE())
            content = bench.memory.ram.read("pc.ram", filled << 12, 1)
            bench.reset()
        outcomes.append((found, content))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1] == b"\0"
    assert f"Illegal RAM offset {beyond << 12:x}" in outcomes[0][0].messages
