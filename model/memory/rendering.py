"""Rendering: from the tree to a flat view, as fast as plain Python goes (memory.md 3.2, 3.3).

`render` is the one entrance. Given nothing but a root it walks the whole tree. Given an earlier view of that root and
the spans of addresses in which the tree may differ since, it renders only those spans and puts them into the old view.

Why that is the same. A view is a function of the address (memory.md 3.4), and a simplified view is its only
representation: ranges are as long as they can be, so equal functions have equal lists. Outside the spans the function
is the old one, inside it is what a walk clipped to the span gives, and `simplify` at the seams makes the result
canonical again. Where the spans come from, and why they are enough, is the essay of `changes`.

Cost. One walk of the tree per span, plus copying three lists. The 24-port machine has some 130 nodes and 210 ranges;
one BAR moved costs about a fifth of a full rendering there. Where a span was free, as it is for most BARs that are
mapped, a walk along the ways to what has changed is enough (`changes`): it does not look at what lies beside them.

QEMU aborts when a region of 2**64 bytes at address 0 is painted under another one (I20). A clipped walk cannot see
that, so a walk that meets such a region gives up and the whole tree is rendered.

`reference` is the slow, literal twin; tests hold the two together.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from model.memory.changes import Spans
from model.memory.errors import MemoryAbort
from model.memory.region import T64
from model.memory.view import FlatView

if TYPE_CHECKING:
    from model.memory.changes import Ways
    from model.memory.region import Region
    from model.memory.view import Info

_PAGE = 12
_MAX_SECTIONS = 4096
_ALWAYS_FITS = (_MAX_SECTIONS - 1) // 5
"""Ranges that cannot need too many sections: three sections and two partly covered pages each."""


class _Everything(Exception):
    """A clipped walk met a region that spans the whole address space."""


def render(root: Region, old: FlatView | None = None, spans: list[tuple[int, int]] | None = None) -> FlatView:
    """Seam: the simplified flat view of a resolved root.

    `old` and `spans` (ascending, disjoint, within 0..2**64) are a hint: outside the spans the result equals `old`.
    Spans that have ways (`changes.Spans`) say where to look in those that were free.
    Raises MemoryAbort for a layout at which QEMU aborts: 2**64 bytes under 2**64 bytes, or more than 4096 sections.
    """
    if old is not None and spans is not None:
        if not spans:
            return FlatView(root, old.starts, old.ends, old.infos, kept=old.kept)
        try:
            view = _patched(root, old, spans)
        except _Everything:
            view = _whole(root)
    else:
        view = _whole(root)
    if len(view.starts) > _ALWAYS_FITS and sections_needed(view) > _MAX_SECTIONS:
        raise MemoryAbort("phys_section_add: more than 4096 sections in a view")
    return view


def simplify(starts: list[int], ends: list[int], infos: list[Info], first: int = 0, last: int | None = None) -> None:
    """Seam: join neighbours in place. Only those with the left one at `first`..`last`-2 are looked at (3.3)."""
    last = len(starts) if last is None else last
    joins = [i for i in range(first + 1, last) if starts[i] == ends[i - 1] and infos[i] == infos[i - 1]]
    for i in reversed(joins):
        ends[i - 1] = ends[i]
        del starts[i], ends[i], infos[i]


def sections_needed(view: FlatView) -> int:
    """Sections of the dispatch structure (I19): one unassigned, up to three a range, one a partly covered page."""
    count, partial, last_page = 1, 0, -1
    for start, end in zip(view.starts, view.ends, strict=True):
        head = start & 0xFFF
        first, last = start >> _PAGE, (end - 1) >> _PAGE
        tail = end & 0xFFF
        if first == last and (head or tail):
            count += 1
            pages: tuple[int, ...] = (first,)
        else:
            body = (end >> _PAGE) - ((start + 0xFFF) >> _PAGE)
            count += (1 if head else 0) + (1 if body > 0 else 0) + (1 if tail else 0)
            pages = ((first,) if head else ()) + ((last,) if tail else ())
        for page in pages:
            if page != last_page:
                partial += 1
                last_page = page
    return count + partial


def _whole(root: Region) -> FlatView:
    starts: list[int] = []
    ends: list[int] = []
    infos: list[Info] = []
    _walk_root(root, 0, T64, starts, ends, infos)
    simplify(starts, ends, infos)
    return FlatView(root, starts, ends, infos)


def _patched(root: Region, old: FlatView, spans: list[tuple[int, int]]) -> FlatView:
    starts, ends, infos = old.starts[:], old.ends[:], old.infos[:]
    ways = spans.ways if isinstance(spans, Spans) else None
    for lo, hi in spans:
        s: list[int] = []
        e: list[int] = []
        n: list[Info] = []
        first = bisect_right(ends, lo)
        last = first
        count = len(starts)
        is_free = ways is not None
        while last < count and starts[last] < hi:
            is_free = is_free and infos[last][0] is root
            last += 1
        _walk_root(root, lo, hi, s, e, n, ways if is_free else None)
        if first == last and not s:
            continue
        left = first
        if first < last:
            # A range that sticks out of the span keeps its outer part.
            if starts[first] < lo:
                s.insert(0, starts[first])
                e.insert(0, lo)
                n.insert(0, infos[first])
            if ends[last - 1] > hi:
                s.append(hi)
                e.append(ends[last - 1])
                n.append(infos[last - 1])
        starts[first:last] = s
        ends[first:last] = e
        infos[first:last] = n
        simplify(starts, ends, infos, max(left - 1, 0), min(left + len(s) + 1, len(starts)))
    if infos == old.infos and starts == old.starts and ends == old.ends:
        return FlatView(root, old.starts, old.ends, old.infos, kept=old.kept)
    return FlatView(root, starts, ends, infos)


def _walk_root(
    root: Region, lo: int, hi: int, starts: list[int], ends: list[int], infos: list[Info], ways: Ways | None = None
) -> None:
    base = root.addr
    clipped = lo > 0 or hi < T64
    lo = max(lo, base)
    hi = min(hi, base + root.size)
    if lo < hi and root.enabled:
        if ways is None or not clipped:
            _walk(root, base, lo, hi, 0, clipped, starts, ends, infos)
        else:
            _walk_along(ways, root, base, lo, hi, 0, starts, ends, infos)


def _walk_along(
    ways: Ways,
    region: Region,
    base: int,
    lo: int,
    hi: int,
    flags: int,
    starts: list[int],
    ends: list[int],
    infos: list[Info],
) -> None:
    """As a clipped `_walk`, of nothing but what is reached by these ways."""
    if region in ways.ends:
        _walk(region, base, lo, hi, flags, True, starts, ends, infos)
        return
    below = ways.below.get(region, ())
    target = region.alias
    if target is not None:
        if target in below and target.enabled:
            base -= region.alias_offset
            lo = max(lo, base)
            hi = min(hi, base + target.size)
            if lo < hi:
                _walk_along(ways, target, base, lo, hi, flags | region.inherit, starts, ends, infos)
        return
    flags |= region.inherit
    for child in below if len(below) < 2 else [child for child in region.subregions if child in below]:
        at = base + child.addr
        low, high = max(lo, at), min(hi, at + child.size)
        if low < high and child.enabled:
            _walk_along(ways, child, at, low, high, flags, starts, ends, infos)
    if region.terminates:
        if region.size == T64 and base == 0:
            raise _Everything
        _fill(bisect_right(ends, lo), lo, hi, (region, base, flags | region.leaf), starts, ends, infos)


def _walk(
    region: Region,
    base: int,
    lo: int,
    hi: int,
    flags: int,
    clipped: bool,
    starts: list[int],
    ends: list[int],
    infos: list[Info],
) -> None:
    """Paint an enabled region whose offset 0 is at `base`, where it shows in the non-empty lo..hi."""
    flags |= region.inherit
    while (target := region.alias) is not None:
        base -= region.alias_offset
        region = target
        end = base + region.size
        if base > lo:
            lo = base
        if end < hi:
            hi = end
        if lo >= hi or not region.enabled:
            return
        flags |= region.inherit
    for child in region.subregions:
        if child.enabled:
            at = base + child.addr
            end = at + child.size
            if at < hi and end > lo:
                low = at if at > lo else lo  # noqa: FURB136 - max() costs a call in the hottest loop
                high = end if end < hi else hi  # noqa: FURB136
                if low < high:
                    if child.subregions or child.alias is not None or child.size == T64:
                        _walk(child, at, low, high, flags, clipped, starts, ends, infos)
                    elif child.terminates:
                        # Most leaves fall on free ground.
                        i = bisect_right(ends, low)
                        if i == len(starts) or starts[i] >= high:
                            starts.insert(i, low)
                            ends.insert(i, high)
                            infos.insert(i, (child, at, flags | child.inherit | child.leaf))
                        else:
                            info = (child, at, flags | child.inherit | child.leaf)
                            _fill(i, low, high, info, starts, ends, infos)
    if not region.terminates:
        return
    info = (region, base, flags | region.leaf)
    if region.size == T64 and base == 0:
        if clipped:
            raise _Everything
        if hi == T64 and lo == 0 and starts and starts[0] == 0 and ends[0] == T64:
            raise MemoryAbort("render_memory_region: 2**64 bytes under 2**64 bytes")
    _fill(bisect_right(ends, lo), lo, hi, info, starts, ends, infos)


def _fill(i: int, lo: int, hi: int, info: Info, starts: list[int], ends: list[int], infos: list[Info]) -> None:
    """Paint what is still free of lo..hi: what was painted before wins. `i` is the first range that ends above `lo`."""
    count = len(starts)
    while i < count and starts[i] < hi:
        start = starts[i]
        if lo < start:
            starts.insert(i, lo)
            ends.insert(i, start)
            infos.insert(i, info)
            count += 1
            i += 1
        lo = ends[i]
        i += 1
    if lo < hi:
        starts.insert(i, lo)
        ends.insert(i, hi)
        infos.insert(i, info)
