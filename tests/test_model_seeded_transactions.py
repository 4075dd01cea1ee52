"""Seeded bugs in transactions: an update that is not marked pending shows if it is the last, and not otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import byte, dword, on, word
from seeded_bugs import both, seen_in_seeds

from model.seeded.transactions import BUGS, HidingMarksNothing, PendingOnlyWhereAttached, ThirdLevelForgetsTheMark

if TYPE_CHECKING:
    from model.seeded import SeededBug

POWER, HOST, DISK = "piix4_pm", "I440FX", "virtio-blk"
SMBUS, SMBUS_ON = 0x90, 0xD2


def test_ports_that_are_switched_off_are_seen_until_something_else_changes() -> None:
    off = byte(POWER, SMBUS_ON, 0)
    sound, _, found = both(HidingMarksNothing, off, booted=False)
    assert found[0] == "layout/flat-view/io->io+pm-smbus/I-O"
    assert sound.rebuilds == 2
    assert both(HidingMarksNothing, off)[2] == []  # BARs follow


def test_ports_that_are_moved_are_seen_where_they_were() -> None:
    moved = dword(POWER, SMBUS, 0x701)
    assert both(ThirdLevelForgetsTheMark, moved, booted=False)[2][0] == (
        "layout/flat-view/io+pm-smbus->io+pm-smbus/I-O"
    )
    assert both(ThirdLevelForgetsTheMark, moved)[2] == []
    off_as_well = on(moved, byte(POWER, SMBUS_ON, 0))
    assert both(ThirdLevelForgetsTheMark, off_as_well, booted=False)[2] == []


def test_in_one_transaction_around_the_load_the_chipset_s_switches_are_three_deep() -> None:
    shadowed = byte(HOST, 0x59, 0x30)
    assert both(ThirdLevelForgetsTheMark, shadowed, booted=False)[2] == []
    assert both(ThirdLevelForgetsTheMark, shadowed, "wrap-main", booted=False)[2] != []


def test_bars_behind_a_bridge_are_not_seen_where_no_bus_master_follows() -> None:
    found = both(PendingOnlyWhereAttached, word(DISK, 4, 0x103))[2]
    assert "layout/flat-view/msix-pba+msix-table+virtio-pci-common-virtio-blk->none/memory" in found
    assert both(PendingOnlyWhereAttached, word(DISK, 4, 0x103), "wrap-main")[2] == []


@pytest.mark.parametrize("bug", BUGS)
def test_no_shipped_stream_shows_it(bug: type[SeededBug]) -> None:
    assert seen_in_seeds(bug, "per-device", "wrap-main") == []
