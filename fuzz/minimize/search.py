"""A part of a cover problem: searched to the end if the steps allow it, else improved as far as they do.

The search takes the feature with the fewest carriers and tries each of them. A branch ends where what it has cost and
what it must cost at least come to no less than the best known. What it must cost is found by dual ascent: every missing
feature bids for its carriers, as much as none of them costs more than all bids for it; the bids together are a bound.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from fuzz.minimize.measurement import numbers_of

if TYPE_CHECKING:
    from fuzz.minimize.cover import Candidate

A_FILE: Final = 1
_BYTE: Final = 1 << 32
"""Costs: a byte outweighs any number of files, so that of few bytes the fewest files are taken."""
_DEEPEST: Final = 300
"""Files in a solution beyond which the search is hopeless (and would be too deep for Python)."""
_TOGETHER: Final = 12
"""Most files that one step of improving takes out."""


@dataclass(frozen=True)
class Part:
    """Files and what each carries, as bits."""

    members: tuple[tuple[Candidate, int], ...]

    @cached_property
    def carried(self) -> list[int]:
        """By number of the file."""
        return [bits for _, bits in self.members]

    @cached_property
    def costs(self) -> list[int]:
        """By number of the file."""
        return [one.size * _BYTE + A_FILE for one, _ in self.members]

    @cached_property
    def carriers(self) -> dict[int, tuple[int, ...]]:
        """By feature, the numbers of the files that carry it."""
        found: dict[int, list[int]] = {}
        for at, bits in enumerate(self.carried):
            for row in numbers_of(bits):
                found.setdefault(row, []).append(at)
        return {row: tuple(found[row]) for row in sorted(found, key=lambda row: (len(found[row]), row))}

    @cached_property
    def rows(self) -> int:
        """All features."""
        every = 0
        for bits in self.carried:
            every |= bits
        return every


@dataclass(frozen=True, slots=True)
class Solution:
    """What was chosen, whether it is proved to be the least, and the steps that it took."""

    chosen: list[Candidate]
    least: bool
    steps: int


def solve(part: Part, steps: int) -> Solution:
    """The least cover of a part; with `steps` steps at most the least known."""
    search = _Search(part, steps)
    search.run()
    if search.ended:
        search.improve()
    return Solution([part.members[at][0] for at in search.best], not search.ended, search.steps)


class _Search:
    def __init__(self, part: Part, steps: int) -> None:
        self._part = part
        self._most = steps
        self.steps = 0
        self.ended = False
        """Whether the steps ended before the search did."""
        self.best = self._filled((), random.Random(0), 0.0)
        self._cost = self._sum(self.best)

    def _sum(self, chosen: tuple[int, ...]) -> int:
        return sum(self._part.costs[at] for at in chosen)

    def _offer(self, chosen: tuple[int, ...]) -> None:
        cost = self._sum(chosen)
        if cost < self._cost:
            self.best, self._cost = chosen, cost

    # To the end

    def run(self) -> None:
        """From the beginning."""
        if len(self.best) > _DEEPEST:
            self.ended = True
            return
        self._branch(self._part.rows, (), 0, 0)

    def _branch(self, missing: int, chosen: tuple[int, ...], cost: int, barred: int) -> None:
        """All ways to carry what is `missing` without the files in `barred`."""
        if not missing:
            self._offer(chosen)
            return
        if self.steps >= self._most:
            self.ended = True
            return
        self.steps += 1
        part = self._part
        bound, row = self._bound(missing, barred, self._cost - cost)
        if row < 0 or cost + bound >= self._cost:
            return
        ways = [at for at in part.carriers[row] if not barred >> at & 1]
        ways.sort(key=lambda at: (part.costs[at] / (part.carried[at] & missing).bit_count(), at))
        for at in ways:
            self._branch(missing & ~part.carried[at], (*chosen, at), cost + part.costs[at], barred)
            barred |= 1 << at

    def _bound(self, missing: int, barred: int, enough: int) -> tuple[int, int]:
        """What it costs at least, and the feature with the fewest carriers; -1 if one has none."""
        slack = list(self._part.costs)
        total, fewest, first = 0, 1 << 30, -1
        for row, carriers in self._part.carriers.items():
            if not missing >> row & 1:
                continue
            free = [at for at in carriers if not barred >> at & 1] if barred else carriers
            if not free:
                return 0, -1
            if len(free) < fewest:
                fewest, first = len(free), row
            bid = min(slack[at] for at in free)
            if bid:
                total += bid
                for at in free:
                    slack[at] -= bid
                if total >= enough:
                    break
        return total, first

    # As far as it goes

    def improve(self) -> None:
        """Take some out that share features, fill up again otherwise, keep what is better; as many steps once more."""
        dice = random.Random(1)
        part = self._part
        for _ in range(self._most):
            self.steps += 1
            seed = dice.choice(self.best)
            near = [at for at in self.best if part.carried[at] & part.carried[seed]]
            others = dice.sample(self.best, min(len(self.best), dice.randrange(1, _TOGETHER)))
            out = {seed, *others, *near[: dice.randrange(len(near) + 1)]}
            kept = tuple(at for at in self.best if at not in out)
            self._offer(self._filled(kept, dice, 0.5))

    def _filled(self, chosen: tuple[int, ...], dice: random.Random, noise: float) -> tuple[int, ...]:
        """With what is missing, cheapest first, give or take `noise`; then without what is needless."""
        part = self._part
        missing = part.rows
        for at in chosen:
            missing &= ~part.carried[at]
        result = list(chosen)
        candidates = sorted({at for row in numbers_of(missing) for at in part.carriers[row]})
        weight = {at: part.costs[at] * (1 + noise * dice.random()) for at in candidates}
        while missing:
            new = {at: bits for at in candidates if (bits := (part.carried[at] & missing).bit_count())}
            at = min(new, key=lambda at: (weight[at] / new[at], at))
            result.append(at)
            missing &= ~part.carried[at]
            candidates = [*new]
        for at in sorted(result, key=lambda at: (-part.costs[at], at)):
            others = 0
            for other in result:
                if other != at:
                    others |= part.carried[other]
            if not part.carried[at] & ~others:
                result.remove(at)
        return tuple(result)
