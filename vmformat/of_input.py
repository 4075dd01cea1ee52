"""What was worked out of the bytes of an input and may be wanted again while that input is looked at.

`functools.lru_cache` serves for what the house itself brings: schemas by their shape, what the store holds. What an
input brings is remembered with `kept`, which tells the two apart: a fuzzer calls `forget` before each input, so that
reading does the same work whatever was read before, and nobody else need care.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    _Function = TypeVar("_Function", bound=Callable[..., object])

_FORGET: list[Callable[[], None]] = []


def kept(most: int) -> Callable[[_Function], _Function]:
    """A decorator: as `lru_cache` of `most` entries, emptied by `forget`."""

    def decorate(function: _Function) -> _Function:
        remembering = lru_cache(maxsize=most)(function)
        _FORGET.append(remembering.cache_clear)
        return cast("_Function", remembering)

    return decorate


def forget() -> None:
    """Empty all of them."""
    for function in _FORGET:
        function()
