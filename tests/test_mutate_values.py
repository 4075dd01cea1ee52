"""Values to try: always others than before, within the field's size, and those that loaders stumble over among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.mutate import Dice
from fuzz.mutate.meaning import Meaning
from fuzz.mutate.values import buffer, candidates, integer
from vmformat.interesting import SPECIAL

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

MEANINGS: tuple[Meaning, ...] = get_args(Meaning)


@st.composite
def fields(draw: DrawFn) -> tuple[int, int]:
    """What an integer field holds, and its size."""
    size = draw(st.sampled_from((1, 2, 4, 8)))
    return draw(st.integers(0, (1 << 8 * size) - 1) | st.sampled_from(SPECIAL[size])), size


@given(fields(), st.integers(0, (1 << 64) - 1))
def test_an_integer_becomes_another_one_of_its_size(field: tuple[int, int], seed: int) -> None:
    old, size = field
    new = integer(Dice(seed), old, size)
    assert new != old
    assert 0 <= new < 1 << 8 * size


def test_an_integer_becomes_a_neighbour_another_bit_an_edge_its_negative_and_anything() -> None:
    old = 0x1234
    made = {integer(Dice(seed), old, 4) for seed in range(4000)}
    assert {old - 1, old + 1, old - 2, old + 2} <= made
    assert {old ^ 1 << bit for bit in range(32)} <= made
    assert {*SPECIAL[4]} <= made
    assert {(1 << 32) - old, old << 1, old >> 1} <= made
    assert len(made) > 500


@given(st.binary(max_size=80), st.integers(0, (1 << 64) - 1))
def test_a_buffer_keeps_its_length_and_is_another(old: bytes, seed: int) -> None:
    new = buffer(Dice(seed), old)
    assert len(new) == len(old)
    assert new != old or not old


def test_a_buffer_gets_one_byte_altered_a_run_filled_or_two_swapped() -> None:
    old = bytes(range(1, 65))
    made = [buffer(Dice(seed), old) for seed in range(400)]
    altered = [sum(a != b for a, b in zip(old, new, strict=True)) for new in made]
    assert altered.count(1) > 100
    assert sum(sorted(new) == sorted(old) for new in made) > 50
    runs = [new for new in made if any(byte * 8 in new for byte in (b"\0", b"\1", b"\x80", b"\xff"))]
    assert len(runs) > 30


def tried(meaning: Meaning, old: int, size: int, signed: bool, numbers: tuple[int, ...]) -> tuple[int, ...]:
    return candidates(meaning, old, size, signed=signed, limits=numbers, masks=numbers[:1])


@given(
    st.sampled_from(MEANINGS),
    fields(),
    st.booleans(),
    st.lists(st.integers(0, (1 << 32) - 1), max_size=3).map(tuple),
)
def test_candidates_are_others_of_the_size_none_twice(
    meaning: Meaning, field: tuple[int, int], signed: bool, numbers: tuple[int, ...]
) -> None:
    old, size = field
    found = tried(meaning, old, size, signed, numbers)
    assert found
    assert old not in found
    assert len(set(found)) == len(found)
    assert all(0 <= value < 1 << 8 * size for value in found)
    if signed:
        assert (1 << 8 * size) - 1 in {*found[:4], old}


@pytest.mark.parametrize("meaning", ["count", "index", "number", "flags"])
@given(fields(), st.lists(st.integers(0, (1 << 32) - 1), min_size=1, max_size=4).map(tuple))
def test_a_limit_is_tried_itself_and_on_both_sides(
    meaning: Meaning, field: tuple[int, int], limits: tuple[int, ...]
) -> None:
    old, size = field
    found = candidates(meaning, old, size, limits=limits)
    assert {(limit + step) % (1 << 8 * size) for limit in limits for step in (-1, 0, 1)} - {old} <= {*found}


@pytest.mark.parametrize("meaning", ["flags", "switch", "register", "number"])
def test_bits_that_are_looked_at_by_themselves_are_turned(meaning: Meaning) -> None:
    found = candidates(meaning, 0x40, 4, masks=(0x40, 0x200000))
    assert {0, 0x200040} <= {*found}


@pytest.mark.parametrize(
    ("meaning", "old", "size", "limits", "first"),
    [
        ("count", 4, 4, (8,), (9, 0x81000000, 8, 0, 5, 0x7FFFFFFF)),  # one too many, negative, the most, none, one more
        ("count", 4, 4, (), (0x81000000, 0, 5, 0x7FFFFFFF, 0xFFFFFFFF)),
        ("index", 4, 1, (16,), (16, 255, 17)),  # the first that is out
        ("index", 4, 2, (), (0xFFFF, 0x8000)),
        ("version", 3, 4, (), (4, 2)),
        ("end", 0, 1, (), (1, 2)),
        ("address", 0x1000, 8, (), (0, 0x2000, 0x1001, (1 << 64) - 0x1000)),
        ("vector", 0xFFFF, 2, (), (0, 1)),
        ("flags", 0, 1, (), (1, 255)),
        ("time", 0, 8, (), ((1 << 64) - 1, 1 << 63)),
    ],
)
def test_what_is_tried_first(meaning: Meaning, old: int, size: int, limits: tuple[int, ...], first: object) -> None:
    assert isinstance(first, tuple)
    assert candidates(meaning, old, size, limits=limits)[: len(first)] == first


def test_every_bit_of_flags_is_turned_and_every_single_bit_is_a_vector() -> None:
    assert {0x1234 ^ 1 << bit for bit in range(16)} <= {*candidates("flags", 0x1234, 2)}
    assert {1 << bit for bit in range(16)} <= {*candidates("vector", 0xFFFF, 2)}
