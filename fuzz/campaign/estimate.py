"""What more fuzzing will bring, estimated from what was seen once and twice.

Fuzzing draws executions as a biologist draws samples: each shows some species (features of the code, causes of findings),
most show none that is new. What the rare species tell of the unseen ones is old statistics; M. Boehme brought it to
fuzzing (STADS: Software Testing As Species Discovery, ACM TOSEM 2018). With `n` executions, `Q1` species that exactly
one of them showed, `Q2` that exactly two did:

    chance    Q1 / n                                   Good-Turing: species that are new, in the next execution
    unseen    f0 = (n - 1) / n * Q1^2 / (2 max(Q2, 1))       Chao: species that no execution has shown, at least
    coming    f0 * (1 - (1 - Q1 / (n f0 + Q1))^m)      Chao and others 2014: new ones in m executions more

`coming` is 0 for m = 0 and for Q1 = 0, never negative, grows with m, and tends to f0. Where no species was seen twice,
Chao's own form has Q1 (Q1 - 1) instead of Q1^2; that one says that nothing is left where one single species was seen
once, while Good-Turing still gives it a chance, and the two stand side by side here.

What may be missed. Chao's f0 is a lower bound, and an extrapolation is good for about three times what was drawn
(`REACH`); beyond it the words say "at least". And a fuzzer is no fixed urn: what shows something new is kept and mutated,
so what was seen once is soon seen often, there are fewer singletons than in an urn, and a young campaign finds several
times what this says. That is why the words also tell what the last hour did bring.

Several workers. Those of a group draw from one urn: each one's numbers are a sample of it, from which is read what the
group sees between what it has executed together and m more; the mean over the workers counts, each by its executions.
What groups will see is added up. Causes are counted over all workers and all runs together, since a cause is new once;
sights by inputs that were kept before do not count, since each run and each peer executes those again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fuzz.campaign.stats import Stats

ENOUGH: Final = 1_000
"""Executions below which nothing is estimated."""
REACH: Final = 3
"""How many times as many executions as were seen the extrapolation is trusted for."""
HOUR: Final = 3600.0
"""Seconds."""


def chance(once: int, executions: int) -> float:
    """New species in the next execution, on average; 0 to `once`."""
    return once / executions if executions else 0.0


def unseen(once: int, twice: int, executions: int) -> float:
    """Species that there are at least, beyond those seen; 0 or more."""
    return (executions - 1) / executions * once * once / (2 * max(twice, 1)) if executions else 0.0


def coming(once: int, twice: int, executions: int, more: float) -> float:
    """New species in `more` executions; 0 to `unseen`."""
    left = unseen(once, twice, executions)
    if not left or more <= 0:
        return 0.0
    share = once / (executions * left + once)
    return left if share >= 1 else -left * math.expm1(more * math.log1p(-share))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What another hour at the present rate brings."""

    executions: int
    """Executions that it is drawn from, over all workers."""
    more: float
    """Executions in that hour."""
    features: float | None
    """Features it brings; None: too early, or nobody counts them."""
    causes: float | None
    """Causes it brings; None: too early."""
    wait: float | None
    """Seconds to the next new cause, on average; None: too early, or none is in sight."""
    beyond: bool
    """Whether the hour is longer than the extrapolation reaches: there is at least this much."""


def estimate(stats: Sequence[Stats], running: Iterable[str] | None = None) -> Estimate:
    """What another hour of these workers brings; of those named in `running` at their rate, of all where it is None.

    Where nobody runs, at the average rate so far.
    """
    going = [one for one in stats if running is None or one.worker in {*running}]
    rates = {one.worker: one.rate for one in going if one.rate > 0}
    if not rates:
        rates = {one.worker: one.executions / one.seconds for one in stats if one.seconds > 0}
    more = HOUR * sum(rates.values())
    executions = sum(one.executions for one in stats)
    causes = wait = None
    if executions >= ENOUGH and more:
        once, twice = _rare(stats)
        causes = coming(once, twice, executions, more)
        wait = HOUR / (chance(once, executions) * more) if once else None
    sampled = sum(one.sampled for one in stats)
    features = None
    if sampled >= ENOUGH and more:
        features = sum(_of_group(group, rates) for group in _groups(one for one in stats if one.worker in rates))
    return Estimate(executions, more, features, causes, wait, more > REACH * max(executions, 1))


def _rare(stats: Iterable[Stats]) -> tuple[int, int]:
    """How many causes one mutant of all workers showed, and how many exactly two did."""
    counts: dict[str, int] = {}
    for one in stats:
        for cause, seen in one.findings.items():
            counts[cause] = counts.get(cause, 0) + seen.count - seen.repeats
    return sum(count == 1 for count in counts.values()), sum(count == 2 for count in counts.values())


def _groups(stats: Iterable[Stats]) -> list[list[Stats]]:
    groups: dict[str, list[Stats]] = {}
    for one in stats:
        if one.sampled:
            groups.setdefault(one.group or one.worker, []).append(one)
    return list(groups.values())


def _of_group(workers: Sequence[Stats], rates: dict[str, float]) -> float:
    """Features that an hour brings to workers of one group."""
    together = sum(one.sampled for one in workers)
    more = HOUR * sum(rates.get(one.worker, 0.0) for one in workers)
    total = 0.0
    for one in workers:
        ahead = together - one.sampled
        reached = coming(one.once, one.twice, one.sampled, ahead)
        total += one.sampled * (coming(one.once, one.twice, one.sampled, ahead + more) - reached)
    return total / together
