"""Faults in caches of memory regions, and in who makes them anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.seeded.bug import SeededBug

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.devices.virtio.device import Virtio
    from model.memory import AddressSpace, Cache, Memory


class CachesNotRebuilt(SeededBug):
    """Ring caches are made once and not again after a commit: where a ring's place changes, the old is read."""

    source = "memory.md 7"
    sections = 5

    def build_caches(self, _sound: Callable[..., Any], _virtio: Virtio) -> None:
        """Nothing."""


class CacheEndsWhereFlagsChange(SeededBug):
    """A cache ends where RAM becomes read-only or writable, though it is one piece: a ring across is refused."""

    source = "memory.md 7, virtio.md 5"
    sections = 4

    def cache_init(
        self,
        sound: Callable[..., Any],
        memory: Memory,
        space: AddressSpace,
        addr: int,
        length: int,
        write: bool,
        reader: str,
    ) -> Cache:
        """As far as the range of the view goes."""
        cache: Cache = sound(memory, space, addr, length, write, reader)
        index = cache.view.find(addr)
        if index >= 0:
            cache.length = min(cache.length, cache.view.ends[index] - addr)
        return cache


class OnlyMovedTablesRebuilt(SeededBug):
    """After a commit the caches stay where the descriptors lie as they did, wherever its rings are.

    A ring may end in what an option ROM's section maps; then the host bridge is loaded on both sides of the device.
    """

    source = "memory.md 7"
    sections = 5

    def build_caches(self, _sound: Callable[..., Any], virtio: Virtio) -> None:
        """The table stands for the rings."""
        for queue in virtio.queues:
            if queue.num == 0:
                break
            before = queue.caches
            virtio.build_cache(queue.index)
            if before is not None and queue.caches is not None:
                old, new = before[0], queue.caches[0]
                if (old.region, old.xlat) == (new.region, new.xlat):
                    queue.caches = before


BUGS: Final = (CachesNotRebuilt, CacheEndsWhereFlagsChange, OnlyMovedTablesRebuilt)
