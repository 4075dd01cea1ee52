"""Who used which view while what was pending: the pairs that the question of this project is made of.

A use with changes pending is told by four pairs of its reader, each with whether a fresh view would have shown the same
("benign") or not ("harmful"): with each kind of call that is pending, with each region that these calls are about, with
the latest of them, and with where it reads and who is being loaded. Pairs, not the whole list of what is pending: that
is another one at nearly every read, and who keeps each input that shows another list keeps every input.

Cost: of a load without such a use, nothing. Else a change is looked at once, however many uses see it, and a use looks
at those that its reader has not been told with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.situation.words import bare

if TYPE_CHECKING:
    from model.memory import Region
    from model.memory.changes import Mutation
    from model.situation.situation import Facts

_REGION: Final = {"add": 3, "del": 2}
"""Where a mutation has the region that it is about, if not behind its name."""
_DEEPEST: Final = 4


class PendingReads:
    """The uses of one load."""

    def __init__(self) -> None:
        self._facts: set[tuple[str, ...]] = set()
        self._changes: list[Mutation] = []
        self._looked_at = 0
        self._kinds: dict[tuple[str, str], None] = {}
        self._latest = ("", "")
        self._told: dict[tuple[str, str], int] = {}

    def note(self, reader: str, harmful: bool, changes: list[Mutation], place: tuple[str, str, int]) -> None:
        """One use. `changes`: what no rebuild has shown yet; `place`: kind of device, address space, depth."""
        if changes is not self._changes:
            self._changes, self._looked_at = changes, 0
            self._kinds.clear()
            self._told.clear()
        if self._looked_at < len(changes):
            self._look(changes)
        facts = self._facts
        how = "harmful" if harmful else "benign"
        device, space, depth = place
        facts.add(("read-by", reader, how, device, *self._latest))
        facts.add(("read-in", reader, how, bare(space)))
        facts.add(("read-at-depth", reader, how, str(min(depth, _DEEPEST))))
        told = self._told.get((reader, how), 0)
        if told < len(self._kinds):
            self._told[reader, how] = len(self._kinds)
            for name, region in [*self._kinds][told:]:
                facts.add(("read-while-call", reader, how, name))
                facts.add(("read-while-region", reader, how, region))

    def _look(self, changes: list[Mutation]) -> None:
        for key, _ in changes[self._looked_at :]:
            name = str(key[0])
            region: Region = key[_REGION.get(name, 1)]  # type: ignore[assignment]
            self._latest = (name, bare(region.name))
            self._kinds[self._latest] = None
        self._looked_at = len(changes)

    def facts(self) -> Facts:
        """All of them."""
        return tuple(sorted(self._facts)) if self._facts else ()
