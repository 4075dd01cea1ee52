"""Randomness for mutators: a 64-bit linear congruential generator started from the engine's seed.

`random.Random(seed)` costs 7 microseconds to build, this nothing; and the same seed gives the same mutant on any
Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

_T = TypeVar("_T")
_MULTIPLIER: Final = 6364136223846793005
_INCREMENT: Final = 1442695040888963407
_MASK: Final = (1 << 64) - 1


class Dice:
    """A stream of small decisions, all of them made by `below`.

    Whoever else shall decide derives from this and says what `below` gives: see `fuzz.strategies`.
    """

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = (seed * 0x9E3779B97F4A7C15 + _INCREMENT) & _MASK

    def below(self, limit: int) -> int:
        """A number in 0..limit-1; `limit` at most 2^31."""
        self._state = (self._state * _MULTIPLIER + _INCREMENT) & _MASK
        return (self._state >> 33) % limit

    def word(self, bits: int) -> int:
        """`bits` random bits, at most 64."""
        high = self.below(1 << 31) << 33 | self.below(1 << 31) << 2 | self.below(4)
        return high >> (64 - bits)

    def chance(self, one_in: int) -> bool:
        """True one time in `one_in`."""
        return self.below(one_in) == 0

    def pick(self, items: Sequence[_T]) -> _T:
        """One of a non-empty sequence."""
        return items[self.below(len(items))]

    def low(self, limit: int) -> int:
        """A number in 0..limit-1, small ones far likelier: half of the range is dropped with each coin that falls."""
        while limit > 4 and not self.chance(4):
            limit = (limit + 1) // 2
        return self.below(limit)

    def few(self, most: int) -> int:
        """1..most, each next half as likely."""
        number = 1
        while number < most and self.chance(2):
            number += 1
        return number
