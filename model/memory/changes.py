"""Where two trees can differ: how a change deep in the tree becomes spans of guest addresses.

Every mutation leaves records (region, lo, hi): within lo..hi of this region's own offsets the tree may look different.
A child that came, went or moved leaves the span it had and the span it has, in its container; an attribute leaves the
whole extent of its region; a new size the part that came or went, in the region and in its container (where the region
may be gone by the end, and then nothing leads up from it any more). A region whose `addr` changed also leaves
(region, 0, -1): if it is the root of a view, everything in that view has moved.

The claim: an address outside all spans, each record carried up to the root through the *final* tree, shows the same
byte with the same flags before and after. Proof. Follow the look-up of the address down both trees side by side, as
long as the region reached and the offset in it are the same. If the look-ups end differently there is a first region
where something local differs: its own attributes, or which children with which extent it has about this offset. That
mutation left a record which covers this offset. The way from the root down to this region is the same in both trees,
so it is there in the final one, with the same offsets, and carrying the record up that way yields this very address.
Several mutations in a row need no more: whatever differs locally at the end was changed by one of them.

So carrying up may skip what is disabled in the final tree, and clip by the final sizes.

A like thing holds where the old tree shows nothing: whatever an address shows now it shows by a way that is new, and a
way is new only if it leads over a region that was added or whose attributes changed. The ways up that carrying finds
(`Spans.ways`) are the ways down on which to look for it; all that lies beside them showed nothing before and shows
nothing now. The same where nothing but the view's own root was shown, which is painted behind all others.

A node stands for the tree after one particular sequence of mutations from the pristine tree. Nodes form a trie: equal
sequences meet in the same node, so a rendering made there once is good for every execution that comes by, under
whatever design. Deterministic mutation makes this exact; no hash of the tree is involved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from model.memory.region import T64

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from model.memory.publishing import Published
    from model.memory.region import Region
    from model.memory.series import Series
    from model.memory.view import FlatView

Record: TypeAlias = "tuple[Region, int, int]"
Mutation: TypeAlias = "tuple[tuple[object, ...], tuple[Record, ...]]"
"""What a mutator did, by name and arguments, and its records."""

_EVERYTHING = (-1, -1)
_MAX_STEPS = 400
_MAX_RECORDS = 40
_MAX_SPANS = 6
"""Further back, or with more records or spans than this, rendering everything is cheaper."""


class Spans(list[tuple[int, int]]):
    """Spans of addresses, ascending and disjoint. `ways`: where to look for what is new there; None for everywhere."""

    __slots__ = ("ways",)

    def __init__(self, spans: Iterable[tuple[int, int]], ways: Ways | None) -> None:
        super().__init__(spans)
        self.ways = ways


class Ways:
    """Ways down the tree: from each region to those below it that lead on (of an alias its target).

    `ends`: the regions that have changed; what lies below them counts, too.
    """

    __slots__ = ("below", "ends")

    def __init__(self) -> None:
        self.below: dict[Region, dict[Region, None]] = {}
        self.ends: set[Region] = set()

    def add(self, above: Region, below: Region) -> None:
        """One step."""
        there = self.below.get(above)
        if there is None:
            self.below[above] = {below: None}
        else:
            there[below] = None


class Found(dict["Region", "set[tuple[int, int]]"]):
    """Of each root the spans in which it shows changes, and the ways there."""

    __slots__ = ("ways",)

    def __init__(self, spans: dict[Region, set[tuple[int, int]]], ways: Ways | None = None) -> None:
        super().__init__(spans)
        self.ways = ways


class Node:
    """The tree after a sequence of mutations: what the last one touched, the renderings made so far, and what a rebuild
    came to (`publishing`).

    The last one may be a series of many, made together; `series` is what that came to. `changed`: the regions that were
    added, or whose attributes changed.
    """

    __slots__ = (
        "changed", "contents", "is_known", "nexts", "parent", "published", "records", "series", "spans", "spans_base",
    )  # fmt: skip

    def __init__(self, parent: Node | None, records: tuple[Record, ...], changed: tuple[Region, ...] = ()) -> None:
        self.parent = parent
        self.records = records
        self.changed = changed
        self.nexts: dict[tuple[object, ...], Node] = {}
        self.contents: dict[Region, FlatView] = {}
        self.spans: Found | None = None
        self.spans_base: Node | None = None
        self.published: Published | None = None
        self.series: Series | None = None
        self.is_known = False

    def again(self) -> Node:
        """The node; somebody has come by who has not made it."""
        self.is_known = True
        return self


def since(node: Node, root: Region, roots: Collection[Region | None]) -> tuple[FlatView | None, Spans | None]:
    """The latest rendering of a root at or above a node, and the spans in which it may be out of date.

    (None, None) when there is none, or none worth using. `roots` are those that will be asked about as well; the tree
    must be the one that the node stands for.
    """
    steps = 0
    base: Node | None = node
    while base is not None and steps < _MAX_STEPS:
        old = base.contents.get(root)
        if old is not None:
            spans = node.spans
            if spans is None or node.spans_base is not base or root not in spans:
                spans = node.spans = _spans(node, base, root, roots)
                node.spans_base = base
            found = spans[root]
            if _EVERYTHING in found:
                break
            merged = merge(found)
            return (old, Spans(merged, spans.ways)) if len(merged) <= _MAX_SPANS else (None, None)
        steps += 1
        base = base.parent
    return None, None


def _spans(node: Node, base: Node, root: Region, roots: Collection[Region | None]) -> Found:
    """What every root shows of the records between two nodes, carried up through the tree of the lower one."""
    records: set[Record] = set()
    ways = Ways()
    step: Node | None = node
    while step is not base and step is not None:
        records.update(step.records)
        ways.ends.update(step.changed)
        step = step.parent
    everything = {_EVERYTHING} if len(records) > _MAX_RECORDS else set()
    found = Found({other: everything.copy() for other in roots if other is not None}, ways)
    found[root] = everything
    if everything:
        return found
    for region in ways.ends:
        if region.container is not None:
            ways.add(region.container, region)
    for region, lo, hi in records:
        if hi >= 0:
            carry_up(region, lo, hi, root, roots, found)
        elif region is root or region in roots:
            found[region].add(_EVERYTHING)
    return found


def carry_up(
    region: Region,
    lo: int,
    hi: int,
    root: Region,
    roots: Collection[Region | None],
    found: Found,
) -> None:
    """Add the guest addresses, in views rendered from `root` or any of `roots`, that show a region's offsets lo..hi."""
    ways = found.ways
    if region is root or region in roots:
        low = max(lo + region.addr, 0)
        high = min(hi + region.addr, T64)
        if low < high:
            found[region].add((low, high))
    above = region.container
    if above is not None and above.enabled:
        at = region.addr
        low = lo + at
        high = min(hi + at, above.size)
        if low < high:
            if ways is not None:
                ways.add(above, region)
            carry_up(above, low, high, root, roots, found)
    for alias in region.aliases:
        if alias.enabled:
            offset = alias.alias_offset
            low = lo - offset if lo > offset else 0
            high = hi - offset
            if alias.size < high:
                high = alias.size
            if low < high:
                above = alias.container
                # Most aliases of the system's root lead to a bus-master container, where the way ends.
                further = bool(alias.aliases) or alias is root or alias in roots
                if above is not None and not further:
                    further = bool(above.container or above.aliases) or above is root or above in roots
                if further:
                    if ways is not None:
                        ways.add(alias, region)
                    carry_up(alias, low, high, root, roots, found)


def touch(changed: Iterable[tuple[Record, ...]], root: Region, lo: int, hi: int) -> bool:
    """Whether any of these records, carried up to a root, meets the guest addresses lo..hi-1."""
    found = Found({root: set()})
    for records in changed:
        for region, low, high in records:
            if high < 0:
                if region is root:
                    return True
                continue
            carry_up(region, low, high, root, (), found)
            if any(start < hi and end > lo for start, end in found[root]):
                return True
            found[root].clear()
    return False


def merge(spans: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same addresses as ascending spans that do not touch."""
    merged: list[tuple[int, int]] = []
    for lo, hi in sorted(spans):
        if merged and lo <= merged[-1][1]:
            if hi > merged[-1][1]:
                merged[-1] = (merged[-1][0], hi)
        else:
            merged.append((lo, hi))
    return merged


def changed_by(key: tuple[object, ...]) -> tuple[Region, ...]:
    """The region that a mutation has added, or whose attributes it has changed."""
    found: Region = key[3 if key[0] == "add" else 1]  # type: ignore[assignment]
    return () if key[0] == "del" else (found,)


def weight_of(records: tuple[Record, ...]) -> int:
    """What a node counts among those that are remembered: more if it stands for a long series."""
    return 1 + len(records) // 4


def clear(node: Node) -> tuple[int, int]:
    """Drop what follows a node, but for nodes that somebody came by again since the last time, and that lead there.

    How many nodes and renderings are left. What is dropped is taken apart, so that no garbage collector is needed.
    """
    nodes = contents = 0
    left, dropped = [node], []
    while left:
        nexts = left.pop().nexts
        for below in nexts.values():
            if below.is_known:
                below.is_known = False
                nodes += weight_of(below.records)
                contents += len(below.contents)
                left.append(below)
            else:
                dropped.append(below)
                below.parent = None
        if any(below.parent is None for below in nexts.values()):
            kept = {key: below for key, below in nexts.items() if below.parent is not None}
            nexts.clear()
            nexts.update(kept)
    while dropped:
        nexts = dropped.pop().nexts
        dropped += nexts.values()
        nexts.clear()  # the nodes below have nothing but each other now
    return nodes, contents
