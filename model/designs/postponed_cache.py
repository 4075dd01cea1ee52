"""Ring caches left to the listener, ring checks where they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.designs.assert_depth import AssertDepth

if TYPE_CHECKING:
    from model.designs.design import Load, Rings


class PostponedCache(AssertDepth):
    """`assert-depth`, with ring caches built by the memory listener only (Chuang Xu, 9 December 2022).

    virtio_load builds no cache, so the assertion has nothing to catch there; the listener of each device builds them
    when the batch commits. The checks of the ring's indices stay in virtio_load and read through caches that are not
    there: zeros. And a load that leaves nothing pending never makes a listener hear of a commit.
    """

    name = "postponed-cache"

    def ring_cache(self, load: Load, device: Rings, index: int) -> None:
        """Not now."""
