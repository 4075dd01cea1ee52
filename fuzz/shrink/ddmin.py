"""Delta debugging: of many things, those that are needed.

After Zeller and Hildebrandt's ddmin, with one change: chunks are halved whether or not one went, and there is a last
round of single items until none goes. That keeps the promise and is easy to see: what comes out is *1-minimal*, which
means that it holds, and that it holds no more without any one of its items. It need not be the least in number: a
predicate may hold for two sets that share nothing, and which one is found depends on the order. Items are dropped from
the end, since what stands late in a stream leans on what stands early.

Cost: about `2 k log n` questions for k needed items of n; never more than `n * n`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_Item = TypeVar("_Item")


def ddmin(
    items: Sequence[_Item], holds: Callable[[tuple[_Item, ...]], bool], *, smallest: int = 1
) -> tuple[_Item, ...]:
    """A part of `items`, in their order, for which `holds`, 1-minimal. `holds` of all of them is taken for granted.

    `smallest`: the least number of neighbours that are dropped at once (at least 1); above 1 the promise is for
    chunks of that many.
    """
    kept = tuple(items)
    size = len(kept)
    while kept:
        size = max(min(size, len(kept)), 1)
        before = len(kept)
        end = len(kept)
        while end > 0:
            start = max(end - size, 0)
            fewer = kept[:start] + kept[end:]
            if holds(fewer):
                kept = fewer
            end = start
        if size <= smallest:
            if len(kept) == before:
                break
        else:
            size = max(size // 2, smallest)
    return kept
