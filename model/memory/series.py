"""Series of mutations that a device always makes together, made again by their result.

A bridge takes its windows away and puts them back at every load of its config space; a chipset sets dozens of aliases,
most of them to what they are. From one tree the same series leads to the same tree, so what it has written is kept with
the node that it began at, and written again the next time: fields that end as they began are left alone.

A series is made within a transaction that somebody else has opened, by mutators and nothing else, and looks at nothing
but the tree. It is made call by call where a call could be told from none: with a listener for changes of containers or
for commits, without the lock, with a seam replaced (`_SEAMS`), or in a memory that does not remember.

Nothing here lights a probe, nor does a series that is written down (`Memory._new_series`): it is not made every time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.memory import region
from model.memory.publishing import Publishing

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from model.memory.changes import Mutation, Node
    from model.memory.region import Region
    from model.memory.space import AddressSpace

MOST: Final = 16
"""Series kept with one node: of one device, for what a few streams have asked of it."""

_LISTS: Final = frozenset({"add", "del"})
_INSERT: Final = region.insert

Write = tuple[object, str, object]
"""An object, the name of a field, a value."""


class Series:
    """What a series comes to: fields as they were and as they are then, its mutations, the node that it ends at."""

    __slots__ = ("after", "before", "end", "marks", "mutations", "touched")

    def __init__(self, before: list[Write], mutations: list[Mutation], end: Node, *, marks: bool) -> None:
        """`before`: all that was written, with the values of before, in order; what is there now is how it ends."""
        first: dict[tuple[object, str], Write] = {}
        for owner, name, value in before:
            first.setdefault((owner, name), (owner, name, value))
        changed = [(*write, getattr(write[0], write[1])) for write in first.values()]
        self.before = [(owner, name, was) for owner, name, was, now in changed if was != now]
        self.after = [(owner, name, now) for owner, name, was, now in changed if was != now]
        self.mutations = mutations
        self.touched = touched(mutations)
        self.end = end
        self.marks = marks


def touched(mutations: list[Mutation]) -> tuple[Region, ...]:
    """The regions that spaces may go by which a series changes, each once: see `Memory._changed`."""
    found: dict[Region, None] = {}
    for (what, *who), _ in mutations:
        mr = who[0]
        assert isinstance(mr, region.Region)
        found[mr] = None
        if what not in _LISTS and mr.container is not None:
            found[mr.container] = None
    return tuple(found)


class Repeating(Publishing):
    """Series, over a core that publishes and keeps a journal (`model.memory.memory`)."""

    depth: int
    has_lock: bool
    before_commit: Callable[[], None] | None
    _journal: list[Write] | None
    _watch: dict[Region | None, set[AddressSpace]]
    _new_series: Callable[[Hashable, Callable[[], None]], None]
    _is_sound: Callable[[], bool]

    def together(self, key: Hashable, make: Callable[[], None]) -> None:
        """Do what `make` does: a series of mutations in an open transaction, settled by the tree and `key` alone."""
        journal = self._journal
        if (
            not self.remembers
            or not self.depth
            or journal is None
            or self.heard is not None
            or self.before_commit is not None
            or not self.has_lock
            or region.insert is not _INSERT
            or not self._is_sound()
        ):
            make()
            return
        known = self._node.series
        series = None if known is None else known.get(key)
        if series is None:
            self._new_series(key, make)
            return
        for owner, name, value in series.after:
            setattr(owner, name, value)
        journal += series.before
        way = series.end
        while way is not self._node and way.parent is not None:
            way.is_known = True
            way = way.parent
        self.epoch += len(series.mutations)
        self.unseen += series.mutations
        self._node = series.end
        for mr in series.touched:
            watching = self._watch.get(mr)
            if watching:
                self._stale |= watching
        if series.marks:
            self.update_pending = True
