"""Lists of things to try made one: the first of each, then the second of each, and so on."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_T = TypeVar("_T")
_GONE = object()


def alternate(*lists: Iterable[_T]) -> Iterator[_T]:
    """All of them, each in its own order; those that are longer go on alone."""
    for one in chain.from_iterable(zip_longest(*lists, fillvalue=_GONE)):
        if one is not _GONE:
            yield one  # type: ignore[misc]  # what is filled in is none of them
