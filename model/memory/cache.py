"""Memory-region caches: a piece of a flat view that outlives it (memory.md 7, virtio.md 5).

Whoever reads the same few bytes often (a virtio ring) resolves them once. The cache keeps the view it was made from, a
region, an offset and a length, and answers from these ever after.

The invariant: a cache is *fresh* exactly while `cache.view is space.current` (I18). Nothing marks a stale one. It stays
safe to use, since everything it points to stays alive, but it shows the old layout; its owner must make it anew when a
listener tells of a commit. Making one while a transaction is open captures the view of before the transaction.

Two things surprise. Initialising never fails: an address where nothing is mapped gives the full length and reads zeros,
so the only refusal there can be is a returned length that is too short. And the direction counts by the region's own
flags: a read-only alias of RAM gives a cache that writes through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memory import access
from model.memory.pieces import piece_at
from model.memory.use import Use

if TYPE_CHECKING:
    from model.memory.memory import Memory
    from model.memory.ram import Ram
    from model.memory.region import Region
    from model.memory.space import AddressSpace
    from model.memory.view import FlatView


class Cache:
    """A resolved piece: `region` (None: unassigned), `xlat` in it, `length` bytes; `pointer` if accesses go to RAM."""

    __slots__ = ("length", "memory", "pointer", "region", "view", "write", "xlat")

    def __init__(
        self, memory: Memory, view: FlatView, region: Region | None, xlat: int, length: int, pointer: bool, write: bool
    ) -> None:
        self.memory = memory
        self.view = view
        self.region = region
        self.xlat = xlat
        self.length = length
        self.pointer = pointer
        self.write = write

    def read(self, offset: int, length: int, ram: Ram | None = None) -> bytes:
        """Bytes of the piece; not a use of any flat view. Offsets beyond the length are the caller's to avoid."""
        ram = ram or self.memory.ram
        if self.pointer and self.region is not None:
            return ram.read(self.region.block, self.xlat + offset, length)
        return access.region_bytes(self.memory, self.region, self.xlat + offset, length, ram)


def cache_init(memory: Memory, space: AddressSpace, addr: int, length: int, write: bool, reader: str) -> Cache:
    """Seam: resolve `length` > 0 bytes at an address through the view that the getter gives this reader.

    Never fails: compare the returned cache's length with the one asked for.

    Model: the end of the RAM block behind a pointer is taken to be the end of its region.
    """
    view = memory.getter(space, Use(reader, addr, length, write, True, "reference"))
    piece = piece_at(view, addr, length, write)
    return Cache(memory, view, piece.region, piece.xlat, piece.length, piece.pointer, write)
