"""What rebuilding costs the real program, counted: memory.md 12 is the cost model, this its left-hand column.

The counts are QEMU's, not ours. It renders every distinct root from scratch at each rebuild, walks the ranges of every
address space for ioeventfds whether or not they changed, and calls listeners; our renderer remembers and patches, and
none of that shows here. Counting is a handful of additions a rebuild.

Left out: tree nodes visited. Our renderer does not visit them, so that counting would be a walk of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection

    from model.memory.view import FlatView


Counts: TypeAlias = "tuple[int, int, int, int, int]"
"""Views, ranges, walked, callbacks, caches."""

NO_WORK: Final[Counts] = (0, 0, 0, 0, 0)


class Work:
    """Counters of one memory core since its checkpoint; `rebuilds` stands in `Memory` itself.

    - `views`: flat views rendered, one for each distinct root and rebuild; the empty one costs nothing.
    - `ranges`: ranges in these views.
    - `walked`: ranges looked at for ioeventfds, by each address space for itself, however many share a view.
    - `callbacks`: calls of the listeners that the model has: begin, commit, and ranges added, deleted or kept.
    - `caches`: virtio ring caches built, three for a queue; by a load or by a memory listener.
    """

    __slots__ = ("caches", "callbacks", "ranges", "views", "walked")

    def __init__(self) -> None:
        self.restore(NO_WORK)

    def rendered(self, views: Collection[FlatView]) -> None:
        """Views have been rendered."""
        for view in views:
            if view.root is not None:
                self.views += 1
                self.ranges += len(view.starts)

    def save(self) -> Counts:
        """For `restore`."""
        return (self.views, self.ranges, self.walked, self.callbacks, self.caches)

    def since(self, saved: Counts) -> Counts:
        """What has come on top of what was saved."""
        views, ranges, walked, callbacks, caches = saved
        return (
            self.views - views,
            self.ranges - ranges,
            self.walked - walked,
            self.callbacks - callbacks,
            self.caches - caches,
        )

    def restore(self, saved: Counts) -> None:
        """Back to what was saved."""
        self.views, self.ranges, self.walked, self.callbacks, self.caches = saved
