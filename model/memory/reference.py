"""The literal renderer and the pointwise oracle: memory.md 3.2, 3.3 and 3.4 in so many words, for tests and checks.

Nothing here is fast and nothing here shares code with `rendering`, on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memory.errors import MemoryAbort
from model.memory.region import T64
from model.memory.view import FlatView

if TYPE_CHECKING:
    from model.memory.region import Region

_Piece = tuple[int, int, "Region", int, bool, bool]
"""start, size, region, offset, read-only, non-volatile"""


def reference_render(root: Region) -> FlatView:
    """The simplified flat view of a resolved root. Raises MemoryAbort as QEMU's 128-bit narrowing does (3.2)."""
    pieces: list[_Piece] = []
    _render(pieces, root, 0, (0, T64), readonly=False, nonvolatile=False)
    joined: list[_Piece] = []
    for piece in pieces:
        if joined and _merges(joined[-1], piece):
            start, size, *rest = joined[-1]
            joined[-1] = (start, size + piece[1], *rest)  # type: ignore[assignment]
        else:
            joined.append(piece)
    return FlatView(
        root,
        [p[0] for p in joined],
        [p[0] + p[1] for p in joined],
        [(p[2], p[0] - p[3], p[4] + 2 * p[5] + p[2].leaf) for p in joined],
    )


def lookup(region: Region, offset: int) -> tuple[Region, int] | None:
    """The leaf and its offset that a byte of a region shows, or None (3.4). For a root: offset = address - addr."""
    if not region.enabled or not 0 <= offset < region.size:
        return None
    if region.alias is not None:
        return lookup(region.alias, offset + region.alias_offset)
    for child in region.subregions:
        found = lookup(child, offset - child.addr)
        if found is not None:
            return found
    return (region, offset) if region.terminates else None


def _intersects(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] <= b[0] < a[0] + a[1] or b[0] <= a[0] < b[0] + b[1]


def _merges(a: _Piece, b: _Piece) -> bool:
    return a[0] + a[1] == b[0] and a[2] is b[2] and a[3] + a[1] == b[3] and a[4:] == b[4:]


def _render(
    out: list[_Piece], region: Region, base: int, clip: tuple[int, int], *, readonly: bool, nonvolatile: bool
) -> None:
    if not region.enabled:
        return
    base += region.addr
    readonly |= region.readonly
    nonvolatile |= region.nonvolatile
    if not _intersects((base, region.size), clip):
        return
    lo = max(base, clip[0])
    hi = min(base + region.size, clip[0] + clip[1])
    clip = (lo, hi - lo)
    if region.alias is not None:
        start = base - region.alias.addr - region.alias_offset
        _render(out, region.alias, start, clip, readonly=readonly, nonvolatile=nonvolatile)
        return
    for child in region.subregions:
        _render(out, child, base, clip, readonly=readonly, nonvolatile=nonvolatile)
    if region.terminates:
        _fill(out, region, base, lo, hi, readonly, nonvolatile)


def _fill(out: list[_Piece], region: Region, base: int, lo: int, hi: int, readonly: bool, nonvolatile: bool) -> None:
    pos, i = lo, 0
    while i < len(out) and pos < hi:
        start, size = out[i][:2]
        if pos >= start + size:
            i += 1
            continue
        if pos < start:
            n = min(hi, start) - pos
            out.insert(i, (pos, n, region, pos - base, readonly, nonvolatile))
            i += 1
            pos += n
        if i < len(out):
            end = min(hi, out[i][0] + out[i][1])
            if end - pos == T64:
                raise MemoryAbort("render_memory_region: 2**64 bytes under 2**64 bytes")
            pos = max(pos, end)
            i += 1
    if pos < hi:
        out.insert(i, (pos, hi - pos, region, pos - base, readonly, nonvolatile))
