"""Seeded bugs about rings: shown by a small edit of a shipped stream, and by no shipped stream."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from mutants import again, behind, byte, on, page, put
from seeded_bugs import both, seen_in_seeds

from model.seeded.history_rings import (
    BUGS,
    AvailableIndexRefused,
    CacheKeepsItsSize,
    CacheOutlivesReset,
    InUseNotModular,
    LegacyRingsCached,
    ShortCacheUsed,
)

if TYPE_CHECKING:
    from mutants import Change

    from model.seeded import SeededBug

BLK, PORT = "virtio-blk", "02.1/pcie-root-port"
SLOT_CONTROL, POWER_OFF = 0x6D, 4
END = 0x1000000
"""Where the RAM of pc-small ends."""

RINGS = 0x800000
AVAIL, USED = RINGS + 0x1000, RINGS + 0x2000
"""Where a legacy queue of 256 has the rest."""


def ring(last: int, avail: int, used: int) -> Change:
    """The disk's ring elsewhere, with these indices."""
    return on(
        put(BLK, "queue[0].desc", RINGS),
        put(BLK, "queue[0].last_avail_idx", last),
        page(AVAIL, struct.pack("<HH", 0, avail)),
        page(USED, struct.pack("<HH", 0, used)),
    )


def test_a_used_index_behind_the_wrap_is_refused() -> None:
    sound, faulty, found = both(InUseNotModular, ring(0, 0, 0xFFFF))
    assert (sound.verdict, faulty.verdict) == ("accepted", "refused")
    assert sound.devices[0].queues[0].inuse == 1
    assert found == ["verdict/loader/accepted->refused/virtio-blk"]
    assert both(InUseNotModular, ring(0xFFFF, 0, 0xFFFE))[2] == []


def test_an_available_index_too_far_ahead_pins_the_guest() -> None:
    sound, faulty, found = both(AvailableIndexRefused, ring(0, 257, 0))
    assert (sound.verdict, faulty.verdict) == ("accepted", "refused")
    assert sound.devices[0].broken
    assert faulty.guest_can_cause
    assert found == ["verdict/loader/accepted->refused/virtio-blk"]
    assert both(AvailableIndexRefused, ring(0, 256, 0))[2] == []


def test_caches_lie_where_an_old_driver_would_have_the_rings() -> None:
    _, faulty, found = both(LegacyRingsCached, put(BLK, "virtqueues.vq[0].vring.used", RINGS))
    assert faulty.verdict == "accepted"
    assert "device-state/caches/derived/virtio-blk" in found


def test_a_device_that_has_lost_power_has_caches_left() -> None:
    power_off = byte(PORT, SLOT_CONTROL, POWER_OFF)
    sound, faulty, found = both(CacheOutlivesReset, on(power_off, behind(PORT, BLK)))
    assert sound.verdict == faulty.verdict == "accepted"
    assert "device-state/queues/derived/virtio-blk" in found
    assert both(CacheOutlivesReset, power_off)[2] == []


def test_a_cache_ends_where_that_of_the_former_size_did() -> None:
    sound, faulty, found = both(CacheKeepsItsSize, on(ring(0, 0, 0), again(BLK, put(BLK, "queue[0].num", 255))))
    assert [one.devices[0].queues[0].caches[0].rpartition(":")[2] for one in (sound, faulty)] == ["0xff0", "0x1000"]
    assert found == ["device-state/caches/derived/virtio-blk"]
    elsewhere = on(ring(0, 0, 0), again(BLK, on(put(BLK, "queue[0].num", 255), put(BLK, "queue[0].desc", RINGS + 16))))
    assert both(CacheKeepsItsSize, elsewhere)[2] == []


def test_a_cache_that_is_too_short_breaks_nothing() -> None:
    across = on(put(BLK, "queue[0].desc", END - 0x800), put(BLK, "queue[0].last_avail_idx", 0))
    sound, faulty, found = both(ShortCacheUsed, across)
    assert sound.verdict == faulty.verdict == "accepted"
    assert sound.devices[0].broken
    assert not faulty.devices[0].broken
    assert "device-state/not-broken/derived/virtio-blk" in found


def test_an_index_behind_a_cache_that_is_too_short_is_an_assertion() -> None:
    across = on(put(BLK, "queue[0].desc", END - 0x1002), put(BLK, "queue[0].last_avail_idx", 0))
    sound, faulty, _ = both(ShortCacheUsed, across)
    assert (sound.verdict, faulty.verdict) == ("accepted", "aborted")
    assert sound.devices[0].broken


@pytest.mark.parametrize("bug", BUGS)
def test_no_shipped_stream_shows_it(bug: type[SeededBug]) -> None:
    assert seen_in_seeds(bug) == []
