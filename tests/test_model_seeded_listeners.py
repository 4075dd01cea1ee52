"""Seeded bugs in what listeners are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import put
from seeded_bugs import both, seen_in_seeds

from model.seeded.listeners import BUGS, FirstOfEqualsNotTold

if TYPE_CHECKING:
    from model.seeded import SeededBug

DISK = "virtio-blk"
NIC_TABLE = 0xFEBFF000
"""Where the network card's MSI-X table will be, which is loaded behind the disk."""


def test_the_disk_does_not_hear_that_its_ring_is_covered() -> None:
    sound, faulty, found = both(FirstOfEqualsNotTold, put(DISK, "queue[0].desc", NIC_TABLE))
    assert found == ["device-state/caches/derived/virtio-blk"]
    assert [one.devices[0].queues[0].caches != () for one in (sound, faulty)] == [False, True]
    assert both(FirstOfEqualsNotTold, put(DISK, "queue[0].desc", NIC_TABLE - 0x10000))[2] == []


@pytest.mark.parametrize("bug", BUGS)
def test_no_shipped_stream_shows_it(bug: type[SeededBug]) -> None:
    assert seen_in_seeds(bug, "per-device", "wrap-main") == []
