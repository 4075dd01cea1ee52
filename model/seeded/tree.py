"""Faults in how the tree of regions is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.seeded.bug import SeededBug

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.memory import Region


class TieBrokenTheOtherWay(SeededBug):
    """Of siblings with one priority the one added first wins."""

    source = "memory.md 2.1"

    def insert(self, _sound: Callable[..., Any], siblings: list[Region], region: Region) -> list[Region]:
        """Behind those of the same priority."""
        at = sum(sibling.priority >= region.priority for sibling in siblings)
        return [*siblings[:at], region, *siblings[at:]]


BUGS: Final = (TieBrokenTheOtherWay,)
