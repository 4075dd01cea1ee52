"""How a count grows: the polynomial that it is, or the power law that comes nearest.

Counts of a load are sums over devices, queues and pairs of them, so most are polynomials of low degree, and then the
formula is exact: every point lies on it. Where none of degree 3 or less does, least squares over the logarithms give
`a x^b`. A curve may begin with a machine too small to be like the others (one device where two share a port): a formula
that holds from the second point on counts, and says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST: Final = 3
_WORDS: Final = ("constant", "linear", "quadratic", "cubic")
_POWERS: Final = ("", "", "²", "³")
_FLAT: Final = 0.1
"""An exponent below this is no growth."""


@dataclass(frozen=True, slots=True)
class Growth:
    """`degree`: 0 for constant, 1 linear, 2 quadratic, 3 cubic (rounded, if there is no formula).

    `coefficients`: of the exact polynomial, the constant first; empty if there is none. `since`: from
    where on it holds. `exponent`, `factor`: of the power law by least squares over log-log; 0 and 0 if a count is zero
    everywhere.
    """

    degree: int
    coefficients: tuple[Fraction, ...]
    since: int
    exponent: float
    factor: float

    @property
    def grows(self) -> bool:
        """Whether it grows at all."""
        return self.degree > 0

    @property
    def word(self) -> str:
        """In a word or two: `about` where no formula holds."""
        about = "" if self.coefficients or not self.degree else "about "
        return about + (_WORDS[self.degree] if self.degree < len(_WORDS) else f"of degree {self.degree}")

    def formula(self, name: str) -> str:
        """With `name` for the size: `5 D + 10`, or `~ 3.1 D^1.42`."""
        if not self.coefficients:
            return f"~ {self.factor:.3g} {name}^{self.exponent:.2f}"
        terms = ""
        for power in range(len(self.coefficients) - 1, -1, -1):
            value = self.coefficients[power]
            if value == 0 and (power or terms):
                continue
            sign = ("-" if value < 0 else "") if not terms else (" - " if value < 0 else " + ")
            size = f"{name}{_POWERS[power]}" if power else ""
            number = "" if abs(value) == 1 and power else str(abs(value))
            terms += sign + " ".join(part for part in (number, size) if part)
        return terms


def fit(sizes: Sequence[int], counts: Sequence[int]) -> Growth:
    """The growth of `counts` (>= 0) over ascending `sizes` (>= 1); as many of each, at least one."""
    exponent, factor = _power(sizes, counts)
    for skip in (0, 1):
        xs, ys = sizes[skip:], counts[skip:]
        for degree in range(_MOST + 1):
            if len(xs) < degree + 2 and not (degree == skip == 0 and xs):
                break
            found = _through(xs[-degree - 1 :], ys[-degree - 1 :])
            if all(_at(found, x) == y for x, y in zip(xs, ys, strict=True)):
                return Growth(degree, found, xs[0], exponent, factor)
    degree = 0 if exponent < _FLAT else max(1, round(exponent))
    return Growth(degree, (), sizes[0], exponent, factor)


def _through(xs: Sequence[int], ys: Sequence[int]) -> tuple[Fraction, ...]:
    """The coefficients of the polynomial through these points (Lagrange), the constant first."""
    total = [Fraction(0)] * len(xs)
    for i, x in enumerate(xs):
        basis = [Fraction(ys[i])]
        for j, other in enumerate(xs):
            if j != i:
                scale = Fraction(1, x - other)
                shifted = [Fraction(0), *basis]
                basis = [scale * (a - other * b) for a, b in zip(shifted, [*basis, Fraction(0)], strict=True)]
        total = [a + b for a, b in zip(total, basis, strict=True)]
    return tuple(total)


def _at(coefficients: Sequence[Fraction], x: int) -> Fraction:
    value = Fraction(0)
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value


def _power(xs: Sequence[int], ys: Sequence[int]) -> tuple[float, float]:
    """Least squares over the logarithms of what is not zero: exponent and factor."""
    points = [(math.log(x), math.log(y)) for x, y in zip(xs, ys, strict=True) if y > 0]
    if not points:
        return 0.0, 0.0
    mean_x = math.fsum(x for x, _ in points) / len(points)
    mean_y = math.fsum(y for _, y in points) / len(points)
    spread = math.fsum((x - mean_x) ** 2 for x, _ in points)
    exponent = math.fsum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    return exponent, math.exp(mean_y - exponent * mean_x)
