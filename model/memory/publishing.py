"""Publishing without working it all out again: what a rebuild comes to, kept with the tree for which it was done.

A rebuild (the essay of `memory`) makes new views, tells each listener of ranges its difference, publishes, and calls
who wants to hear of the commit. Which contents the views have, who shows which, and how many ranges are walked follows
from the tree alone, so it is worked out once for a node of `changes` and found again there (`Published`). What a
space's listeners are told follows from the contents before and after, and is kept with the later one. Each rebuild
still makes FlatView objects of its own, and everything that is counted is counted as if it had been done in full.

This is done only where nobody can tell: no listener hears `begin` or ranges one by one, no design reads within a
commit, and no seam is replaced, by a look at the functions themselves (`_SEAMS`) or because the memory was told not to
remember. Else `Memory` does it in so many words; tests hold the two together.

Nothing here lights a probe: what runs depends on what was seen before. Listeners' own code does as ever.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from model.memory import listener, region, rendering
from model.memory.mutators import Mutators
from model.memory.view import EMPTY, FlatView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model.memory.changes import Mutation, Node
    from model.memory.listener import Listener
    from model.memory.region import Region
    from model.memory.space import AddressSpace
    from model.memory.view import Kept
    from model.memory.work import Work

    _Groups = tuple[tuple[Region | None, tuple[AddressSpace, ...]], ...]

_MOST: Final = 8
"""Differences kept with one node: of two spaces, from the tree as designs have published it before."""

_MOST_GROUPS: Final = 256
"""Ways to resolve the roots of all spaces that are kept: each device's bus master may be on or off."""

_SEAMS: Final = (listener.diff, rendering.render, rendering.simplify, region.view_root, region.insert)


class Published:
    """What a rebuild of one tree publishes: the content of each root, the spaces that show it, and sums."""

    __slots__ = ("contents", "groups", "heard", "ranges", "spaces", "walked")

    def __init__(self, spaces: list[AddressSpace], contents: dict[Region, FlatView], groups: _Groups) -> None:
        self.spaces = spaces
        self.contents = tuple(contents.items())
        self.groups = groups
        self.ranges = sum(len(view.starts) for view in contents.values())
        self.walked = sum(len(contents[root].starts) * len(who) for root, who in self.groups if root is not None)
        self.heard: dict[tuple[AddressSpace, Kept], Difference] = {}


class Difference:
    """What listeners of a space are told: the indices of ranges deleted in the old view, and added in the new one.

    `rows`: a listener may keep here what it makes of them.
    """

    __slots__ = ("added", "removed", "rows")

    def __init__(self, old: FlatView, new: FlatView) -> None:
        self.removed, self.added = _apart(old, new)
        self.rows: object = None


class _Ears:
    """Who among some listeners hears what; of some spaces, which share a view if they resolve so and so."""

    __slots__ = ("are_plain", "commits", "groups", "listeners", "ranges", "spaces")

    def __init__(self, listeners: list[Listener], spaces: list[AddressSpace]) -> None:
        self.listeners, self.spaces = listeners, spaces
        self.groups: dict[tuple[Region | None, ...], _Groups] = {}
        self.are_plain = not any(
            who.hears_begin or who.hears_nop or (who.hears_ranges and not who.hears_differences) for who in listeners
        )
        self.commits = tuple(who for who in listeners if who.hears_commit)
        heard = ((space, tuple(who for who in space.listeners if who.hears_ranges)) for space in spaces)
        self.ranges = tuple((space, who) for space, who in heard if who)


class Publishing(Mutators):
    """The quick way of a rebuild, over a core that has nodes, views and listeners (`model.memory.memory`)."""

    remembers: bool
    asks_in_commit: bool
    update_pending: bool
    rebuilds: int
    epoch: int
    spaces: list[AddressSpace]
    listeners: list[Listener]
    views: dict[Region | None, FlatView]
    unseen: list[Mutation]
    work: Work
    notify: Callable[..., None]
    _node: Node
    _stale: set[AddressSpace]
    _new_content: Callable[[Region], FlatView]
    _resolve: Callable[[], None]
    _ears: _Ears | None

    @classmethod
    @abstractmethod
    def _notifies(cls) -> bool:
        """Whether `notify` is what it was."""

    def _is_plain(self) -> bool:
        """Whether nobody could tell a rebuild that remembers from one that does not."""
        if not self.remembers or self.asks_in_commit:
            return False
        seams = (listener.diff, rendering.render, rendering.simplify, region.view_root, region.insert)
        if seams != _SEAMS or not self._notifies():
            return False
        ears = self._ears
        if ears is None or ears.listeners is not self.listeners:
            ears = self._ears = _Ears(self.listeners, self.spaces)
        return ears.are_plain

    def _publish(self) -> None:
        """A rebuild. Raises MemoryAbort as one does."""
        self.rebuilds += 1
        ears = self._ears
        assert ears is not None
        if self._stale:
            self._resolve()
        published = self._node.published
        if published is None or published.spaces is not self.spaces:
            published = self._node.published = self._work_out()
        epoch, work = self.epoch, self.work
        views: dict[Region | None, FlatView] = {None: EMPTY}
        for root, view in published.contents:
            views[root] = FlatView(root, view.starts, view.ends, view.infos, epoch, view.kept)
        self.views = views
        self.unseen = []
        work.views += len(published.contents)
        work.ranges += published.ranges
        for space, listeners in ears.ranges:
            old, new = space.current, views[space.resolved]
            if old.kept is not new.kept:
                told = published.heard.get((space, old.kept)) or _told(published, space, old, new)
                work.callbacks += (len(told.removed) + len(told.added)) * len(listeners)
                for who in listeners:
                    who.differs(old, new, told)
        for shown, spaces in published.groups:
            view = views[shown]
            for space in spaces:
                space.current = view
        work.walked += published.walked
        self.update_pending = self.ioeventfd_pending = False
        awake = [who for who in ears.commits if not who.is_idle]
        heard = 0
        if awake and not awake[0].commit_for_all(awake):
            for number, who in enumerate(ears.commits, 1):
                if not who.is_idle:
                    work.callbacks += number - heard
                    heard = number
                    who.commit()
        work.callbacks += len(ears.commits) - heard

    def _work_out(self) -> Published:
        contents: dict[Region, FlatView] = {}
        groups = self._groups()
        for root, _ in groups:
            if root is not None:
                known = self._node.contents.get(root)
                contents[root] = self._new_content(root) if known is None else known
        return Published(self.spaces, contents, groups)

    def _groups(self) -> _Groups:
        """The spaces by what their roots resolve to, in the order of the first of each."""
        ears = self._ears
        assert ears is not None
        key = tuple([space.resolved for space in self.spaces])
        known = ears.groups.get(key)
        if known is None or ears.spaces is not self.spaces:
            if ears.spaces is not self.spaces or len(ears.groups) >= _MOST_GROUPS:
                ears.groups.clear()
                ears.spaces = self.spaces
            groups: dict[Region | None, list[AddressSpace]] = {}
            for space in self.spaces:
                groups.setdefault(space.resolved, []).append(space)
            known = ears.groups[key] = tuple((root, tuple(who)) for root, who in groups.items())
        return known


def _told(published: Published, space: AddressSpace, old: FlatView, new: FlatView) -> Difference:
    if len(published.heard) >= _MOST:
        published.heard.clear()
    told = published.heard[space, old.kept] = Difference(old, new)
    return told


def _apart(old: FlatView, new: FlatView) -> tuple[list[int], list[int]]:
    """As `listener.diff` without ranges that stay: only what lies between where the views begin and end alike."""
    old_starts, new_starts, old_ends, new_ends = old.starts, new.starts, old.ends, new.ends
    old_infos, new_infos = old.infos, new.infos
    a, b = len(old_starts), len(new_starts)
    shorter = min(a, b)
    first = _same(old_infos, new_infos, shorter)
    first = _same(old_starts, new_starts, first)
    first = _same(old_ends, new_ends, first)
    behind = shorter - first
    for its, now in ((old_infos, new_infos), (old_starts, new_starts), (old_ends, new_ends)):
        behind = _same_behind(its, now, behind)
    a -= behind
    b -= behind
    before = {(old_starts[i], old_ends[i], old_infos[i]): i for i in range(first, a)}
    added = [i for i in range(first, b) if before.pop((new_starts[i], new_ends[i], new_infos[i]), None) is None]
    return list(before.values()), added


def _same(old: Sequence[object], new: Sequence[object], high: int) -> int:
    """How many of their first `high` elements two lists begin with alike."""
    low = 0
    if old[:high] == new[:high]:
        return high
    # Alike up to `low`; somewhere below `high` they differ.
    while high - low > 1:
        middle = (low + high) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _same_behind(old: Sequence[object], new: Sequence[object], high: int) -> int:
    """How many of their last `high` elements two lists end with alike."""
    low, a, b = 0, len(old), len(new)
    if old[a - high :] == new[b - high :]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if old[a - middle : a - low] == new[b - middle : b - low]:
            low = middle
        else:
            high = middle
    return low
