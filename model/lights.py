"""What an execution lights, for loads that are not done: a record that is known lights what it lit when it was loaded.

Whoever counts which code runs (`fuzz.engine.probes`) hands the loads a `Lights`. Code that does not run because its
result is known would stay dark, and what an input lights would depend on what was loaded before it. So each passage
keeps what it lit, and a load lights in the end what its passages did, all together: no more and no less than if each
record had been loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST: Final = 20_000
"""Sums of two that are kept, by number; some 2 MB."""


class Lights(Protocol):
    """What is lit."""

    def take(self) -> bytes:
        """What is lit, a byte for each light, 1 or 0; from now on all is dark."""

    def light(self, lit: bytes) -> None:
        """Light these, whatever else is lit."""


class Dark:
    """Nobody counts."""

    def take(self) -> bytes:
        """Nothing is lit."""
        return b""

    def light(self, lit: bytes) -> None:
        """Nobody looks."""


class Sums:
    """Sets of lights by number: few of them are different, and the same are put together again and again."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {b"": 0}
        self._sets: list[bytes] = [b""]
        self._sums: dict[tuple[int, int], int] = {}

    def __len__(self) -> int:
        return len(self._sets)

    def number(self, lit: bytes) -> int:
        """The number of a set; 0 for the empty one."""
        found = self._numbers.get(lit)
        if found is None:
            found = self._numbers[lit] = len(self._sets)
            self._sets.append(lit)
        return found

    def lit(self, number: int) -> bytes:
        """The set of a number."""
        return self._sets[number]

    def total(self, numbers: Iterable[int]) -> int:
        """The number of all these together."""
        sums, total = self._sums, 0
        for number in numbers:
            found = sums.get((total, number))
            total = self.add(total, number) if found is None else found
        return total

    def add(self, one: int, other: int) -> int:
        """The number of two sets together."""
        key = (one, other)
        found = self._sums.get(key)
        if found is None:
            if len(self._sums) >= MOST:
                self._sums.clear()
            found = self._sums[key] = self.number(together(self._sets[one], self._sets[other]))
        return found


def together(one: bytes, other: bytes) -> bytes:
    """Both sets."""
    size = max(len(one), len(other))
    both = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return both.to_bytes(size, "little")
