"""How likely a trial gets a load refused: what was thought before anybody tried, and what came of its like since.

Its like are all trials that were thought as risky, those of fields of its name in any section, of these the ones with
its value, and those of its very field (`Trial.like`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fuzz.mutate.trial import Key, Trial

SMALL: Final = 0.1
"""A risk that is taken several times in one mutant."""
_SURE: Final = 3
"""Refusals after which a field that nothing else came of is left for later."""
_MOSTLY: Final = 0.6
"""A share of refusals that is as good as all, where there were many."""
_MANY, _FEW = 20.0, 2.0
"""Executions that are worth as much as what was thought before."""


@dataclass(slots=True)
class _Tally:
    """Executions that tried something, and those of them that it got refused."""

    tried: float = 0.0
    refused: float = 0.0

    @property
    def is_always(self) -> bool:
        """Whether it was tried often enough, and nothing else ever came of it."""
        return self.tried >= _SURE and self.refused > self.tried - 0.5


_Tallies = tuple[_Tally, _Tally, _Tally, _Tally]
"""Of all trials as risky, of those of the name, of those with the value too, of the field."""


class Refusals:
    """What came of a campaign's trials."""

    def __init__(self) -> None:
        self._book: defaultdict[Key, _Tally] = defaultdict(_Tally)

    def risk(self, trial: Trial) -> float:
        """How likely it is refused, 0..1."""
        all_, name, _, own = self._of(trial)
        risk = (all_.refused + _MANY * trial.risk) / (all_.tried + _MANY)
        risk = (name.refused + _FEW * risk) / (name.tried + _FEW)
        return (own.refused + _FEW * risk) / (own.tried + _FEW)

    def is_hopeless(self, trial: Trial) -> bool:
        """Whether it was always refused: this field, or fields of its name everywhere, or those with this value."""
        _, name, value, own = self._of(trial)
        if not (own.refused or value.refused or name.refused):
            return False
        known = value if trial.risk > SMALL else own
        if own.is_always or value.is_always or (name.is_always and known.tried):
            return True
        return own.refused >= 2 * _SURE and own.refused > _MOSTLY * own.tried

    def learn(self, trial: Trial, refused: float) -> None:
        """It was executed; `refused`: which part of the blame for a refusal it has, 0 for none."""
        for tally in self._of(trial):
            tally.tried += 1
            tally.refused += refused

    def _of(self, trial: Trial) -> _Tallies:
        """What is known of a trial's like: kept with it, since it is looked up again and again."""
        known: _Tallies | None = trial.__dict__.get("_refusals")
        if known is None:
            book, (all_, name, value, own) = self._book, trial.like
            known = trial.__dict__["_refusals"] = book[all_], book[name], book[value], book[own]
        return known
