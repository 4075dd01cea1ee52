"""What a mapping finds in a view: computed once for all views that share their lists, and the same for many accesses.

Ring caches are built from the same few addresses at every commit, and most commits leave those addresses alone. What is
found at an address depends on the ranges of the view and on what the region found there allows now (its own read-only
flag, a ROM device's mode), so the latter is looked at again before a remembered piece is used.

Nothing here lights a probe: what runs depends on what was asked before.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from model.memory.region import T64

if TYPE_CHECKING:
    from model.memory.region import Region
    from model.memory.view import FlatView

_PAGE: Final = 0x1000
_MOST: Final = 512
"""Pieces kept with one content."""


class Piece(NamedTuple):
    """As `map_length` gives it, whether it is memory that needs no handler, and by which of its flags."""

    region: Region | None
    xlat: int
    length: int
    pointer: bool
    inherit: int
    romd_mode: bool


def piece_at(view: FlatView, addr: int, length: int, write: bool) -> Piece:
    """What a cache or a map gets at an address."""
    pieces = view.kept.pieces
    if pieces is None:
        pieces = view.kept.pieces = {}
    found = pieces.get((addr, length, write))
    if found is not None:
        region = found.region
        if region is None or (region.inherit == found.inherit and region.romd_mode == found.romd_mode):
            return found
    if len(pieces) >= _MOST:
        pieces.clear()
    region, xlat, mapped = map_length(view, addr, length, write)
    if region is None:
        found = Piece(None, xlat, mapped, False, 0, False)
    else:
        found = Piece(region, xlat, mapped, region.is_direct(write), region.inherit, region.romd_mode)
    pieces[addr, length, write] = found
    return found


def map_length(view: FlatView, addr: int, length: int, write: bool) -> tuple[Region | None, int, int]:
    """What a cache or a map gets: (region or None for unassigned, offset in it, contiguous length).

    Directly accessible memory is followed over ranges of the same region at consecutive offsets; everything else ends
    with its dispatch section (7).
    """
    index = bisect_right(view.starts, addr) - 1  # as `view.find`, which lights a probe
    if index < 0 or addr >= view.ends[index]:
        return None, addr, min(length, T64 - addr)
    region, base, _ = view.infos[index]
    end = addr + length
    if not region.is_direct(write):
        return region, addr - base, min(end, section_end(view, index, addr)) - addr
    reach = view.ends[index]
    while reach < end:
        index += 1
        if index >= len(view.starts) or view.starts[index] != reach:
            break
        other, other_base, _ = view.infos[index]
        if other is not region or other_base != base:
            break
        reach = view.ends[index]
    return region, addr - base, min(end, reach) - addr


def section_end(view: FlatView, index: int, addr: int) -> int:
    """The end of the dispatch section: leading partial page, whole pages, trailing partial page of a range (8)."""
    start, end = view.starts[index], view.ends[index]
    head = (start + _PAGE - 1) & -_PAGE
    if addr < head:
        return min(head, end)
    body = end & -_PAGE
    return body if addr < body else end
