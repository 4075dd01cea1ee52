"""Mutations that know nothing of the format: within their bounds, for any bytes, and of every kind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fuzz.mutate import Dice
from fuzz.mutate.bytes_ import havoc, truncate

SEEDS = st.integers(0, (1 << 64) - 1)


@given(SEEDS, st.binary(max_size=200))
def test_what_is_cut_off_leaves_a_beginning(seed: int, data: bytes) -> None:
    left = truncate(Dice(seed), data)
    assert data.startswith(left)
    assert len(left) < len(data) or not data


def test_the_cut_is_near_the_end_half_of_the_time_and_anywhere_else() -> None:
    data = bytes(100_000)
    lengths = [len(truncate(Dice(seed), data)) for seed in range(2000)]
    near = sum(len(data) - 256 <= length for length in lengths)
    assert 800 < near < 1200
    assert sum(length < 50_000 for length in lengths) > 300
    assert len(data) - 1 in lengths
    assert lengths.count(0) < 5


@given(SEEDS, st.binary(max_size=100), st.integers(0, 150))
def test_havoc_stays_within_its_size_and_the_seed_decides(seed: int, data: bytes, most: int) -> None:
    made = havoc(Dice(seed), data, most, None)
    assert len(made) <= most
    assert havoc(Dice(seed), data, most, None) == made


def test_havoc_inserts_deletes_flips_copies_and_writes_numbers() -> None:
    data = bytes(range(64))
    made = [havoc(Dice(seed), data, 10_000, None) for seed in range(2000)]
    same = [one for one in made if len(one) == len(data)]
    assert sum(len(one) > len(data) for one in made) > 200
    assert sum(len(one) < len(data) for one in made) > 200
    differ = [[a ^ b for a, b in zip(data, one, strict=True) if a != b] for one in same]
    assert {bits[0] for bits in differ if len(bits) == 1} >= {1 << bit for bit in range(8)}
    assert any(len(bits) >= 4 for bits in differ)
    assert any(data[at : at + 8] in one[at + 8 :] for one in made for at in range(0, 40, 8) if len(one) > len(data))


def test_the_engine_makes_half_of_it_where_there_is_one() -> None:
    asked: list[tuple[bytes, int]] = []

    def engine(data: bytes, most: int) -> bytes:
        asked.append((data, most))
        return b"by the engine"

    made = [havoc(Dice(seed), b"abc", 77, engine) for seed in range(400)]
    assert 150 < made.count(b"by the engine") == len(asked) < 250
    assert {*asked} == {(b"abc", 77)}
