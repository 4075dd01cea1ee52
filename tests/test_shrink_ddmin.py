"""Delta debugging and what makes numbers simpler: what comes out holds, and cannot be had with less."""

from __future__ import annotations

from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from fuzz.shrink import ddmin
from fuzz.shrink.numbers import lower, toward

ITEMS = st.integers(0, 24).map(range)


def _erratic(seed: int, items: tuple[int, ...]) -> bool:
    """A predicate without any order in it: one in three sets, and never two the same way."""
    return blake2b(f"{seed} {items}".encode(), digest_size=1).digest()[0] % 3 == 0


@given(ITEMS, st.integers(0, 1 << 20))
def test_what_is_left_of_sections_is_1_minimal(items: range, seed: int) -> None:
    whole = tuple(items)
    kept = ddmin(whole, lambda some: _erratic(seed, some))
    assert kept == whole or _erratic(seed, kept)
    assert set(kept) <= set(whole)
    assert list(kept) == sorted(kept)
    assert not any(_erratic(seed, kept[:i] + kept[i + 1 :]) for i in range(len(kept)))


@given(ITEMS, st.sets(st.integers(0, 23)))
def test_just_what_is_needed_is_left(items: range, needed: set[int]) -> None:
    wanted = needed & set(items)
    asked = 0

    def holds(some: tuple[int, ...]) -> bool:
        nonlocal asked
        asked += 1
        return wanted <= set(some)

    assert set(ddmin(items, holds)) == wanted
    assert asked <= len(items) ** 2 + 1


def test_the_least_is_not_promised() -> None:
    """Two sets do, and the smaller one lies where nobody looks again."""
    either = ({0, 1, 2}, {7})
    assert ddmin(range(8), lambda some: any(one <= set(some) for one in either)) == (0, 1, 2)


def test_chunks() -> None:
    asked = []
    assert ddmin(range(64), lambda some: not asked.append(some) and 9 in some, smallest=8) == tuple(range(8, 16))  # type: ignore[func-returns-value]
    assert len(asked) < 30


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1))
def test_no_bit_of_a_number_is_left_that_can_go(value: int, mask: int) -> None:
    assert lower(value, lambda number: number & mask == value & mask) == value & mask


@given(st.integers(2, 1 << 40), st.integers(2, 1 << 40))
def test_a_threshold_is_met(value: int, least: int) -> None:
    got = lower(value, lambda number: number >= least)
    assert got >= least or got == value
    assert got <= value


@given(st.binary(max_size=40), st.data())
def test_bytes_become_those_of_the_target_or_zero(old: bytes, data: st.DataObject) -> None:
    target = data.draw(st.binary(min_size=len(old), max_size=len(old)))
    needed = data.draw(st.sets(st.integers(0, max(len(old) - 1, 0)), max_size=4))

    def holds(new: bytes) -> bool:
        return all(new[i] == old[i] for i in needed if i < len(old))

    got = toward(old, target, holds)
    assert got == bytes(old[i] if i in needed else target[i] for i in range(len(old)))
