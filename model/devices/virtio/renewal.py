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
    from collections.abc import Iterable

    from model.devices.virtio.device import Virtio
    from model.devices.virtio.queue import Queue
    from model.load_state import LoadState
    from model.memory import Cache, FlatView, Memory, Region
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

    `within`: the ranges of the view that the rings lie in, if each lies in one; a view that has them gives the same
    pieces. `regions`: those found, with the flags that the pieces depend on. `uses`: those of the view.
    """

    __slots__ = ("_uses", "count", "features", "kept", "queues", "regions", "within")

    def __init__(
        self, kept: Kept, features: int, queues: list[_Built], pieces: list[Piece], within: tuple[_Range, ...] | None
    ) -> None:
        self.kept, self.features, self.queues, self.within = kept, features, queues, within
        self.count = len(pieces)
        self.regions = {(piece.region, piece.inherit, piece.romd_mode) for piece in pieces if piece.region is not None}
        self._uses: tuple[str, list[Use]] | None = None

    def holds(self, device: Virtio, view: FlatView) -> bool:
        """Whether the same would be found again."""
        if self.kept is not view.kept:
            if self.within is None or not shows(view, self.within):
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
        return as_before(self.regions)

    def uses(self, device: Virtio, reader: str) -> list[Use]:
        """What of the view is used when the caches are built, in this order."""
        if self._uses is None or self._uses[0] != reader:
            found = [
                use for queue, *_, three in self.queues if three is not None for use in uses_of(device, queue, reader)
            ]
            self._uses = reader, found
        return self._uses[1]


def shows(view: FlatView, ranges: Iterable[_Range]) -> bool:
    """Whether a view has each of these ranges."""
    starts, ends, infos = view.starts, view.ends, view.infos
    for start, end, info in ranges:
        index = bisect_right(starts, start) - 1
        if index < 0 or starts[index] != start or ends[index] != end or infos[index] != info:
            return False
    return True


def as_before(regions: Iterable[tuple[Region, int, bool]]) -> bool:
    """Whether regions have these flags."""
    return all(region.inherit == flags and region.romd_mode == mode for region, flags, mode in regions)


def is_plain(memory: Memory, load: LoadState | None) -> bool:
    """Whether building a cache is no more than looking into the current view."""
    if not memory.remembers or (memory.depth and memory.update_pending) or caches.cache_init is not _SEAM:
        return False
    if memory.getter is current_view:
        return True
    return load is not None and load.views_plainly and memory.getter == load.flat_view


def found_for(device: Virtio, view: FlatView) -> Renewal | None:
    """What the view has for each ring; None where there is one that cannot be mapped, or none is asked for."""
    last = device.renewal
    if last is None or not last.holds(device, view):
        last = device.renewal = _look(device, view)
    return last


def renewed(device: Virtio, reader: str) -> bool:
    """Whether the caches of queue 0, 1, ... up to the first of size 0 have been built; if not, none has."""
    memory, load = device.memory, device.load
    if not is_plain(memory, load):
        return False
    through = memory.getter is not current_view
    space = device.space
    view = space.current
    last = found_for(device, view)
    if last is None:
        return False
    count = last.count
    if load is not None:
        steps = 2 * count if through else count
        if load.steps + steps > load.budget:
            return False
        load.steps += steps
        if through and load.viewed is not None:
            load.viewed(space, last.uses(device, reader))
    memory.work.caches += count
    for queue, _, _, _, _, three in last.queues:
        queue.caches = three
        if three is not None:
            for cache in three:
                cache.view = view
    return True


def is_built(device: Virtio, queue: Queue, reader: str) -> bool:
    """Whether the caches of one queue, which is set up, have been built; if not, nothing has been done."""
    memory, load = device.memory, device.load
    if queue.desc == 0 or not is_plain(memory, load):
        return False
    space = device.space
    view = space.current
    three = _known(device, queue, view)
    if three is None:
        mapped = _mapped(device, queue, view)
        if mapped is None:
            return False
        three = mapped[1]
    if load is not None:
        if load.steps + 3 > load.budget:
            return False
        load.steps += 3
        if memory.getter is not current_view:
            load.steps += 3
            if load.viewed is not None:
                load.viewed(space, uses_of(device, queue, reader))
    memory.work.caches += 3
    for cache in three:
        cache.view = view
    queue.caches = three
    return True


def _known(device: Virtio, queue: Queue, view: FlatView) -> tuple[Cache, Cache, Cache] | None:
    """The caches of a queue that were found last, if the same would be found again."""
    last, index = device.renewal, queue.index
    if last is None or index >= len(last.queues) or last.features != device.features & LAYOUT:
        return None
    of, num, desc, avail, used, three = last.queues[index]
    if of is not queue or queue.num != num or queue.desc != desc or queue.avail != avail or queue.used != used:
        return None
    if last.kept is not view.kept and (last.within is None or not shows(view, last.within)):
        return None
    return three if as_before(last.regions) else None


def _mapped(
    device: Virtio, queue: Queue, view: FlatView
) -> tuple[list[tuple[int, int, Piece]], tuple[Cache, Cache, Cache]] | None:
    """Where a queue's rings lie, each as address, end and piece of the view, and caches of them.

    None where one is of nothing, or cannot be mapped whole.
    """
    places, made = [], []
    for _, address, size, write in rings_of(device, queue):
        if size == 0:
            return None
        piece = piece_at(view, address, size, write)
        if piece.length < size:
            return None
        places.append((address, address + size, piece))
        made.append(_cache(device, piece, write=write))
    return places, (made[0], made[1], made[2])


def uses_of(device: Virtio, queue: Queue, reader: str) -> list[Use]:
    """What of a view is used when a queue's caches are built."""
    return [Use(reader, address, size, write, True, "reference") for _, address, size, write in rings_of(device, queue)]


def _look(device: Virtio, view: FlatView) -> Renewal | None:
    built: list[_Built] = []
    found: list[Piece] = []
    indices: set[int] = set()
    for queue in device.queues:
        if queue.num == 0:
            break
        three = None
        if queue.desc != 0:
            mapped = _mapped(device, queue, view)
            if mapped is None:
                return None
            places, three = mapped
            for address, end, piece in places:
                found.append(piece)
                index = bisect_right(view.starts, address) - 1
                indices.add(index if index >= 0 and end <= view.ends[index] else -1)
        built.append((queue, queue.num, queue.desc, queue.avail, queue.used, three))
    within = None
    if -1 not in indices:
        within = tuple([(view.starts[index], view.ends[index], view.infos[index]) for index in sorted(indices)])
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
