"""Things known by the bytes that they are of, found where these stand in a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_SIZES: Final = 16
"""Lengths among what one shelf keeps."""

RECENT: Final = 4
"""Things looked at first, each by a comparison; then their bytes are looked up, which reads all of them."""


class Known(Protocol):
    """Something that is known by bytes. `came_again`: whether it was found since there was room last."""

    data: bytes
    came_again: bool

    @property
    def cost(self) -> int:
        """What it takes to keep it, in bytes."""
        ...


T = TypeVar("T", bound=Known)


class Shelf(Generic[T]):
    """Things of one kind, none of whose bytes begin with another's."""

    __slots__ = ("_recent", "_sizes", "_things")

    def __init__(self) -> None:
        self._things: dict[bytes, T] = {}
        self._sizes: list[int] = []
        self._recent: list[T] = []

    def __len__(self) -> int:
        return len(self._things)

    def __iter__(self) -> Iterator[T]:
        return iter(self._things.values())

    def find(self, data: bytes, pos: int) -> T | None:
        """What stands there, if it is known."""
        recent = self._recent
        for thing in recent:
            if data.startswith(thing.data, pos):
                thing.came_again = True
                return thing
        for size in self._sizes:
            found = self._things.get(data[pos : pos + size])
            if found is not None:
                found.came_again = True
                recent.insert(RECENT // 2, found)
                del recent[RECENT:]
                return found
        return None

    def put(self, thing: T) -> int:
        """Keep it; what that costs, 0 if it is not kept: there are too many lengths."""
        size = len(thing.data)
        if size not in self._sizes:
            if len(self._sizes) >= MOST_SIZES:
                return 0
            self._sizes.append(size)
        self._things[thing.data] = thing
        return thing.cost

    def tidy(self) -> int:
        """Keep those alone that came again since; what they cost."""
        self._things = {data: thing for data, thing in self._things.items() if thing.came_again}
        self._sizes = list(dict.fromkeys(map(len, self._things)))
        self._recent.clear()
        for thing in self._things.values():
            thing.came_again = False
        return self.cost

    @property
    def cost(self) -> int:
        """What all of them cost."""
        return sum(thing.cost for thing in self._things.values())
