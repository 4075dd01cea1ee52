"""What another hour brings: laws of the estimators, and a population of which everything is known."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import accumulate
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.campaign import CauseCount, Stats
from fuzz.campaign.estimate import ENOUGH, chance, coming, estimate, unseen

COUNTS = st.integers(0, 10_000)
EXECUTIONS = st.integers(1, 10**9)
MORE = st.floats(0, 1e12)


@given(twice=COUNTS, executions=EXECUTIONS, more=MORE)
def test_nothing_is_left_where_everything_was_seen_twice(twice: int, executions: int, more: float) -> None:
    assert coming(0, twice, executions, more) == unseen(0, twice, executions) == chance(0, executions) == 0


@given(once=COUNTS, twice=COUNTS, executions=EXECUTIONS, more=MORE, and_more=MORE)
def test_it_grows_and_stays_below_what_is_left(
    once: int, twice: int, executions: int, more: float, and_more: float
) -> None:
    left = unseen(once, twice, executions)
    few, many = coming(once, twice, executions, more), coming(once, twice, executions, more + and_more)
    assert 0 <= few <= many <= left * (1 + 1e-12)


@given(once=st.integers(1, 1000), twice=COUNTS, executions=st.integers(1000, 10**6))
def test_the_next_execution_brings_what_good_turing_says_and_the_last_ones_what_is_left(
    once: int, twice: int, executions: int
) -> None:
    assert coming(once, twice, executions, 1) <= chance(once, executions)
    if unseen(once, twice, executions) > 10:
        assert coming(once, twice, executions, 1) == pytest.approx(chance(once, executions), rel=0.1)
    assert coming(once, twice, executions, 1e15) == pytest.approx(unseen(once, twice, executions))


def test_a_known_population_is_estimated_within_a_factor_of_two() -> None:
    """400 species, the k-th one drawn as often as 1/k: what 1, 2 and 3 times as many draws bring, over ten seeds."""
    species = range(1, 401)
    weights = list(accumulate(1 / number for number in species))
    ratios: dict[int, list[float]] = {1: [], 2: [], 3: []}
    for seed in range(10):
        drawn = random.Random(seed).choices(species, cum_weights=weights, k=4 * 500)
        counts = Counter(drawn[:500])
        once, twice = (sum(count == times for count in counts.values()) for times in (1, 2))
        for times, found in ratios.items():
            new = len({*drawn[: 500 * (1 + times)]}) - len(counts)
            found.append(coming(once, twice, 500, 500 * times) / new)
    assert all(0.5 < median(found) < 2 for found in ratios.values()), ratios
    assert all(1 / 3 < ratio < 3 for found in ratios.values() for ratio in found)


def stats(worker: str = "a", **values: float | str) -> Stats:
    said: dict[str, int | float | str] = {"executions": 100_000, "rate": 10.0, "seconds": 1e4, "state": "running"}
    return Stats(worker, "m", "stream", **{**said, **values})  # type: ignore[arg-type]


def seen(one: Stats, *counts: int) -> Stats:
    one.findings = {f"c{number}": CauseCount("kind", count) for number, count in enumerate(counts)}
    return one


def test_too_early_to_tell() -> None:
    said = estimate([seen(stats(executions=ENOUGH - 1, sampled=ENOUGH - 1, once=5), 1)])
    assert (said.features, said.causes, said.wait) == (None, None, None)
    assert estimate([]).causes is None
    # Nobody counts features: nothing is said of them.
    assert estimate([stats(sampled=0)]).features is None


def test_the_next_cause() -> None:
    said = estimate([seen(stats(), 1, 1, 2, 900)])
    # 36,000 more executions, 2 in 100,000 of which show something new.
    assert said.more == 36_000
    assert said.wait == pytest.approx(100_000 / 2 / 10)
    assert said.causes == pytest.approx(2 * (1 - math.exp(-0.36)), rel=0.01)
    assert not said.beyond
    assert estimate([seen(stats(), 2, 900)]).wait is None


def test_a_cause_that_two_workers_saw_was_seen_twice_unless_one_repeated_what_the_other_kept() -> None:
    one, other = seen(stats("a"), 1), seen(stats("b"), 1)
    assert estimate([one, other]).wait is None
    other.findings["c0"].repeats = 1
    assert estimate([one, other]).wait == pytest.approx(200_000 / 20)


@given(workers=st.integers(1, 5))
def test_workers_of_a_group_share_what_is_left_and_groups_do_not(workers: int) -> None:
    def said(group: str) -> float:
        many = [
            stats(f"{number}", group=group, sampled=100_000, features=500, once=20, twice=10)
            for number in range(workers)
        ]
        features = estimate(many).features
        assert features is not None
        return features

    alone = coming(20, 10, 100_000, 36_000)
    assert said("") == pytest.approx(workers * alone)
    assert said("g") <= said("") + 1e-9
    assert said("g") <= unseen(20, 10, 100_000)


def test_who_does_not_run_brings_nothing_and_a_finished_campaign_is_asked_for_its_average() -> None:
    many = [stats("a", sampled=100_000, once=5, twice=2), stats("b", sampled=100_000, once=5, twice=2)]
    assert estimate(many, ["a"]).more == 36_000
    assert estimate(many, []).more == 3600 * 20


def test_an_hour_beyond_what_the_extrapolation_reaches_is_said() -> None:
    assert estimate([stats(executions=5_000, rate=100.0)]).beyond
