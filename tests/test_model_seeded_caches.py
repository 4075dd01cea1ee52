"""Seeded bugs in ring caches: a ring in a place that is switched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import put
from seeded_bugs import both, seen_in_seeds

from model.seeded.caches import BUGS, CacheEndsWhereFlagsChange, CachesNotRebuilt, OnlyMovedTablesRebuilt

if TYPE_CHECKING:
    from model.seeded import SeededBug

DISK = "virtio-blk"
SWITCHED = 0xC0000
"""Option ROMs of the machine until the host bridge is loaded, RAM then."""


def caches(bug: type[SeededBug], address: int) -> list[str]:
    """Which caches point elsewhere where the load is one transaction."""
    sound, faulty, found = both(bug, put(DISK, "queue[0].desc", address), "wrap-main")
    assert ("device-state/caches/derived/virtio-blk" in found) == (sound.devices[0] != faulty.devices[0])
    pairs = zip(sound.devices[0].queues[0].caches, faulty.devices[0].queues[0].caches, strict=True)
    return [name for name, (one, other) in zip(("table", "used", "available"), pairs, strict=True) if one != other]


def test_a_ring_keeps_pointing_at_what_lay_there_before() -> None:
    assert caches(CachesNotRebuilt, SWITCHED) == ["table", "used", "available"]
    assert caches(CachesNotRebuilt, SWITCHED - 0x10000) == []


def test_a_ring_from_read_only_to_writable_ram_is_refused() -> None:
    writable = 0xE8000
    across = put(DISK, "queue[0].desc", writable - 0x800)
    sound, faulty, found = both(CacheEndsWhereFlagsChange, across)
    assert found == ["device-state/no-caches/derived/virtio-blk"]
    assert [len(one.devices[0].queues[0].caches) for one in (sound, faulty)] == [3, 0]
    assert both(CacheEndsWhereFlagsChange, put(DISK, "queue[0].desc", writable - 0x4000))[2] == []


def test_rings_are_forgotten_behind_a_table_that_stays() -> None:
    assert caches(OnlyMovedTablesRebuilt, SWITCHED - 0x1000) == ["used", "available"]
    assert caches(OnlyMovedTablesRebuilt, SWITCHED) == []


@pytest.mark.parametrize("bug", BUGS)
def test_no_shipped_stream_shows_it(bug: type[SeededBug]) -> None:
    assert seen_in_seeds(bug, "per-device", "wrap-main") == []
