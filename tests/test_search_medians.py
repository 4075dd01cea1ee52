"""Medians of searches, some of which did not come to an end."""

from __future__ import annotations

from itertools import product
from statistics import median as plain_median

import pytest

from fuzz.search.medians import Taken, confidence, depth, is_fewer, median

MORE = True


def taken(*numbers: int | tuple[int, bool]) -> list[Taken]:
    return [Taken(*one) if isinstance(one, tuple) else Taken(one) for one in numbers]


@pytest.mark.parametrize(
    ("numbers", "middle", "low", "high"),
    [
        ([7], Taken(7), Taken(7), Taken(7)),
        ([9, 1], Taken(5), Taken(1), Taken(9)),
        ([5, 1, 9, 3, 7], Taken(5), Taken(1), Taken(9)),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], Taken(5), Taken(2), Taken(8)),
        ([1, (10, MORE), 3], Taken(3), Taken(1), Taken(10, MORE)),
        ([1, (10, MORE), (10, MORE)], Taken(10, MORE), Taken(1), Taken(10, MORE)),
        ([4, (10, MORE)], Taken(7, MORE), Taken(4), Taken(10, MORE)),
        ([(10, MORE)], Taken(10, MORE), Taken(10, MORE), Taken(10, MORE)),
        # A search that ran out of time early may stand for a small number or for a large one.
        ([5, 6, (2, MORE)], Taken(5, MORE), Taken(2, MORE), Taken(6, MORE)),
    ],
)
def test_median(numbers: list[int | tuple[int, bool]], middle: Taken, low: Taken, high: Taken) -> None:
    found = median(taken(*numbers))
    assert found is not None
    assert (found.middle, found.low, found.high) == (middle, low, high)


def test_of_nothing() -> None:
    assert median([]) is None


def test_a_bound_is_below_whatever_it_stands_for() -> None:
    """Whatever the searches that were cut off would have taken, the median is where we say."""
    for numbers in product((1, 4, 6), (3, 5), (2, 9), (4, 7)):
        for cut in product((False, True), repeat=4):
            found = median([Taken(*one) for one in zip(numbers, cut, strict=True)])
            assert found is not None
            for beyond in (0, 1, 3, 100):
                true = plain_median([number + beyond * is_cut for number, is_cut in zip(numbers, cut, strict=True)])
                assert true >= found.middle.number
                assert found.middle.more or true == found.middle.number


@pytest.mark.parametrize(("count", "first", "sure"), [(5, 0, 0.9375), (6, 0, 0.96875), (9, 1, 0.9609), (2, 0, 0.5)])
def test_how_sure_an_interval_is(count: int, first: int, sure: float) -> None:
    """As the tables of binomial intervals have it."""
    assert depth(count) == first
    assert confidence(count, first) == pytest.approx(sure, abs=1e-4)


@pytest.mark.parametrize("count", range(1, 40))
def test_the_interval_is_the_narrowest_that_is_sure_enough(count: int) -> None:
    first = depth(count)
    assert first <= (count - 1) // 2
    if first:
        assert confidence(count, first) >= 0.95
    if first + 1 <= (count - 1) // 2:
        assert confidence(count, first + 1) < 0.95


@pytest.mark.parametrize(
    ("one", "other", "fewer"),
    [
        ([3, 4, 5], [5, 6, 7], True),
        ([5, 6, 7], [3, 4, 5], False),
        ([4], [4], False),
        ([10], [(10, MORE)], True),
        ([(10, MORE)], [20], False),
        ([(10, MORE)], [(10, MORE)], False),
        ([3], [2, (10, MORE)], True),
    ],
)
def test_fewer(one: list[int | tuple[int, bool]], other: list[int | tuple[int, bool]], fewer: bool) -> None:
    first, second = median(taken(*one)), median(taken(*other))
    assert first is not None
    assert second is not None
    assert is_fewer(first, second) is fewer
