"""Seeded bugs between the tree and its views: flags of a range, and the root that a space shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import again, byte, dword, word
from seeded_bugs import both, seen_in_seeds

from model.seeded.rendering import BUGS, DisabledAliasFollowed, LastByteOfTheRoot, WritableBehindAHole

if TYPE_CHECKING:
    from model.seeded import SeededBug

HOST, DISK, NIC = "I440FX", "virtio-blk", "virtio-net"


def test_ports_up_to_the_last_one_end_before_it() -> None:
    sound, faulty, found = both(LastByteOfTheRoot, dword(NIC, 0x10, 0xFFE1))
    assert found[0] == "layout/flat-view/virtio-pci->virtio-pci/I-O"
    assert [dict(outcome.layout)["I/O"][-1][1] for outcome in (sound, faulty)] == [0xFFFF, 0xFFFE]
    assert both(LastByteOfTheRoot, dword(NIC, 0x10, 0xFFC1))[2] == []


def test_rom_goes_on_behind_a_segment_that_shows_something_else() -> None:
    hole = byte(HOST, 0x5C, 0x10)  # 0xd0000 shows PCI, read-only RAM lies on both sides
    sound, faulty, found = both(WritableBehindAHole, hole)
    assert "layout/flat-view/pc.ram->pc.ram/memory" in found
    behind = [
        [row[4] for row in dict(outcome.layout)["memory"] if row[0] <= 0xD4000 <= row[1]] for outcome in (sound, faulty)
    ]
    assert behind == [[True], [False]]


def test_bus_mastering_that_is_given_and_taken_again_is_kept() -> None:
    assert both(DisabledAliasFollowed, again(DISK, word(DISK, 4, 0x103)))[2] == [
        "layout/flat-view/none->apic-msi+hpet+ioapic/virtio-blk-pci"
    ]
    assert both(DisabledAliasFollowed, word(DISK, 4, 0x103))[2] == []


@pytest.mark.parametrize("bug", BUGS)
def test_no_shipped_stream_shows_it(bug: type[SeededBug]) -> None:
    assert seen_in_seeds(bug, "per-device", "wrap-main") == []
