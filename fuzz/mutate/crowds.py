"""The trials of one mutant by the sections of a seed that they are made on: several in one section, if they may.

Changes that write in place are made in one go at the end, so none may write where another one does (`pokes`); others
are made at once, on what those before have made of the section. A trial that does not share has a section to itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fuzz.mutate.index import altered_by
from fuzz.mutate.pokes import Poke, is_apart
from fuzz.mutate.trial import are_apart
from vmformat import Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fuzz.mutate.pokes import Edit
    from fuzz.mutate.trial import Trial
    from vmformat import Stream

_IN_ONE: Final = 6
"""Trials in one section, of a kind that has few."""
_FOR_EACH: Final = 500
"""Trials of a kind for each of which one more may be in a section."""


@dataclass(slots=True)
class _Crowd:
    """The trials that are made on one section: how many, of how many at most, whether all may share, their registers.

    `section`: as the seed has it; `made`: what stands in its place, but for `edits`, which are made at the end.
    """

    section: Section
    room: int
    trials: int = 0
    all_share: bool = True
    registers: list[int] = field(default_factory=list)
    made: tuple[Section, ...] | None = None
    edits: list[Edit] = field(default_factory=list)

    def take(self, trial: Trial, *, shares: bool) -> bool | None:
        """Make one more trial: whether others leave it its bytes, and None if it has nothing to do here."""
        change = trial.change
        if self.made is None and isinstance(change, Poke):
            edit = change.edit(self.section)
            if edit is None:
                return None
            if not is_apart(edit, self.edits):
                return False
            self.edits.append(edit)
        else:
            made = trial.apply(self.result[0])
            if made is None:
                return None
            self.made, self.edits = made, []
        self.trials += 1
        self.all_share = self.all_share and shares
        if trial.register >= 0:
            self.registers.append(trial.register)
        return True

    @property
    def has_room(self) -> bool:
        """Whether one that shares may join."""
        return self.all_share and self.trials < self.room

    @property
    def result(self) -> tuple[Section, ...]:
        """What stands in the section's place."""
        if self.made is not None:
            return self.made
        return (altered_by(self.section, self.edits) if self.edits else self.section,)


class Crowds:
    """Which sections of a seed have trials, and what is made of them. `where`: sections by the kind of their device."""

    def __init__(self, seed: Stream, where: Mapping[str, Sequence[int]]) -> None:
        self._seed = seed
        self._where = where
        self._crowds: dict[int, _Crowd] = {}
        self._taken: set[str] = set()
        """Kinds of which each section has a trial."""
        self._full: set[str] = set()
        """Kinds of which no section takes another one."""

    def knows(self, kind: str) -> bool:
        """Whether the seed has a section of that kind."""
        return kind in self._where

    def place(self, trial: Trial, *, shares: bool) -> int | None:
        """The section that a trial is made on; None where others have what there are."""
        kind, crowds = trial.kind, self._crowds
        if kind in self._full or (not shares and kind in self._taken):
            return None
        every = places = self._where.get(kind, ())
        if trial.which and trial.which < len(places):
            places = places[trial.which :]
        for at in places:
            if at not in crowds:
                return at
        if shares:
            for at in places:
                crowd = crowds[at]
                if crowd.has_room and are_apart(trial.register, crowd.registers):
                    return at
        if places is every:
            self._taken.add(kind)
            if not any(crowds[at].has_room for at in places):
                self._full.add(kind)
        return None

    def take(self, trial: Trial, at: int, of: int, *, shares: bool) -> bool | None:
        """Make a trial on a section, as `_Crowd.take`. `of`: how many trials of the kind there are."""
        crowd = self._crowds.get(at)
        if crowd is None:
            section = self._seed.records[at]
            assert isinstance(section, Section)
            crowd = _Crowd(section, _IN_ONE + of // _FOR_EACH)
        took = crowd.take(trial, shares=shares)
        if took:
            self._crowds[at] = crowd
        return took

    def next_alike(self, trial: Trial, at: int) -> int | None:
        """The next section of its kind beside the one that a trial is made on, if one that shares may join it there."""
        places = self._where.get(trial.kind, ())
        other = next((place for place in places if place != at), None)
        if other is None or (other in self._crowds and not self._crowds[other].has_room):
            return None
        return other

    def changed(self) -> dict[int, tuple[Section, ...]]:
        """What stands in the place of each section that has trials."""
        return {at: crowd.result for at, crowd in self._crowds.items()}
