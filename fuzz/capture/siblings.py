"""Which of two siblings that overlap is above the other, where nothing but what shows can tell.

Among equals the one added last wins. `info mtree` lists siblings by address, so that their order there says nothing
once addresses differ; but a flat view shows the winner where they overlap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.capture.regions import Region
    from model.memory.mtree import RangeLine


def winners_first(siblings: Sequence[Region], ranges: Sequence[RangeLine]) -> list[Region]:
    """Siblings of one root, which are in order of priority, with each that shows above an equal moved before it.

    `ranges`: what shows of the root, by address; addresses of siblings are those of the space.
    """
    ordered = list(siblings)
    at = 0
    while at < len(ordered):
        below = next((i for i in range(at) if _shows_above(ordered[at], ordered[i], ranges)), None)
        if below is not None:
            ordered.insert(below, ordered.pop(at))
        at += 1
    return ordered


def _shows_above(one: Region, other: Region, ranges: Sequence[RangeLine]) -> bool:
    """Whether `one` shows where the two overlap, and the other does not."""
    start = max(one.addr, other.addr)
    end = min(one.addr + one.size, other.addr + other.size)
    if one.priority != other.priority or start >= end:
        return False
    visible = {(line.name, line.start - line.offset) for line in ranges if line.start < end and start <= line.end}
    return (one.name, one.addr) in visible and (other.name, other.addr) not in visible
