"""A part of a cover problem: searched to the end if the effort allows it, else improved as far as it does.

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
_TOGETHER: Final = 24
"""So many files at most one step of improving takes out."""
_A_LOOK: Final = 100_000
"""The effort of one such step."""


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


@dataclass(slots=True)
class Effort:
    """How much may still be done: looks at a file, some ten million of which take a second or two."""

    left: int


def solve(part: Part, effort: Effort) -> tuple[list[Candidate], bool]:
    """The least cover of a part, and whether it is proved to be; if the effort ends before, the least known.

    A tenth of the effort goes into the search, which ends by itself there or hardly ever; then half into improving.
    """
    search = _Search(part, effort)
    search.run(effort.left // 10)
    if search.ended:
        search.improve(effort.left // 2)
    return [part.members[at][0] for at in search.best], not search.ended


class _Search:
    def __init__(self, part: Part, effort: Effort) -> None:
        self._part = part
        self._effort = effort
        self._until = 0
        self.ended = False
        """Whether the effort ended before the search did."""
        self.best = self._greedy()
        self._cost = self._sum(self.best)

    def _sum(self, chosen: tuple[int, ...]) -> int:
        return sum(self._part.costs[at] for at in chosen)

    def _offer(self, chosen: tuple[int, ...]) -> None:
        cost = self._sum(chosen)
        if cost < self._cost:
            self.best, self._cost = chosen, cost

    # To the end

    def run(self, most: int) -> None:
        """From the beginning, with so much effort."""
        self._until = self._effort.left - most
        if len(self.best) > _DEEPEST:
            self.ended = True
            return
        self._branch(self._part.rows, (), 0, 0)

    def _branch(self, missing: int, chosen: tuple[int, ...], cost: int, barred: int) -> None:
        """All ways to carry what is `missing` without the files in `barred`."""
        if not missing:
            self._offer(chosen)
            return
        if self._effort.left <= self._until:
            self.ended = True
            return
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
            self._effort.left -= len(free)
            bid = min(slack[at] for at in free)
            if bid:
                total += bid
                for at in free:
                    slack[at] -= bid
                if total >= enough:
                    break
        return total, first

    # As far as it goes

    def improve(self, most: int) -> None:
        """Take some out that could stand in for each other, choose the least for what is missing; with so much effort.

        What is missing then is a part of its own, small enough to be searched.
        """
        dice = random.Random(1)
        until = self._effort.left - most
        while self._effort.left > until:
            out = self._near(dice, dice.randrange(2, _TOGETHER))
            kept = [at for at in self.best if at not in out]
            missing = self._part.rows & ~self._carried(kept)
            within = self._within(missing)
            search = _Search(Part(tuple((self._part.members[at][0], bits) for at, bits in within)), self._effort)
            search.run(_A_LOOK)
            self._offer(self._needed([*kept, *(within[at][0] for at in search.best)]))

    def _carried(self, chosen: list[int]) -> int:
        every = 0
        for at in chosen:
            every |= self._part.carried[at]
        return every

    def _near(self, dice: random.Random, many: int) -> set[int]:
        """So many of the best, of which others carry parts: one by chance, and those around it."""
        part = self._part
        out = {dice.choice(self.best)}
        left = [at for at in self.best if at not in out]
        dice.shuffle(left)
        while left and len(out) < many:
            rows = self._carried([*out])
            around = self._carried(sorted({at for row in numbers_of(rows) for at in part.carriers[row]}))
            self._effort.left -= len(part.members)
            near = [at for at in left if part.carried[at] & around] or left
            out.update(near[: max(1, many // 3)])
            left = [at for at in left if at not in out]
        return out

    def _within(self, missing: int) -> list[tuple[int, int]]:
        """Files with what they carry of what is missing, without those that another one beats there."""
        part = self._part
        found: list[tuple[int, int]] = []
        for at in sorted(
            {at for row in numbers_of(missing) for at in part.carriers[row]},
            key=lambda at: (part.costs[at], -(part.carried[at] & missing).bit_count(), at),
        ):
            bits = part.carried[at] & missing
            if all(bits & ~other for _, other in found):
                found.append((at, bits))
            self._effort.left -= 1
        return found

    def _greedy(self) -> tuple[int, ...]:
        """A beginning: cheapest first for each feature, then without what is needless."""
        part = self._part
        missing, result, candidates = part.rows, [], [*range(len(part.members))]
        while missing:
            self._effort.left -= len(candidates)
            new = {at: bits for at in candidates if (bits := (part.carried[at] & missing).bit_count())}
            at = min(new, key=lambda at: (part.costs[at] / new[at], at))
            result.append(at)
            missing &= ~part.carried[at]
            candidates = [*new]
        return self._needed(result)

    def _needed(self, chosen: list[int]) -> tuple[int, ...]:
        """Without those, the largest first, that can be left out."""
        part, result = self._part, list(chosen)
        while True:
            self._effort.left -= len(result)
            once = more = 0
            for at in result:
                more |= once & part.carried[at]
                once |= part.carried[at]
            needless = [at for at in result if not part.carried[at] & ~more]
            if not needless:
                return tuple(result)
            result.remove(max(needless, key=lambda at: (part.costs[at], at)))
