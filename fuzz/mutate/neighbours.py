"""Trials of one kind of section by where their fields stand: those of one struct are tried together.

A field is wrong only beside another far oftener in one struct than across a device: a flag and what it announces, a
place and a length, an index and what it may be at most. Of all pairs of a section's fields those are few, so a mix of
trials takes its own from one element of one struct, or each from anywhere. A field is chosen first and a value of it
then, since one with many values is not likelier to be wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fuzz.mutate.dice import Dice
    from fuzz.mutate.trial import Trial

_Struct = tuple[tuple["Trial", ...], ...]


class Neighbours:
    """The trials of a kind of section that may go together, and those that change its length."""

    def __init__(self, trials: Iterable[Trial]) -> None:
        structs: dict[tuple[str, int], dict[str, list[Trial]]] = {}
        moving: dict[str, list[Trial]] = {}
        for trial in trials:
            if trial.shares:
                struct = structs.setdefault((trial.field.rpartition(".")[0], trial.element), {})
                struct.setdefault(trial.field, []).append(trial)
            elif trial.moves and not trial.later:
                moving.setdefault(trial.field, []).append(trial)
        self._structs: tuple[_Struct, ...] = tuple(tuple(map(tuple, struct.values())) for struct in structs.values())
        self._moving: _Struct = tuple(map(tuple, moving.values()))

    def drawn(self, dice: Dice, most: int, longer_one_in: int, is_safe: Callable[[Trial], bool]) -> Iterator[Trial]:
        """1 to `most` trials, of one struct half of the time; before them now and then one that changes the length.

        That one comes first, since what a seed's section is with something more is kept with it (`trials`).
        """
        if not self._structs:
            return
        if self._moving and dice.chance(longer_one_in):
            trial = _value(dice.pick(self._moving), dice)
            if is_safe(trial):
                yield trial
        struct, is_near = dice.pick(self._structs), dice.chance(2)
        for _ in range(dice.few(most)):
            trial = _value(dice.pick(struct), dice)
            if is_safe(trial):
                yield trial
            if not is_near:
                struct = dice.pick(self._structs)


def _value(trials: tuple[Trial, ...], dice: Dice) -> Trial:
    """A trial of a field, an early one likelier."""
    return trials[dice.low(len(trials))]
