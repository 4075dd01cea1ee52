"""Sizes of generated machines as people type them."""

from __future__ import annotations

from fuzz.designs import UsageError


def parse_sizes(text: str, option: str) -> tuple[int, ...]:
    """`24`, `1,2,24`, or `1..256`: doubled from the first to the last, both among them. Ascending, without doubles.

    Raises UsageError.
    """
    found: set[int] = set()
    for part in text.split(","):
        first, dots, last = part.strip().partition("..")
        if not first.isdecimal() or (dots and not last.isdecimal()):
            raise _unusable(text, option)
        low, high = int(first), int(last) if dots else int(first)
        if low < 1 or high < low or high > 1 << 20:
            raise _unusable(text, option)
        while low < high:
            found.add(low)
            low *= 2
        found.add(high)
    return tuple(sorted(found))


def _unusable(text: str, option: str) -> UsageError:
    return UsageError(f"{option}: expected numbers such as 24, 1,2,24 or 1..256, found {text}")
