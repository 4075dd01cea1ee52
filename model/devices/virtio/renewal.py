"""Ring caches after a commit, all at once: what their listener does, where nothing can go wrong with it.

A commit has each device that has rings build all of its caches anew, whatever changed; a machine of many devices spends
most of its load with that. Nearly always the same memory is found again. Then the caches that are there are given the
new view, and it is counted what QEMU would have done.

Not so where anybody could tell: a getter that does more than give the current view, a ring that cannot be mapped, a
budget that ends on the way, a seam that is replaced. Then nothing has been done here, and the device goes ring by ring.

Nothing here lights a probe: what runs depends on what was found before. Whether it is done does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.memory import cache as caches
from model.memory.pieces import piece_at
from model.memory.use import Use, current_view

if TYPE_CHECKING:
    from model.devices.virtio.device import Virtio
    from model.devices.virtio.queue import Queue
    from model.memory import Cache
    from model.memory.pieces import Piece

_SEAM: Final = caches.cache_init


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
    found: list[tuple[Queue, tuple[Piece, Piece, Piece] | None]] = []
    uses: list[Use] | None = [] if through and load is not None and load.viewed is not None else None
    count = 0
    for queue in device.queues:
        if queue.num == 0:
            break
        if queue.desc == 0:
            found.append((queue, None))
            continue
        count += 3
        pieces = []
        for _, address, size, write in device.rings(queue):
            if size == 0:
                return False
            piece = piece_at(view, address, size, write)
            if piece.length < size:
                return False
            pieces.append(piece)
            if uses is not None:
                uses.append(Use(reader, address, size, write, True, "reference"))
        found.append((queue, (pieces[0], pieces[1], pieces[2])))
    if load is not None:
        steps = 2 * count if through else count
        if load.steps + steps > load.budget:
            return False
        load.steps += steps
        if uses and load.viewed is not None:
            load.viewed(space, uses)
    memory.work.caches += count
    for queue, three in found:
        queue.caches = None if three is None else _pointed(device, queue, three)
    return True


def _pointed(device: Virtio, queue: Queue, pieces: tuple[Piece, Piece, Piece]) -> tuple[Cache, Cache, Cache]:
    """Caches of three pieces of the current view: those that the queue has, if they are of the same ones."""
    memory, view = device.memory, device.space.current
    known = queue.caches
    if known is not None:
        for cache, piece, (_, _, _, write) in zip(known, pieces, device.rings(queue), strict=True):
            cache.view, cache.region, cache.xlat, cache.length = view, piece.region, piece.xlat, piece.length
            cache.pointer, cache.write = piece.pointer, write
        return known
    made = [
        caches.Cache(memory, view, piece.region, piece.xlat, piece.length, piece.pointer, write)
        for piece, (_, _, _, write) in zip(pieces, device.rings(queue), strict=True)
    ]
    return made[0], made[1], made[2]
