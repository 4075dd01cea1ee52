"""Seeded bugs in PCI functions: BARs, bus mastering, the check of a config space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import byte, dword, on, word
from seeded_bugs import both, seen_in_seeds

from model.seeded.pci import (
    BUGS,
    BarAtZero,
    CapabilitiesUnchecked,
    IoBarByEitherBit,
    MasterOnlyWithMemory,
    RemapStopsAtTheFirstThatStays,
    RevisionUnchecked,
    WideBarLowHalf,
)

if TYPE_CHECKING:
    from model.seeded import SeededBug

DISK, NIC = "virtio-blk", "virtio-net"
REVISION, CAPABILITY = 8, 0x42


def test_a_bar_at_zero_covers_what_every_machine_has_there() -> None:
    assert both(BarAtZero, dword(NIC, 0x10, 1))[2][0] == "layout/flat-view/dma-chan+dma-cont+io->virtio-pci/I-O"
    assert both(BarAtZero, on(dword(NIC, 0x10, 1), word(NIC, 4, 0x102)))[2] == []


def test_a_bar_behind_one_that_stays_unmapped_is_left_out() -> None:
    found = both(RemapStopsAtTheFirstThatStays, word(DISK, 4, 0x106))[2]
    assert "layout/flat-view/msix-pba+msix-table->none/memory" in found
    assert both(RemapStopsAtTheFirstThatStays, word(DISK, 4, 0x105))[2] == []


def test_ports_are_mapped_for_the_sake_of_memory() -> None:
    assert both(IoBarByEitherBit, word(DISK, 4, 0x106))[2][0] == "layout/flat-view/io->io+virtio-pci/I-O"
    assert both(IoBarByEitherBit, word(DISK, 4, 0x104))[2] == []


def test_a_bar_above_4_gib_is_seen_below() -> None:
    sound, faulty, _ = both(WideBarLowHalf, dword(DISK, 0x24, 1))
    names = [{row[2] for row in dict(outcome.layout)["memory"]} for outcome in (sound, faulty)]
    assert names[1] - names[0] == {f"virtio-pci-{part}-virtio-blk" for part in ("common", "isr", "device", "notify")}


def test_bus_mastering_asks_for_memory_decoding() -> None:
    assert both(MasterOnlyWithMemory, word(DISK, 4, 0x105))[2] == [
        "layout/flat-view/apic-msi+hpet+ioapic->none/virtio-blk-pci"
    ]
    assert both(MasterOnlyWithMemory, word(DISK, 4, 0x106))[2] == []


@pytest.mark.parametrize(("bug", "at"), [(CapabilitiesUnchecked, CAPABILITY), (RevisionUnchecked, REVISION)])
def test_a_byte_is_not_compared(bug: type[SeededBug], at: int) -> None:
    sound, faulty, found = both(bug, byte(DISK, at, 0x77))
    assert (sound.verdict, faulty.verdict) == ("refused", "accepted")
    assert found == ["verdict/loader/refused->accepted/virtio-blk"]
    other = {CAPABILITY: REVISION, REVISION: CAPABILITY}[at]
    assert both(bug, byte(DISK, other, 0x77))[2] == []


@pytest.mark.parametrize("bug", BUGS)
def test_no_shipped_stream_shows_it(bug: type[SeededBug]) -> None:
    assert seen_in_seeds(bug, "per-device", "wrap-main") == []
