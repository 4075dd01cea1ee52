"""Which arm is tried next: those that earn their keep are tried more often, and none is given up.

What an arm earns is counted in executions: of those that it had a hand in, how many lit something new. An arm's weight
is its weight to begin with times how its rate compares with that of all, between a quarter (`FLOOR`) and four times
(`CEILING`). Rates are of the recent past: at every step of `_PERIOD` executions what was before counts for a little
less, since what an arm finds early it cannot find again. Everything follows from the order of answers: no clock, no
randomness.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fuzz.mutate.dice import Dice

FLOOR: Final = 0.25
CEILING: Final = 4.0
_PERIOD: Final = 256
"""Executions after which weights are worked out again."""
_MEMORY: Final = 0.8
"""What a period's numbers count for after another one."""
_PRIOR: Final = 20.0
"""Executions at the rate of all that an arm is credited with: few executions say little."""
_UNIT: Final = 64
"""Parts of a weight of 1: weights are whole numbers inside, for the same choice on every machine."""


class Wheel:
    """Names, each likely as its weight is."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._base = {name: weight for name, weight in weights.items() if weight > 0}
        self._names = tuple(self._base)
        self._spent = dict.fromkeys(self._names, 0.0)
        self._earned = dict.fromkeys(self._names, 0.0)
        self._until = _PERIOD
        self._units: dict[str, int] = {}
        self._set(dict.fromkeys(self._names, 1.0))

    def _set(self, factors: Mapping[str, float]) -> None:
        self._units = {name: max(1, round(_UNIT * weight * factors[name])) for name, weight in self._base.items()}
        self._sums = tuple(accumulate(self._units.values()))

    def pick(self, dice: Dice) -> str:
        """A name."""
        return self._names[bisect_right(self._sums, dice.below(self._sums[-1]))]

    @property
    def weights(self) -> dict[str, float]:
        """What each name's weight is now."""
        return {name: units / _UNIT for name, units in self._units.items()}

    def credit(self, names: Iterable[str], gain: float) -> None:
        """An execution has ended that these had a hand in; `gain`: 0 where it showed nothing new, 1 where it did."""
        chosen = [name for name in names if name in self._spent]
        if not chosen:
            return
        share = 1.0 / len(chosen)
        for name in chosen:
            self._spent[name] += share
            self._earned[name] += share * gain
        self._until -= 1
        if self._until <= 0:
            self._until = _PERIOD
            self._weigh()

    def _weigh(self) -> None:
        spent = sum(self._spent.values())
        mean = sum(self._earned.values()) / spent if spent else 0.0
        if mean:
            rates = {
                name: (self._earned[name] + _PRIOR * mean) / (self._spent[name] + _PRIOR) / mean for name in self._names
            }
            self._set({name: min(max(rate, FLOOR), CEILING) for name, rate in rates.items()})
        for counts in (self._spent, self._earned):
            for name in counts:
                counts[name] *= _MEMORY
