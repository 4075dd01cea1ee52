"""Choosing arms by what they earn: who earns is tried more often, nobody is given up."""

from __future__ import annotations

from collections import Counter

import pytest

from fuzz.mutate import Dice
from fuzz.mutate.choice import CEILING, FLOOR, Wheel


def test_names_are_picked_as_their_weights_say_and_one_of_none_never() -> None:
    wheel, dice = Wheel({"often": 9, "seldom": 1, "never": 0}), Dice(5)
    picked = Counter(wheel.pick(dice) for _ in range(5000))
    assert set(picked) == {"often", "seldom"}
    assert picked["often"] == pytest.approx(4500, rel=0.05)


def test_who_earns_is_tried_more_often_and_who_does_not_is_not_given_up() -> None:
    wheel, dice = Wheel(dict.fromkeys(("good", "bad", "idle"), 4)), Dice(1)
    for _ in range(4000):
        name = wheel.pick(dice)
        wheel.credit((name,), 1.0 if name == "good" and dice.chance(3) else 0.0)
    assert wheel.weights["good"] > 2 * wheel.weights["bad"]
    assert all(4 * FLOOR <= weight <= 4 * CEILING for weight in wheel.weights.values())
    picked = Counter(wheel.pick(dice) for _ in range(3000))
    assert min(picked.values()) > 100


def test_what_was_earned_long_ago_is_forgotten() -> None:
    wheel = Wheel(dict.fromkeys(("early", "late"), 1))
    for number in range(8000):
        early = number < 4000
        wheel.credit(("early",), float(early and number % 4 == 0))
        wheel.credit(("late",), float(not early and number % 4 == 0))
    assert wheel.weights["late"] > 2 * wheel.weights["early"]


def test_an_execution_is_shared_by_the_arms_that_made_it() -> None:
    alone, together = (Wheel(dict.fromkeys(("a", "b"), 1)) for _ in range(2))
    for _ in range(600):
        alone.credit(("a",), 1.0)
        alone.credit(("b",), 0.0)
        together.credit(("a", "b"), 1.0)
        together.credit((), 1.0)
        together.credit(("stranger",), 1.0)
    assert alone.weights["a"] > alone.weights["b"]
    assert together.weights == {"a": 1.0, "b": 1.0}
