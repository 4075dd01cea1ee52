"""What an execution lights, for records that are not loaded: one that is known lights what it lit when it was loaded.

Whoever counts which code runs (`fuzz.engine.probes`) hands the loads a `Lights`. Code that does not run because its
result is known would stay dark, and what an input lights would depend on what was loaded before it. So each record that
may be passed over keeps what it lit, and a load lights in the end what these would have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


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
        self._values: list[int] = [0]

    def __len__(self) -> int:
        return len(self._values)

    def number(self, lit: bytes) -> int:
        """The number of a set; 0 for the empty one."""
        found = self._numbers.get(lit)
        if found is None:
            found = self._numbers[lit] = len(self._values)
            self._values.append(int.from_bytes(lit, "little"))
        return found

    def together(self, numbers: Iterable[int]) -> bytes:
        """All these sets in one."""
        values, both = self._values, 0
        for number in set(numbers):
            both |= values[number]
        return both.to_bytes((both.bit_length() + 7) // 8, "little")
