"""Growth: a polynomial is told by its formula, anything else by the nearest power."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.cost.growth import fit
from fuzz.cost.show import graph, short
from fuzz.cost.sizes import parse_sizes
from fuzz.designs import UsageError

DOUBLED = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=4), st.integers(6, 9))
def test_a_polynomial_is_found_exactly(coefficients: list[int], points: int) -> None:
    xs = DOUBLED[:points]
    found = fit(xs, [sum(c * x**i for i, c in enumerate(coefficients)) for x in xs])
    while len(coefficients) > 1 and coefficients[-1] == 0:
        coefficients.pop()
    assert found.coefficients == tuple(map(Fraction, coefficients))
    assert (found.degree, found.grows, found.since) == (len(coefficients) - 1, len(coefficients) > 1, 1)


@given(st.integers(1, 50), st.sampled_from([0.5, 1.5, 2.5]))
def test_what_is_no_polynomial_has_an_exponent(factor: int, exponent: float) -> None:
    found = fit(DOUBLED, [round(1000 * factor * x**exponent) for x in DOUBLED])
    assert not found.coefficients
    assert found.exponent == pytest.approx(exponent, abs=0.01)
    assert found.grows


def test_the_first_machine_may_be_unlike_the_others() -> None:
    found = fit(DOUBLED, [15, *(4 * x + 10 for x in DOUBLED[1:])])
    assert (found.formula("D"), found.since, found.word) == ("4 D + 10", 2, "linear")


@pytest.mark.parametrize(
    ("counts", "formula"),
    [
        ((0, 0, 0, 0, 0), "0"),
        ((7, 7, 7, 7, 7), "7"),
        ((1, 2, 4, 8, 16), "D"),
        ((3, 15, 66, 276, 1128), "9/2 D² - 3/2 D"),
        ((2, 9, 65, 513, 4097), "D³ + 1"),
        ((1, 1, 2, 3, 5), "~ 0.833 D^0.62"),
    ],
)
def test_formulas(counts: tuple[int, ...], formula: str) -> None:
    assert fit(DOUBLED[:5], counts).formula("D") == formula


def test_few_points_prove_nothing() -> None:
    assert fit((1, 2), (1, 4)).coefficients == ()
    assert not fit((1, 2), (4, 4)).grows
    assert not fit((24,), (122,)).grows


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("24", (24,)),
        ("1..256", DOUBLED),
        ("3..10", (3, 6, 10)),
        ("1,24, 2", (1, 2, 24)),
        ("1..4,24", (1, 2, 4, 24)),
        ("8..8", (8,)),
    ],
)
def test_sizes(text: str, sizes: tuple[int, ...]) -> None:
    assert parse_sizes(text, "--generated") == sizes


@pytest.mark.parametrize("text", ["", "0", "x", "1..", "..4", "4..2", "1,,2", "-1", "1.5", "²", "9999999999"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--generated"):
        parse_sizes(text, "--generated")


def test_graphs_and_numbers() -> None:
    assert graph((0, 1, 255), 255) == " ▂█"
    assert graph((0, 0), 0) == "  "
    assert [short(n) for n in (99_999, 100_000, 999_999, 1_733_920)] == ["99999", "100k", "1000k", "1.73M"]
