"""Medians of how long searches took, where some did not come to an end, and how sure one can be of them.

A search that found nothing within its executions is *censored*: it would have taken more than it had. Such a one
counts as a lower bound, and a median in which it takes part is a lower bound too. Nothing is assumed of how the numbers
are distributed: an interval is made of two of them, and how often such an interval holds the true median follows from
coin tosses alone (the binomial interval of a median, as in Conover, Practical Nonparametric Statistics, 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True, order=True)
class Taken:
    """What a search took; `more`: that much and found nothing. In order of size, a bound behind its like."""

    number: float
    more: bool = False


@dataclass(frozen=True, slots=True)
class Median:
    """A median and the interval around it; `confidence`: how often such an interval holds the true one."""

    middle: Taken
    low: Taken
    high: Taken
    confidence: float


def median(taken: Sequence[Taken]) -> Median | None:
    """Of any number of searches; None of none. The interval is the narrowest that is sure enough, else the widest."""
    if not taken:
        return None
    # Whatever a bound stands for lies between it and infinity, and so does each rank between these two rankings.
    least = sorted(one.number for one in taken)
    most = sorted(inf if one.more else one.number for one in taken)
    count = len(taken)
    first = depth(count)
    low, high = (Taken(least[rank], least[rank] != most[rank]) for rank in (first, count - 1 - first))
    middle = _middle(least)
    return Median(Taken(middle, middle != _middle(most)), low, high, confidence(count, first))


def _middle(ranked: Sequence[float]) -> float:
    return (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2


def depth(count: int) -> int:
    """How many of `count` sorted numbers may be left out at either end, so that the rest still spans the median."""
    first = 0
    while first + 1 <= (count - 1) // 2 and confidence(count, first + 1) >= CONFIDENCE:
        first += 1
    return first


def confidence(count: int, first: int) -> float:
    """How often the numbers at `first` and at as many from the end, of `count` sorted ones, have the median between."""
    return 1 - 2 * sum(comb(count, i) for i in range(first + 1)) / 2**count if count > 1 else 0.0


def is_fewer(one: Median, other: Median) -> bool:
    """Whether the first median is surely below the second, as far as both were measured."""
    if one.middle.more:
        return False
    return one.middle.number < other.middle.number or (one.middle.number == other.middle.number and other.middle.more)
