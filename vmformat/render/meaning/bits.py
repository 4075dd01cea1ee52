"""Words of bits to words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def bits(value: int, names: Mapping[int, str]) -> str:
    """The names of the bits that are set, lowest first; those without a name as `bit 7`. "" for 0."""
    found = []
    rest, bit = value, 0
    while rest:
        if rest & 1:
            found.append(names.get(bit, f"bit {bit}"))
        rest >>= 1
        bit += 1
    return ", ".join(found)
