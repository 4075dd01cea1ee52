"""Ring caches after a commit, all at once: what their listener does, where nothing can go wrong with it.

A commit has each device that has rings build all of its caches anew, whatever changed; a machine of many devices spends
most of its load with that. Nearly always the same memory is found again. Then the caches that are there are given the
new view, and it is counted what QEMU would have done.

Not so where anybody could tell: a getter that does more than give the current view, a ring that cannot be mapped, a
budget that ends on the way, a seam that is replaced. Then nothing has been done here, and the device goes ring by ring.

Nothing here lights a probe: what runs depends on what was found before. Whether it is done does not.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from model.memory import cache as caches
from model.memory.pieces import piece_at
from model.memory.use import Use, current_view
from model.memory.view import EMPTY

if TYPE_CHECKING:
    from model.devices.virtio.device import Virtio
    from model.devices.virtio.queue import Queue
    from model.memory import Cache, FlatView
    from model.memory.pieces import Piece
    from model.memory.view import Info, Kept

    _Built = tuple[Queue, int, int, int, int, tuple[Cache, Cache, Cache] | None]
    """A queue, its size and addresses, its caches."""

    _Range = tuple[int, int, Info]

_SEAM: Final = caches.cache_init
EVENT_IDX: Final = 1 << 29
RING_PACKED: Final = 1 << 34
LAYOUT: Final = RING_PACKED | EVENT_IDX
"""Features that say what the rings of a queue are: packed ones, and an event index behind a split one."""


class Renewal:
    """What was done last: for which content and features, and of each queue what it was built from and its caches.

    `within`: the one range of the view that all rings lie in, if they do; a view that has it gives the same pieces.
    """

    __slots__ = ("count", "features", "kept", "queues", "regions", "within")

    def __init__(
        self, kept: Kept, features: int, queues: list[_Built], pieces: list[Piece], within: _Range | None
    ) -> None:
        self.kept, self.features, self.queues, self.within = kept, features, queues, within
        self.count = len(pieces)
        self.regions = {(piece.region, piece.inherit, piece.romd_mode) for piece in pieces if piece.region is not None}

    def holds(self, device: Virtio, view: FlatView) -> bool:
        """Whether the same would be found again."""
        if self.kept is not view.kept:
            if self.within is None:
                return False
            start, end, info = self.within
            index = bisect_right(view.starts, start) - 1
            if index < 0 or view.starts[index] != start or view.ends[index] != end or view.infos[index] != info:
                return False
            self.kept = view.kept
        if self.features != device.features & LAYOUT:
            return False
        for queue, num, desc, avail, used, _ in self.queues:
            if queue.num != num or queue.desc != desc or queue.avail != avail or queue.used != used:
                return False
        end = len(self.queues)
        if end < len(device.queues) and device.queues[end].num:
            return False
        return all(region.inherit == flags and region.romd_mode == mode for region, flags, mode in self.regions)


def renewed(device: Virtio, reader: str) -> bool:
    """Whether the caches of queue 0, 1, ... up to the first of size 0 have been built; if not, none has."""
    memory, load = device.memory, device.load
    if not memory.remembers or (memory.depth and memory.update_pending) or caches.cache_init is not _SEAM:
        return False
    through = memory.getter is not current_view
    if through and (load is None or not load.views_plainly or memory.getter != load.flat_view):
        return False
    space = device.space
    view = space.current
    last = device.renewal
    if last is None or not last.holds(device, view):
        last = device.renewal = _look(device, view)
        if last is None:
            return False
    count = last.count
    if load is not None:
        steps = 2 * count if through else count
        if load.steps + steps > load.budget:
            return False
        load.steps += steps
        if through and load.viewed is not None:
            load.viewed(space, _uses(device, last, reader))
    memory.work.caches += count
    for queue, _, _, _, _, three in last.queues:
        queue.caches = three
        if three is not None:
            for cache in three:
                cache.view = view
    return True


def _look(device: Virtio, view: FlatView) -> Renewal | None:
    """What the view has for each ring; None where there is one that cannot be mapped, or none is asked for."""
    built: list[_Built] = []
    found: list[Piece] = []
    indices: set[int] = set()
    for queue in device.queues:
        if queue.num == 0:
            break
        three = None
        if queue.desc != 0:
            made = []
            for _, address, size, write in rings_of(device, queue):
                if size == 0:
                    return None
                piece = piece_at(view, address, size, write)
                if piece.length < size:
                    return None
                found.append(piece)
                index = bisect_right(view.starts, address) - 1
                indices.add(index if index >= 0 and address + size <= view.ends[index] else -1)
                made.append(_cache(device, piece, write=write))
            three = made[0], made[1], made[2]
        built.append((queue, queue.num, queue.desc, queue.avail, queue.used, three))
    within = None
    if len(indices) == 1 and -1 not in indices:
        (index,) = indices
        within = view.starts[index], view.ends[index], view.infos[index]
    return Renewal(view.kept, device.features & LAYOUT, built, found, within)


def rings_of(device: Virtio, queue: Queue) -> tuple[tuple[str, int, int, bool], ...]:
    """What a queue's caches are of, in the order in which they are built: name, address, bytes, direction."""
    num = queue.num
    if device.features & RING_PACKED:
        return ("desc", queue.desc, 16 * num, True), ("used", queue.used, 4, True), ("avail", queue.avail, 4, False)
    event = 2 if device.features & EVENT_IDX else 0
    return (
        ("desc", queue.desc, 16 * num, False),
        ("used", queue.used, 4 + 8 * num + event, True),
        ("avail", queue.avail, 4 + 2 * num + event, False),
    )


def _cache(device: Virtio, piece: Piece, *, write: bool) -> caches.Cache:
    """As its class makes it, whose own code tells of loads; the view is set by who gives it to a queue."""
    made = caches.Cache.__new__(caches.Cache)
    made.memory, made.view, made.write = device.memory, EMPTY, write
    made.region, made.xlat, made.length, made.pointer = piece[:4]
    return made


def _uses(device: Virtio, renewal: Renewal, reader: str) -> list[Use]:
    return [
        Use(reader, address, size, write, True, "reference")
        for queue, *_, three in renewal.queues
        if three is not None
        for _, address, size, write in rings_of(device, queue)
    ]
