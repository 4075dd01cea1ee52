"""Lists of things to try made one: the first of each, then the second of each, and so on."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_T = TypeVar("_T")


def alternate(*lists: Iterable[_T]) -> Iterator[_T]:
    """All of them, each in its own order; those that are longer go on alone."""
    left = deque(map(iter, lists))
    while left:
        turn = left.popleft()
        for one in turn:
            yield one
            left.append(turn)
            break
