"""The invariants of memory.md 11 as one function, for tests and for a fuzzer that wants to be sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memory.reference import lookup, reference_render
from model.memory.region import T64, view_root
from model.memory.rendering import sections_needed
from model.memory.view import EMPTY, NONVOLATILE, READONLY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from model.memory.memory import Memory
    from model.memory.region import Region
    from model.memory.view import FlatView


def validate(memory: Memory, regions: Iterable[Region]) -> None:
    """Raise AssertionError, naming the invariant, where one does not hold.

    `regions` are all there are. Views are compared with the tree only at depth 0; do not call this after moving a
    region without container that a view is rendered from (the exception of 2.2).
    """
    regions = list(regions)
    _tree(regions)
    for space in memory.spaces:
        _view(space.current, check_bounds=memory.depth == 0)
    if memory.depth:
        return
    _check(not memory.update_pending and not memory.ioeventfd_pending, "I11: pending at depth 0")
    by_root: dict[Region | None, FlatView] = {}
    for space in memory.spaces:
        root = view_root(space.root)
        _check(space.resolved is root, "I5: {} resolved to {}, should be {}", space, space.resolved, root)
        other = by_root.setdefault(root, space.current)
        _check(other is space.current, "I7: {} does not share its root's view", space)
        _check((root is None) == (space.current is EMPTY), "I8: {} and the empty view", space)
        if root is not None:
            expected = reference_render(root)
            _check(expected.same_content(space.current), "I5: {}: {} not {}", space, space.current, expected)
            _check(expected.same_content(memory.fresh_view(space)), "I5: {}: fresh view", space)
            _pointwise(space.current, root)
    _check(len({id(view) for view in by_root.values()}) == len(by_root), "I7: one view for two roots")


def _check(condition: bool, text: str, *what: object) -> None:
    if not condition:
        raise AssertionError(text.format(*what))


def _tree(regions: list[Region]) -> None:
    holders: dict[Region, Region] = {}
    reached: dict[Region, int] = {}
    for region in regions:
        priorities = [child.priority for child in region.subregions]
        _check(priorities == sorted(priorities, reverse=True), "I9: order in {}", region)
        for child in region.subregions:
            _check(child not in holders and child.container is region, "I9: container of {}", child)
            holders[child] = region
        if region.container is not None:
            target = region.alias
            while target is not None:
                reached[target] = reached.get(target, 0) + 1
                target = target.alias
    _acyclic(regions)
    for region in regions:
        _check((region.container is None) == (region not in holders), "I9: container of {}", region)
        count = reached.get(region, 0)
        _check(region.mapped_via_alias == count, "I10: {} {} not {}", region, region.mapped_via_alias, count)
        _check(region.alias is None or region in region.alias.aliases, "alias index of {}", region)
        _check(not region.inherit & ~(READONLY | NONVOLATILE), "flags of {}", region)


def _acyclic(regions: list[Region]) -> None:
    """No region leads back to itself, down through its children and what it shows."""
    done: set[Region] = set()
    for start in regions:
        way: list[tuple[Region, bool]] = [(start, False)]
        above: set[Region] = set()
        while way:
            region, left = way.pop()
            if left:
                above.discard(region)
                done.add(region)
                continue
            _check(region not in above, "I9: {} leads back to itself", region)
            if region in done:
                continue
            above.add(region)
            way.append((region, True))
            way += [(below, False) for below in region.subregions]
            if region.alias is not None:
                way.append((region.alias, False))


def _view(view: FlatView, *, check_bounds: bool) -> None:
    low, high = 0, T64
    if check_bounds and view.root is not None:
        low, high = view.root.addr, min(T64, view.root.addr + view.root.size)
    end = -1
    before = None
    for piece, info in zip(view, view.infos, strict=True):
        _check(piece.start >= max(end, 0) and piece.size > 0, "I1: {}", piece)
        _check(low <= piece.start and piece.end <= high, "I2: {}", piece)
        _check(piece.region.terminates and piece.region.alias is None and piece.offset >= 0, "I3: {}", piece)
        if check_bounds:
            _check(piece.offset + piece.size <= piece.region.size, "I3: {}", piece)
        _check(not (piece.start == end and info == before), "I4: {}", piece)
        end, before = piece.end, info
    _check(sections_needed(view) <= 4096, "I19")


def _pointwise(view: FlatView, root: Region) -> None:
    edges = {0, T64 - 1, root.addr}
    for start, end in zip(view.starts, view.ends, strict=True):
        edges |= {start - 1, start, (start + end) // 2, end - 1, end}
    for address in edges:
        index = view.find(address)
        seen = None
        if index >= 0:
            region, base, _ = view.infos[index]
            seen = (region, address - base)
        expected = lookup(root, address - root.addr) if 0 <= address < T64 else None
        _check(seen == expected, "I6: {:#x}: {} not {}", address, seen, expected)
