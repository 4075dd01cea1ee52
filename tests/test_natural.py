"""Streams as firmware leaves them, and what a transaction around the whole load makes of them (virtio.md 9.1).

A row is a shipped stream with an edit, and what must come of it under `per-device` and under `wrap-main`: in the model,
in the installed QEMU, and in one that wraps its main loop. Numbers of rows are those of the table.
"""

from __future__ import annotations

import re
import struct
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import mutants
import pytest
from mutants import PC, Q35, again, byte, on, page, put, qword, subsection, without, word

from fuzz import qemu
from fuzz.capture.seeds import booted
from fuzz.confirm import Against
from fuzz.confirm.state import fields, saved_sections
from model import DESIGNS, judge, load
from vmformat import Eof, read, write

if TYPE_CHECKING:
    from pathlib import Path

    from mutants import Change, Edit

    from model import Outcome
    from vmformat import Stream

PER_DEVICE, WRAP_MAIN = "per-device", "wrap-main"
VDESC: Final = "Expected vmdescription section, but got 0"
BLK: Final = "virtio-blk"
RAM: Final = 64 << 20


@dataclass(frozen=True)
class Ends:
    """How a load ends: verdict, what is said (but for the last line), and of the queue (last, shadow, used, inuse).

    `maps`: where the segments of a request under way are. `slots`, `dropped`: of a USB controller, those that the guest
    had addressed and that it still knows, or does not.
    """

    verdict: str = "accepted"
    says: tuple[str, ...] = ()
    queue: tuple[int, int, int, int] | None = None
    broken: bool = False
    maps: tuple[str, ...] = ()
    slots: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    rebuilds: int | None = None

    def after(self, rebuilds: int) -> Ends:
        return replace(self, rebuilds=rebuilds)

    def saying(self, *lines: str) -> Ends:
        return replace(self, says=lines)


@dataclass(frozen=True, eq=False)
class Row:
    """A stream, and how it ends under both designs."""

    machine: str
    edit: Edit
    base: Ends
    batch: Ends


def as_it_is(found: Stream) -> Stream:
    return found


def firmware(address: int, index: int) -> Change:
    """The firmware's ROM holds these two bytes where an index would be (read from Debian's SeaBIOS 1.16.2)."""
    offset = address - 0xE0000 + 0x20000
    at = (offset + 2) & 0xFFF
    return page(offset & ~0xFFF, bytes(at) + struct.pack("<H", index), "pc.bios")


def ring(desc: int, avail: int, used: int, index: int = 1) -> Change:
    """Queue 0 elsewhere, with both indices of the ring and the device's own at `index`; its memory behind it."""
    places = struct.pack(">QQ", avail, used) + bytes(16 * 1023)
    edits = [
        put(BLK, "queue[0].desc", desc),
        put(BLK, "queue[0].last_avail_idx", index),
        subsection(BLK, "virtio/virtqueues", places),
    ]
    pages = [page(base, struct.pack("<HH", 0, index)) for base in (avail, used) if base < RAM]
    return on(*edits, *pages)


def pam(register: int, value: int) -> Change:
    return byte("mch", register, value)


def before(device: str, other: str) -> Change:
    """A section moved in front of another."""

    def edit(found: Stream) -> Stream:
        record = found.records[mutants.index_of(found, device)]
        rest = found.replace_record(mutants.index_of(found, device))
        index = mutants.index_of(rest, other)
        return rest.replace_record(index, record, rest.records[index])

    return edit


def only(device: str) -> Change:
    """RAM, one device, the end."""

    def edit(found: Stream) -> Stream:
        kept = (*found.records[:3], found.records[mutants.index_of(found, device)], Eof())
        return found.with_records(kept)

    return edit


def only_end(found: Stream) -> Stream:
    return found.with_records((Eof(),))


def delta(index: int, host: int, delta_: int) -> str:
    return f"VQ 0 size 0x100 Guest index 0x{index:x} inconsistent with Host index 0x{host:x}: delta 0x{delta_:x}"


FINE: Final = Ends(queue=(1, 1, 1, 0))
AT_REST: Final = Ends(queue=(0, 0, 0, 0))
E_SEGMENT: Final = ring(0xE8000, 0xE9000, 0xEA000)
STALE: Final = on(firmware(0xE9000, 15), firmware(0xEA000, 65472))
READ_ROM: Final = Ends(queue=(1, 15, 65472, 65))
NO_INDEX: Final = delta(0, 1, 0xFFFF)
UNMAPPED: Final = Ends(says=(NO_INDEX,), queue=(1, 0, 0, 0), broken=True)
NO_DESC: Final = Ends(says=("Cannot map desc", NO_INDEX), queue=(1, 0, 0, 0), broken=True)
NO_DESC_TWICE: Final = NO_DESC.saying(*NO_DESC.says, "Cannot map desc")
LOST_DESC: Final = Ends(says=("Cannot map desc",), queue=(1, 1, 1, 0), broken=True)
ACROSS_E0000: Final = ring(0xDF800, 0x3FDE000, 0x3FDF000)
ACROSS_C0000: Final = ring(0xBF800, 0x3FDE000, 0x3FDF000)
ACROSS_C4000: Final = ring(0xC3800, 0x3FDE000, 0x3FDF000)
PLATFORM, REQUEST, SATA, USB = "q35-iommu-platform", "q35-request", "q35-sata", "q35-usb"

ROWS: Final[dict[str, Row]] = {
    "1 a ring in high RAM": Row(Q35, as_it_is, FINE.after(19), FINE.after(1)),
    "2 iommu_platform": Row(PLATFORM, as_it_is, FINE, UNMAPPED),
    "3 iommu_platform behind an IOMMU": Row(
        "q35-intel-iommu", as_it_is, replace(FINE, slots=(1,)), replace(UNMAPPED, dropped=(1,))
    ),
    "4 iommu_platform, nothing taken yet": Row(
        PLATFORM,
        put(BLK, "queue[0].last_avail_idx", 0),
        Ends("refused", ("VQ 0 size 0x100 < last_avail_idx 0x0 - used_idx 0x1",)),
        AT_REST,
    ),
    "5 iommu_platform, the section twice": Row(PLATFORM, again(BLK), FINE, UNMAPPED.saying(NO_INDEX, NO_INDEX)),
    "6 iommu_platform, no bus master": Row(PLATFORM, word(BLK, 4, 0x103), UNMAPPED, UNMAPPED),
    "7 a SATA disk": Row(
        SATA,
        as_it_is,
        Ends(),
        Ends("refused", ("AHCI: Failed to start FIS receive engine: bad FIS receive buffer address",)),
    ),
    "8 a USB keyboard, a hub, a mouse": Row(USB, as_it_is, Ends(slots=(1, 2, 3)), Ends(dropped=(1, 2, 3))),
    "9 a ring where PAM shows RAM": Row(Q35, on(E_SEGMENT, STALE), FINE, READ_ROM),
    "10 the same with other indices": Row(
        Q35,
        on(ring(0xE8000, 0xE9000, 0xEA000, 0x1000), STALE),
        Ends(queue=(0x1000, 0x1000, 0x1000, 0)),
        Ends(says=(delta(15, 0x1000, 0xF00F),), queue=(0x1000, 0, 0, 0), broken=True),
    ),
    "11 a ring in the shadow of the BIOS": Row(
        Q35,
        on(ring(0x3FDD000, 0xF4000, 0xF5000), firmware(0xF4000, 0x4F00)),
        FINE,
        Ends(says=(delta(0x4F00, 1, 0x4EFF),), queue=(1, 0, 0, 0), broken=True),
    ),
    "12 descriptors across 0xe0000": Row(Q35, ACROSS_E0000, FINE, NO_DESC),
    "12 descriptors across 0xc0000": Row(Q35, ACROSS_C0000, FINE, NO_DESC),
    "13 a segment off and on again, later": Row(
        Q35,
        on(ACROSS_C4000, again("mch", pam(0x91, 0x01)), again("mch")),
        LOST_DESC.saying("Cannot map desc", "Cannot map desc"),
        FINE,
    ),
    "14 the segments off at the very end": Row(
        Q35, on(ACROSS_E0000, again("mch", pam(0x94, 0))), LOST_DESC, NO_DESC_TWICE
    ),
    "15, 16 a request under way": Row(
        REQUEST,
        as_it_is,
        Ends(queue=(1, 1, 0, 1), maps=("pc.ram+0x7c00:0x200", "pc.ram+0xe9417:0x1", "pc.ram+0xe9418:0x10")),
        Ends(queue=(1, 1, 0, 1), maps=("pc.ram+0x7c00:0x200", "pc.bios+0x29417:0x1 bounced", "pc.bios+0x29418:0x10")),
    ),
    "16 a second buffer there": Row(
        REQUEST,
        put(BLK, "in_addr[0]", 0xEA000),
        Ends(queue=(1, 1, 0, 1), maps=("pc.ram+0xea000:0x200", "pc.ram+0xe9417:0x1", "pc.ram+0xe9418:0x10")),
        Ends("refused", ("virtio: error trying to map MMIO memory",)),
    ),
    "17 a ring in another device's BAR": Row(Q35, ring(0x3FDD000, 0xFEA03000, 0xFEA01000, 0), AT_REST, AT_REST),
    "18 a ring across the end of RAM": Row(Q35, ring(0x3FFF800, 0x3FDE000, 0x3FDF000), NO_DESC, NO_DESC_TWICE),
    "18 a ring above RAM": Row(Q35, ring(0x5000000, 0x5001000, 0x5002000, 0), AT_REST, AT_REST),
    "18 a ring in a hole": Row(Q35, ring(0x5000000, 0x5001000, 0x5002000), UNMAPPED, UNMAPPED),
    "19 a BAR over the ring": Row(Q35, qword(BLK, 0x20, 0x3FDC00C), FINE, FINE),
    "20 the device in front of the chipset": Row(Q35, on(E_SEGMENT, STALE, before(BLK, "mch")), READ_ROM, READ_ROM),
    "21 packed rings of Linux": Row("linux-q35", without("ich9_ahci"), Ends(slots=(1, 2)), Ends(dropped=(1, 2))),
    "22 a legacy ring": Row(PC, as_it_is, FINE, FINE),
    "23 nothing but the end": Row(Q35, only_end, Ends(rebuilds=0), Ends(rebuilds=0)),
    "23 one device without decoding": Row(Q35, on(only(BLK), word(BLK, 4, 0)), FINE.after(0), FINE.after(0)),
}


def outcome_of(row: Row, design: str) -> Outcome:
    bench = mutants.machine(row.machine)
    try:
        return load(bench, mutants.data_of(row), DESIGNS[design]())
    finally:
        bench.reset()


def assert_ends(found: Outcome, ends: Ends) -> None:
    """What the table says, of the model's outcome."""
    assert found.verdict == ends.verdict, found.messages
    told = tuple(line for line in found.messages if line != VDESC)
    assert told[: len(ends.says)] == ends.says, found.messages
    assert found.verdict == "refused" or len(told) == len(ends.says), found.messages
    assert ends.rebuilds in {None, found.rebuilds}
    assert not found.not_modelled
    usb = next((dict(one.derived) for one in found.devices if one.kind == "xhci"), {})
    usb.pop("controller", None)
    dropped = {name for name, text in usb.items() if text.startswith("disabled")}
    assert usb.keys() - dropped == {f"slot {number}" for number in ends.slots}
    assert dropped == {f"slot {number}" for number in ends.dropped}
    device = next((one for one in found.devices if one.kind == BLK), None)
    if ends.queue is None or device is None:
        assert ends.queue is None
        return
    queue = next((q for q in device.queues if q.index == 0), None)
    indices = (0, 0, 0, 0) if queue is None else (queue.last_avail, queue.shadow_avail, queue.used, queue.inuse)
    assert (device.broken, indices) == (ends.broken, ends.queue)
    assert tuple(where for name, where in device.derived if name.startswith("request")) == ends.maps


@pytest.mark.parametrize("design", [PER_DEVICE, WRAP_MAIN])
@pytest.mark.parametrize("name", ROWS)
def test_the_model_ends_as_the_table_says(name: str, design: str) -> None:
    row = ROWS[name]
    assert_ends(outcome_of(row, design), row.base if design == PER_DEVICE else row.batch)


@pytest.mark.parametrize("name", ROWS)
def test_the_last_layout_is_the_same(name: str) -> None:
    base, batch = (outcome_of(ROWS[name], design) for design in (PER_DEVICE, WRAP_MAIN))
    assert base.verdict != "accepted" or batch.verdict != "accepted" or base.layout == batch.layout


@pytest.mark.parametrize(
    "name", [name for name, row in ROWS.items() if row.batch.verdict == "refused" != row.base.verdict]
)
def test_what_only_the_batch_refuses_pins_the_guest(name: str) -> None:
    base, batch = (outcome_of(ROWS[name], design) for design in (PER_DEVICE, WRAP_MAIN))
    (verdict,) = [finding for finding in judge(base, batch) if finding.cause.oracle == "verdict"]
    assert (verdict.kind, str(verdict.severity)) == ("pinned", "pinned")
    assert verdict.text.endswith("a guest can cause this refusal and so pin itself to its host")


def test_rings_in_plain_ram_end_the_same() -> None:
    """Rows 1, 21 and 22: four devices of a running Linux, one with packed rings; nothing of them is derived anew."""
    row = ROWS["21 packed rings of Linux"]
    base, batch = (
        [one for one in outcome_of(row, design).devices if one.is_virtio] for design in (PER_DEVICE, WRAP_MAIN)
    )
    assert base == batch


@pytest.mark.parametrize("name", ["linux-q35", "linux-pc"])
def test_a_running_guest_has_used_its_rings(name: str) -> None:
    """Some went round more than once; a receive queue has buffers that the device has not taken."""
    found = outcome_of(Row(name, as_it_is, FINE, FINE), PER_DEVICE)
    queues = [queue for device in found.devices for queue in device.queues]
    assert sum(queue.used > queue.num for queue in queues) >= 4
    assert any(queue.shadow_avail != queue.last_avail for queue in queues)


@pytest.mark.qemu
def test_the_installed_program_ends_so(real_qemu: str) -> None:
    assert disagreements(PER_DEVICE, real_qemu) == {}


@pytest.mark.qemu
def test_a_program_with_its_main_loop_wrapped_ends_so(wrapped: Path) -> None:
    assert disagreements(WRAP_MAIN, str(wrapped)) == {}


def disagreements(design: str, binary: str) -> dict[str, tuple[str, ...]]:
    """Rows in which a program does something else than the model."""
    found = mutants.hold_all(ROWS, Against(DESIGNS[design], binary=binary, save=False))
    return {name: lines for name, lines in found.items() if lines}


@pytest.mark.qemu
@pytest.mark.parametrize("design", [PER_DEVICE, WRAP_MAIN])
def test_dropped_usb_slots_are_saved_so(design: str, real_qemu: str, wrapped: Path) -> None:
    """Row 8 shows in nothing but the state that the program saves again."""
    binary = real_qemu if design == PER_DEVICE else str(wrapped)
    row = {"8": ROWS["8 a USB keyboard, a hub, a mouse"]}
    assert mutants.hold_all(row, Against(DESIGNS[design], binary=binary)) == {"8": ()}
    bench = mutants.machine(USB)
    data = qemu.load(bench.description.arguments, mutants.data_of(row["8"]), binary=binary, save=True).saved
    assert data is not None
    saved = next(found for (name, _), found in (saved_sections(data, bench) or {}).items() if name.endswith("/xhci"))
    values = fields(saved)
    marks = {values[f"xhci.slots[{slot}].{mark}"] for slot in (0, 1, 2) for mark in ("enabled", "addressed")}
    assert marks == ({1} if design == PER_DEVICE else {0})


HEADER_PAGE: Final = page(0xE9000, b"\0" * 0x417 + b"\x55" + struct.pack("<IIQ", 0xFF, 0, 0))
"""A status byte that nobody has written, and a request of a type that there is not."""


@pytest.mark.qemu
@pytest.mark.parametrize(("design", "status"), [(PER_DEVICE, 2), (WRAP_MAIN, 0)])
def test_the_request_under_way_is_another_one_when_it_goes_on(
    design: str, status: int, real_qemu: str, wrapped: Path, tmp_path: Path
) -> None:
    """Row 15: of no known type (status 2); where its header was mapped in ROM it is a read, and is done (status 0)."""
    path = tmp_path / "stream"
    path.write_bytes(write(HEADER_PAGE(mutants.stream(REQUEST))))
    arguments = [re.sub(",inject-error.*", "", word) for word in mutants.machine(REQUEST).description.arguments]
    binary = real_qemu if design == PER_DEVICE else str(wrapped)
    with qemu.Qemu(arguments, binary=binary, extra=("-incoming", "defer")) as vm:
        assert vm.load(path)
        vm.qmp("cont")
        for _ in range(100):
            told = vm.hmp("xp /1xb 0xe9417")
            if "0x55" not in told:
                break
            time.sleep(0.02)
        assert int(told.split()[-1], 16) == status


def test_the_thread_s_guest() -> None:
    """Row 25: 24 devices; the batch reads 48 old views, and no read is harmful."""
    row = Row("seed-24", as_it_is, Ends(rebuilds=122), Ends(rebuilds=1))
    base, batch, asserting = (outcome_of(row, design) for design in (PER_DEVICE, WRAP_MAIN, "assert-depth"))
    assert_ends(base, row.base)
    assert_ends(batch, row.batch)
    assert dict(batch.reads_while_pending)["virtio_init_region_cache"] == 48
    assert "virtio_init_region_cache" not in dict(batch.harmful_reads)
    assert (batch.layout, batch.devices) == (base.layout, base.devices)
    assert asserting.verdict == "aborted"


@pytest.mark.parametrize("name", ["pc-attic", "bridges"])
def test_devices_at_rest_end_the_same_in_the_model(name: str) -> None:
    """Row 26, as far as shipped machines have its devices: LSI, megasas, mptsas, HDA, UHCI, rtl8139, bridges."""
    base, batch = (outcome_of(Row(name, as_it_is, FINE, FINE), design) for design in (PER_DEVICE, WRAP_MAIN))
    assert (base.verdict, base.devices, base.layout) == (batch.verdict, batch.devices, batch.layout)
    assert base.verdict == "accepted"


IDLE: Final = (
    *("-machine", "pc-q35-7.2", "-m", "64M", "-nodefaults", "-vga", "std"),
    *(word for name in ("e1000", "e1000e", "rtl8139", "vmxnet3") for word in ("-device", f"{name},romfile=")),
    *(word for name in ("usb-ehci", "piix3-usb-uhci", "intel-hda", "lsi") for word in ("-device", name)),
    *(word for name in ("megasas", "pvscsi", "mptsas1068", "sdhci-pci") for word in ("-device", name)),
)


@pytest.mark.qemu
def test_devices_that_read_no_guest_memory_load_the_same(real_qemu: str, wrapped: Path) -> None:
    """Row 26: what firmware leaves behind of them, saved again by both programs."""
    stream = booted(IDLE, 20.0, binary=real_qemu)
    saved = []
    for binary in (real_qemu, str(wrapped)):
        found = qemu.load(IDLE, stream, binary=binary, save=True)
        assert found.verdict == "accepted", found.messages
        assert found.saved is not None
        sections = [one for one in read(found.saved).sections if one.name not in {"mc146818rtc", "hpet", "timer"}]
        saved.append({(one.name, one.instance): one.payload for one in sections if one.kind.name == "FULL"})
    assert len(saved[0]) > len(IDLE) // 2
    assert saved[0] == saved[1]
