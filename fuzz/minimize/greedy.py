"""Two plain ways to a cover, and what can be left out of any."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fuzz.minimize.cover import Candidate
    from fuzz.minimize.measurement import Features

Rank: TypeAlias = "Callable[[int, int], float]"
"""Of so many new features for so many bytes; the least comes first, and it never falls as features get fewer."""


def most_new_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """As libFuzzer's set cover: whoever has most features that nobody has yet, of several the smallest."""
    return _greedy(candidates, lambda new, _size: -new)


def fewest_bytes_each(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Whoever costs fewest bytes for each new feature."""
    return _greedy(candidates, lambda new, size: (size + 1) / new)


def _greedy(candidates: Sequence[Candidate], rank: Rank) -> list[Candidate]:
    missing: Features = 0
    for one in candidates:
        missing |= one.features
    # A rank is looked at again only where it comes first: what was gained since made others' worse, never better.
    heap: list[tuple[float, int, str, int, Candidate]] = []
    for one in candidates:
        new = one.features.bit_count()
        if new:
            heappush(heap, (rank(new, one.size), one.size, one.name, new, one))
    chosen = []
    while missing:
        _, size, name, before, one = heappop(heap)
        new = (one.features & missing).bit_count()
        if new == before:
            chosen.append(one)
            missing &= ~one.features
        elif new:
            heappush(heap, (rank(new, size), size, name, new, one))
    return chosen


def without_needless(chosen: Sequence[Candidate]) -> list[Candidate]:
    """Without those, the largest first, whose features the others carry."""
    kept = sorted(chosen, key=lambda one: (-one.size, one.name))
    # What those behind each carry: with what those kept before it carry, that is all others.
    behind = [0]
    for one in reversed(kept):
        behind.append(behind[-1] | one.features)
    behind.reverse()
    result, carried = [], 0
    for at, one in enumerate(kept):
        if one.features & ~(carried | behind[at + 1]):
            result.append(one)
            carried |= one.features
    return result
