"""Series of mutations that a device always makes together, made again by their result.

A bridge takes its windows away and puts them back at every load of its config space; a chipset sets dozens of aliases,
most of them to what they are. From one tree the same series leads to the same tree, so there is one node of `changes`
behind it, and what it has written is kept there and written again the next time: fields that end as they began are left
alone.

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
    from collections.abc import Callable

    from model.memory.changes import Mutation
    from model.memory.region import Region, State
    from model.memory.space import AddressSpace

_LISTS: Final = frozenset({"add", "del"})
_INSERT: Final = region.insert


class Series:
    """What a series comes to: fields as they are then, whose they are, its mutations."""

    __slots__ = ("after", "marks", "mutations", "owners", "touched")

    def __init__(self, before: dict[Region, State], mutations: list[Mutation], *, marks: bool) -> None:
        """`before`: all regions that were written to, as they were; what they are now is how it ends."""
        self.after: list[tuple[Region, str, object]] = []
        self.owners: list[Region] = []
        for mr, state in before.items():
            now = region.state_of(mr)
            if now != state:
                self.owners.append(mr)
                self.after += [
                    (mr, *one[1:]) for one in zip(state, region.CHANGING, now, strict=True) if one[0] != one[2]
                ]
        self.mutations = mutations
        self.touched = touched(mutations)
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
    _journal: dict[Region, State] | None
    _in_series: bool
    _watch: dict[Region | None, set[AddressSpace]]
    _new_series: Callable[[tuple[object, ...], Callable[[], None]], None]
    _is_sound: Callable[[], bool]

    def _touch(self, mr: Region) -> None:
        # Here because it lights nothing: whether a region was noted before depends on what was remembered.
        journal = self._journal
        if journal is not None and mr not in journal:
            journal[mr] = region.state_of(mr)

    def together(self, key: tuple[object, ...], make: Callable[[], None]) -> None:
        """Do what `make` does: a series of mutations in an open transaction, settled by the tree and `key` alone."""
        journal = self._journal
        if (
            not self.remembers
            or not self.depth
            or journal is None
            or self._in_series
            or self.heard is not None
            or self.before_commit is not None
            or not self.has_lock
            or region.insert is not _INSERT
            or not self._is_sound()
        ):
            make()
            return
        node = self._node.nexts.get(key)
        series = None if node is None else node.series
        if node is None or series is None:
            self._new_series(key, make)
            return
        for mr in series.owners:
            if mr not in journal:
                journal[mr] = region.state_of(mr)
        for owner, name, value in series.after:
            setattr(owner, name, value)
        node.is_known = True
        self.epoch += len(series.mutations)
        self.unseen += series.mutations
        self._node = node
        for mr in series.touched:
            watching = self._watch.get(mr)
            if watching:
                self._stale |= watching
        if series.marks:
            self.update_pending = True
