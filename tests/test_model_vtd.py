"""intel-iommu: which address spaces translate after a load, and where DMA leads, by the tables in guest memory."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from mutants import Case, Cases, Change, again, behind, byte, check, config, machine, on, outcome_of, page, put, stream

from fuzz.corpus import find_stream
from model import DESIGNS, Outcome, load
from vmformat import Section, read, write

IOMMU, MACHINE, XHCI, BLK = "iommu-intel", "q35-intel-iommu", "xhci", "virtio-blk"
ROOT, CONTEXTS, TOP, MIDDLE, LAST = 0x2000000, 0x2001000, 0x2002000, 0x2003000, 0x2004000
BEHIND = 0x2005000
DEVFN, PORT_DEVFN = 4 << 3, 5 << 3
REGION, TOP_OF_RAM = 0x3E00000, 31
TABLES = 1 | 1 << 8
PASS, WITH_TLB, UNKNOWN = 2 << 2, 1 << 2, 3 << 2

Entries = dict[int, int]
IDENTITY: Entries = {index: REGION + index * 4096 | 3 for index in range(512)}


def _pairs(entries: dict[int, tuple[int, int]]) -> bytes:
    table = bytearray(4096)
    for index, (low, high) in entries.items():
        struct.pack_into("<QQ", table, 16 * index, low, high)
    return bytes(table)


def _words(entries: Entries) -> bytes:
    table = bytearray(4096)
    for index, entry in entries.items():
        struct.pack_into("<Q", table, 8 * index, entry)
    return bytes(table)


def tables(
    *more: Change,
    root: tuple[int, int] = (CONTEXTS | 1, 0),
    context: tuple[int, int] = (TOP | 1, TABLES),
    top: Entries | None = None,
    middle: Entries | None = None,
    last: Entries | None = None,
) -> Change:
    """Translation is on: for the controller on bus 0 as told, for what is behind the port (bus 1) one to one."""
    return on(
        put(IOMMU, "root", ROOT),
        put(IOMMU, "dmar_enabled", 1),
        page(ROOT, _pairs({0: root, 1: (BEHIND | 1, 0)})),
        page(CONTEXTS, _pairs({DEVFN: context, 0: (TOP | 1, TABLES)})),
        page(BEHIND, _pairs({0: (TOP | 1, TABLES)})),
        page(TOP, _words({0: MIDDLE | 3} if top is None else top)),
        page(MIDDLE, _words({TOP_OF_RAM: LAST | 3} if middle is None else middle)),
        page(LAST, _words(IDENTITY if last is None else last)),
        *more,
    )


def capability(device: str, wanted: int) -> int:
    """Where a device's capability is in config space."""
    handler = next(h for h in machine(MACHINE).handlers if h.name.endswith(device))
    assert handler.function is not None
    return handler.function.capability(wanted)


def shifted(flags: int) -> Entries:
    """The same pages, with other flags."""
    return {index: entry & ~3 | flags for index, entry in IDENTITY.items()}


def _case(edit: Change, text: str = "", space: str = "qemu-xhci", shown: str = "vtd-04.0-dmar") -> Case:
    return Case(edit, text=text, shows={0x100000: shown}, space=space, machine=MACHINE)


def message(entry: tuple[int, int], *more: Change, low: int = 0xFEE00010, data: int = 0) -> Change:
    """The disk breaks and sends a message, which the table at BEHIND remaps."""
    return on(
        put(IOMMU, "intr_root", BEHIND),
        put(IOMMU, "intr_size", 0x10000),
        put(IOMMU, "intr_enabled", 1),
        page(BEHIND, struct.pack("<QQ", *entry)),
        config(BLK, MSIX + 2, b"\1\x80"),
        put(BLK, "msix[0].address_lo", low),
        put(BLK, "msix[0].address_hi", 0),
        put(BLK, "msix[0].data", data),
        put(BLK, "msix[0].control", 0),
        put(BLK, "virtio.msix.config_vector", 0),
        put(BLK, "queue[0].last_avail_idx", 5),
        *more,
    )


MSIX = capability(BLK, 0x11)
NO_ENTRY = "vtd_irte_get: detected non-present IRTE (index="
FAILED = "vtd_iommu_translate: detected translation failure (dev=00:04:00, iova=0x"
CASES: Cases = {
    "off": _case(on(), shown="pc.ram"),
    "on, no root": _case(put(IOMMU, "dmar_enabled", 1), FAILED),
    "on, root above RAM": _case(on(put(IOMMU, "dmar_enabled", 1), put(IOMMU, "root", 0x5000000)), FAILED),
    "one to one": _case(tables()),
    "bus master off": _case(tables(byte(XHCI, 4, 2)), shown=None),  # type: ignore[arg-type]
    "passes through": _case(tables(context=(PASS | 1, TABLES)), shown="pc.ram"),
    "passes through, another width": _case(tables(context=(PASS | 1, 2 | 1 << 8)), "(level 4 not supported)"),
    "no root entry": _case(tables(root=(CONTEXTS, 0)), FAILED),
    "root entry, upper half": _case(tables(root=(CONTEXTS | 1, 1)), "invalid root entry: hi=0x1, lo=0x2001001"),
    "root entry, reserved": _case(tables(root=(CONTEXTS | 3, 0)), "invalid root entry"),
    "root entry, beyond the width": _case(tables(root=(CONTEXTS | 1 | 1 << 39, 0)), "invalid root entry"),
    "contexts above RAM": _case(tables(root=(0x5000001, 0)), FAILED),
    "no context": _case(tables(context=(TOP, TABLES)), FAILED),
    "context, reserved": _case(tables(context=(TOP | 1, TABLES | 0x80)), "hi=181, lo=2002001 (reserved nonzero)"),
    "context, reserved domain": _case(tables(context=(TOP | 1, TABLES | 1 << 24)), "(reserved nonzero)"),
    "context, reserved below": _case(tables(context=(TOP | 0x11, TABLES)), "(reserved nonzero)"),
    "context, ignored": _case(tables(context=(TOP | 1, TABLES | 0x78))),
    "context, device TLB": _case(tables(context=(TOP | 1 | WITH_TLB, TABLES)), "DT specified but not supported"),
    "context, unknown": _case(tables(context=(TOP | 1 | UNKNOWN, TABLES)), "unknown ce type: 12"),
    "context, two levels": _case(tables(context=(TOP | 1, 1 << 8)), "(level 2 not supported)"),
    "context, silent": _case(tables(context=(TOP | 3, TABLES), top={}), "permission error"),
    "context, silent and absent": _case(tables(context=(TOP | 2, TABLES)), FAILED),
    "nothing": _case(tables(top={}), "level=0x3, slpte=0x0, write=0, pasid=0xffffffff)"),
    "reserved": _case(tables(top={0: MIDDLE | 0x803}), "level=0x3slpte=0x2003803, pasid=0xFFFFFFFF)"),
    "beyond the width": _case(tables(top={0: MIDDLE | 3 | 1 << 39}), "reserve non-zero"),
    "ignored": _case(tables(top={0: MIDDLE | 3 | 0x3FF << 52})),
    "transient": _case(tables(top={0: MIDDLE | 3 | 1 << 62}), "reserve non-zero"),
    "table above RAM": _case(tables(top={0: 0x5000003}), "read error on DMAR slpte"),
    "table above RAM, at once": _case(tables(context=(0x5000001, TABLES)), "read error on DMAR slpte"),
    "all ones": _case(tables(top={0: (1 << 64) - 1}), "read error on DMAR slpte"),
    "a gigabyte": _case(tables(top={0: 0x83})),
    "a gigabyte, not aligned": _case(tables(top={0: 0x1083}), "reserve non-zero"),
    "two megabytes": _case(tables(middle={TOP_OF_RAM: REGION | 0x83})),
    "two megabytes, not aligned": _case(tables(middle={TOP_OF_RAM: REGION | 0x1083}), "reserve non-zero"),
    "two megabytes, snooped": _case(tables(middle={TOP_OF_RAM: REGION | 0x883}), "reserve non-zero"),
    "only to write": _case(tables(last=shifted(2)), "permission error"),
    "only to read": _case(tables(last=shifted(1))),
    "large where nothing is larger": _case(tables(last=shifted(0x83))),
    "to the interrupts": _case(tables(last={i: 0xFEE00003 + i * 4096 for i in range(512)}), "iova=0x0"),
    "address beyond the width": _case(tables(put(XHCI, ".dcbaap_high", 0x80)), "IOVA overflow (iova=0x80"),
    "the last address of the width": _case(tables(put(XHCI, ".dcbaap_high", 0x7F)), "level=0x3"),
    "address of interrupts": _case(tables(put(XHCI, ".dcbaap_low", 0xFEE00000)), "iova=0x0"),
    "a fault before": _case(tables(put(IOMMU, "csr[52]", 2), top={}), "There are pending faults already"),
    "an overflow before": _case(tables(put(IOMMU, "csr[52]", 1), top={}), "due to Primary Fault Overflow"),
    "a queue error before": _case(tables(put(IOMMU, "csr[52]", 16), top={}), "There are previous interrupt conditions"),
    "a record before": _case(tables(put(IOMMU, "csr[559]", 0x80), top={}), "Next Fault Recording Reg is used"),
    "on, twice": _case(tables(again(IOMMU))),
    "on, then off": _case(tables(again(IOMMU, put(IOMMU, "dmar_enabled", 0))), shown="pc.ram"),
    "off, then on": _case(on(again(IOMMU, tables()))),
    "message, remapped": _case(message((1, 0)), shown="pc.ram"),
    "message, no entry": _case(message((0, 0)), NO_ENTRY + "0, high=0x0, low=0x0)", shown="pc.ram"),
    "message, reserved": _case(message((0x7001, 0)), "detected non-zero reserved IRTE", shown="pc.ram"),
    "message, reserved above": _case(message((1, 1 << 20)), "detected non-zero reserved IRTE", shown="pc.ram"),
    "message of a high index": _case(message((1, 0), low=0xFEE00014), NO_ENTRY + "32768", shown="pc.ram"),
    "message with a sub-index": _case(message((1, 0), low=0xFEE00018, data=3), NO_ENTRY + "3", shown="pc.ram"),
    "message, table above RAM": _case(
        message((1, 0), put(IOMMU, "intr_root", 0x5000000)), "read failed", shown="pc.ram"
    ),
    "message, a small table": _case(message((1, 0), put(IOMMU, "intr_size", 0)), "index too large", shown="pc.ram"),
    "message as of old": _case(message((0, 0), low=0xFEE00000), shown="pc.ram"),
    "message, not remapped": _case(message((0, 0), put(IOMMU, "intr_enabled", 0)), shown="pc.ram"),
    "behind a port": _case(tables(), space="virtio-blk-pci", shown="vtd-00.0-dmar"),
    "behind a port, passes through": _case(
        tables(page(BEHIND, _pairs({0: (PASS | 1, TABLES)}))), space="virtio-blk-pci", shown="pc.ram"
    ),
    "behind a port whose bus has no number yet, passes through": _case(
        on(tables(page(BEHIND, _pairs({0: (PASS | 1, TABLES)}))), behind("pcie-root-port", IOMMU)),
        space="virtio-blk-pci",
        shown="pc.ram",
    ),
    "behind a port, not its bus's tables": _case(tables(page(BEHIND, bytes(4096))), "dev=01:00:00"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


def test_a_ring_that_is_translated() -> None:
    """The cache of a ring behind an IOMMU translates when it is read."""
    found = outcome_of(CASES["one to one"])
    device = next(device for device in found.devices if device.kind == BLK)
    assert not device.broken
    assert [(queue.last_avail, queue.used) for queue in device.queues] == [(1, 1)]
    found = outcome_of(CASES["behind a port, not its bus's tables"])
    assert next(device for device in found.devices if device.kind == BLK).broken


def test_batched_the_device_breaks() -> None:
    """virtio.md 9.1, row 3."""
    bench = machine(MACHINE)
    try:
        found = load(bench, write(stream(MACHINE)), DESIGNS["wrap-main"]())
    finally:
        bench.reset()
    assert next(device for device in found.devices if device.kind == BLK).broken


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()


def test_a_running_linux_translates() -> None:
    """Its kernel has a table for each device: rings, slots and command lists are found through them."""
    name = "linux-intel-iommu"
    found = outcome_of(Case(on(), machine=name))
    assert (found.verdict, found.not_modelled) == ("accepted", ())
    disk = next(device for device in found.devices if device.kind == BLK)
    assert disk.started
    assert not disk.broken
    assert disk.queues[0].used > disk.queues[0].num
    told = {device.kind: dict(device.derived) for device in found.devices}
    assert told["xhci"]["slot 1"].startswith("context 0xffff")  # an address that is none of its 128 MiB of RAM
    assert told["ich9_ahci"]["ahci.dev[0].command list"].startswith("pc.ram+")


def test_what_has_been_translated_is_kept(twice: dict[str, Outcome]) -> None:
    """The third time that the disk's section comes, its ring's page is found where it was, whatever the table says now.

    The seed `again` is compared with the program by tests/test_agreement.py.
    """
    (disk,) = (device for device in twice["per-device"].devices if device.kind == BLK)
    assert [(queue.last_avail, queue.shadow_avail) for queue in disk.queues] == [(36463, 36463)]


def test_a_translation_goes_by_an_old_dispatch(twice: dict[str, Outcome]) -> None:
    """Peter Xu, 10 March 2023 (designs.md, v7). The tables are read raw, which commits; a page that is kept is not."""
    reader = "address_space_translate_iommu"
    assert dict(twice["v7-rcu-dispatch"].harmful_reads)[reader] == 2
    assert reader not in dict(twice["v8-rcu-getref"].harmful_reads)
    assert twice["v6-do-commit"].harmful_reads == ()


@pytest.fixture(scope="module")
def twice() -> dict[str, Outcome]:
    """The seed `again` without AHCI, whose own reads would commit before the disk's."""
    bench = machine("linux-intel-iommu")
    data = find_stream("linux-intel-iommu/again").read_bytes()
    whole = read(data, bench.schemas)
    records = tuple(r for r in whole.records if not (isinstance(r, Section) and r.name.endswith("ich9_ahci")))
    without = write(replace(whole, records=records))
    found = {}
    for name in ("per-device", "v6-do-commit", "v7-rcu-dispatch", "v8-rcu-getref"):
        found[name] = load(bench, without, DESIGNS[name]())
        bench.reset()
    return found
