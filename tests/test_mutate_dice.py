"""Dice: the same for the same seed, within their limits, and every face comes up."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.mutate import Dice

SEEDS = st.integers(0, (1 << 64) - 1)


@given(SEEDS, st.lists(st.integers(1, 1 << 31), min_size=1, max_size=20))
def test_what_falls_is_below_the_limit_and_the_seed_decides(seed: int, limits: list[int]) -> None:
    one, other = Dice(seed), Dice(seed)
    fallen = [one.below(limit) for limit in limits]
    assert all(0 <= number < limit for number, limit in zip(fallen, limits, strict=True))
    assert [other.below(limit) for limit in limits] == fallen


def test_what_falls_is_the_same_on_every_python() -> None:
    dice = Dice(1)
    assert [dice.below(1000) for _ in range(6)] == [562, 542, 128, 361, 792, 428]
    assert [dice.word(16) for _ in range(3)] == [15694, 39005, 22782]


@given(SEEDS, st.integers(1, 64))
def test_a_word_has_its_bits(seed: int, bits: int) -> None:
    assert 0 <= Dice(seed).word(bits) < 1 << bits


@given(SEEDS, st.integers(1, 1 << 31))
def test_a_low_number_is_below_its_limit(seed: int, limit: int) -> None:
    assert 0 <= Dice(seed).low(limit) < limit


@given(SEEDS, st.integers(1, 9))
def test_a_few_are_one_at_least_and_not_more_than_most(seed: int, most: int) -> None:
    assert 1 <= Dice(seed).few(most) <= most


def test_every_bit_of_a_word_is_set_half_of_the_time() -> None:
    dice = Dice(7)
    words = [dice.word(64) for _ in range(2000)]
    for bit in range(64):
        assert sum(word >> bit & 1 for word in words) == pytest.approx(1000, rel=0.15), bit


def test_all_faces_come_up_alike() -> None:
    dice = Dice(3)
    faces = Counter(dice.pick("abcdefg") for _ in range(7000))
    assert sorted(faces) == [*"abcdefg"]
    assert all(count == pytest.approx(1000, rel=0.2) for count in faces.values())


def test_a_chance_is_taken_one_time_in_so_many() -> None:
    dice = Dice(5)
    assert sum(dice.chance(8) for _ in range(8000)) == pytest.approx(1000, rel=0.15)
    assert dice.chance(1)


def test_low_numbers_are_far_likelier_and_high_ones_happen() -> None:
    dice = Dice(9)
    numbers = [dice.low(1024) for _ in range(8000)]
    assert sum(number < 512 for number in numbers) > 0.8 * len(numbers)
    assert sum(number < 32 for number in numbers) > 0.25 * len(numbers)
    assert max(numbers) > 1000


def test_each_more_of_a_few_is_half_as_likely() -> None:
    dice = Dice(11)
    numbers = Counter(dice.few(4) for _ in range(8000))
    for number, share in ((1, 4000), (2, 2000), (3, 1000), (4, 1000)):
        assert numbers[number] == pytest.approx(share, rel=0.15)


def test_neighbouring_seeds_have_nothing_in_common() -> None:
    """The engine counts its seeds up."""
    firsts = Counter(Dice(seed).below(16) for seed in range(3200))
    assert all(count == pytest.approx(200, rel=0.4) for count in firsts.values())
