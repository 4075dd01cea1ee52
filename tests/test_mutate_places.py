"""Places of a machine's address space: what is switched, what ends, what is known, and where RAM lies behind it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.mutate import Dice, Places
from fuzz.mutate.places import PAM

SEEDS = range(4000)
PLAIN = Places(64 << 20)
LARGE = Places(2 << 30, 2 << 30, known=(0x12345000,))


def drawn(places: Places, bars: tuple[int, ...] = ()) -> list[int]:
    return [places.address(Dice(seed), bars) for seed in SEEDS]


def test_addresses_have_64_bits_and_most_are_those_of_a_page() -> None:
    found = drawn(LARGE, (0xFEB00000,))
    assert all(0 <= one < 1 << 64 for one in found)
    assert sum(one % 0x1000 == 0 for one in found) > 0.5 * len(found)
    assert any(one % 0x1000 for one in found)
    assert all(one % 16 == 0 for one in found)


def test_about_half_lie_in_what_firmware_switches_or_at_its_edge() -> None:
    found = drawn(PLAIN)
    inside = sum(0xBF000 <= one <= 0x10F000 for one in found)
    assert 0.4 * len(found) < inside < 0.75 * len(found)
    assert {*PAM} <= {*found}
    assert {0xC0000 - 0x10, 0xE8000 - 0x1000} <= {*found}


@pytest.mark.parametrize(
    ("places", "bars", "wanted"),
    [
        (PLAIN, (), {64 << 20, (64 << 20) - 0x10, 0xA0000, 0x30000, 0x7000, 0xFEC00000, 1 << 32, (1 << 64) - 0x1000}),
        (LARGE, (), {2 << 30, (1 << 32) + (2 << 30), 0x12345000}),
        (PLAIN, (0xFEB00000, 0x77777000), {0xFEB00000, 0x77777000}),
    ],
)
def test_ends_and_what_is_known_are_among_them(places: Places, bars: tuple[int, ...], wanted: set[int]) -> None:
    assert wanted <= {*drawn(places, bars)}


def test_what_nobody_knows_is_not_among_them() -> None:
    assert not {0xFEB00000, 0x12345000} & {*drawn(PLAIN)}


@pytest.mark.parametrize(
    ("places", "address", "offset"),
    [
        (PLAIN, 0, 0),
        (PLAIN, (64 << 20) - 1, (64 << 20) - 1),
        (PLAIN, 64 << 20, None),
        (PLAIN, 1 << 32, None),
        (PLAIN, -1, None),
        (LARGE, 1 << 32, 2 << 30),
        (LARGE, (1 << 32) + (2 << 30) - 1, (4 << 30) - 1),
        (LARGE, (1 << 32) + (2 << 30), None),
        (LARGE, 3 << 30, None),
    ],
)
def test_what_of_the_block_lies_behind_an_address(places: Places, address: int, offset: int | None) -> None:
    assert places.block_offset(address) == offset


@given(st.integers(0, 1 << 33), st.integers(0, 1 << 33))
def test_no_byte_of_the_block_lies_behind_two_addresses(one: int, other: int) -> None:
    mine, theirs = LARGE.block_offset(one), LARGE.block_offset(other)
    assert mine is None or theirs is None or (mine == theirs) == (one == other)
