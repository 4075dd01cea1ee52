"""Seeded bugs in the tree of regions: who wins where two lie at one place, and how large they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import byte, dword, on
from seeded_bugs import both, seen_in_seeds

from model.seeded.tree import (
    BUGS,
    AliasOffsetKept,
    EqualsSortedByAddress,
    MovedRegionKeepsItsRank,
    ResizeOnlyGrows,
    TieBrokenTheOtherWay,
)

if TYPE_CHECKING:
    from model.seeded import SeededBug

DISK, NIC, POWER, HOST = "virtio-blk", "virtio-net", "piix4_pm", "/mch"


@pytest.mark.parametrize("bug", [TieBrokenTheOtherWay, EqualsSortedByAddress])
def test_of_two_bars_at_one_place_the_later_one_is_on_top(bug: type[SeededBug]) -> None:
    inside = dword(NIC, 0x10, 0xC021)  # the disk's ports begin at 0xc000 and are 128
    assert both(bug, inside)[2][0] == "layout/flat-view/virtio-pci->virtio-pci/I-O"
    beside = dword(NIC, 0x10, 0xC101)
    assert both(bug, beside)[2] == []


def test_sorted_by_address_the_later_one_is_on_top_where_it_is_the_lower_one() -> None:
    # The ports of the network card lie at 0xc080, behind those of the disk; now the disk's are at both places.
    lower = on(dword(NIC, 0x10, 0xC001), dword(DISK, 0x10, 0xC001))
    assert both(TieBrokenTheOtherWay, lower)[2] != []
    assert both(EqualsSortedByAddress, lower)[2] == []


def test_ports_that_are_moved_over_others_are_on_top() -> None:
    onto_dma = dword(POWER, 0x90, 0x0001)
    assert both(MovedRegionKeepsItsRank, onto_dma)[2][0] == "layout/flat-view/pm-smbus->dma-chan+dma-cont+pic/I-O"
    assert both(MovedRegionKeepsItsRank, dword(POWER, 0x90, 0x0801))[2] == []


def test_a_configuration_window_becomes_smaller() -> None:
    half = dword(HOST, 0x60, 0xB0000003)
    found = both(ResizeOnlyGrows, half)[2]
    assert "layout/flat-view/pcie-mmcfg-mmio->pcie-mmcfg-mmio/memory" in found


def test_the_window_to_tseg_shows_the_beginning_of_ram() -> None:
    assert both(AliasOffsetKept, byte(HOST, 0x9E, 1))[2] == ["layout/flat-view/pc.ram->pc.ram+tseg-blackhole/cpu-smm-0"]
    assert both(AliasOffsetKept, byte(HOST, 0x9E, 0))[2] == []


@pytest.mark.parametrize("bug", BUGS)
def test_no_shipped_stream_shows_it(bug: type[SeededBug]) -> None:
    assert seen_in_seeds(bug, "per-device", "wrap-main") == []
