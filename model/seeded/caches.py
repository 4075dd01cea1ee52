"""Faults in caches of memory regions, and in who makes them anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.seeded.bug import SeededBug

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.devices.virtio.device import Virtio


class CachesNotRebuilt(SeededBug):
    """Ring caches are made once and not again after a commit: where a ring's place changes, the old is read."""

    source = "memory.md 7"

    def build_caches(self, _sound: Callable[..., Any], _virtio: Virtio) -> None:
        """Nothing."""


class OnlyMovedTablesRebuilt(SeededBug):
    """After a commit the caches stay where the descriptors lie as they did, wherever its rings are."""

    source = "memory.md 7"

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


BUGS: Final = (
    CachesNotRebuilt,
    OnlyMovedTablesRebuilt,
)
