"""Regions made at run time, for the next run: a device that makes the same one gets the very same object.

What is remembered of a tree is found by the regions in it. One that were made anew in each load would make a new tree
of each load, and nothing that is remembered would ever be found again. A rollback puts every field of a region back,
so that it is as it was made; then it waits here for who asks for one like it.

Nothing here lights a probe: whether there is one depends on earlier loads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.memory.region import Region

if TYPE_CHECKING:
    from model.memory.region import Kind

MOST: Final = 256
"""Regions that wait."""


class Spares:
    """Those in use since the last rollback, and those that wait, by how they were made."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[object, ...], list[Region]] = {}
        self._used: list[tuple[tuple[object, ...], Region]] = []
        self._count = 0

    def take(self, name: str, kind: Kind, size: int, alias: Region | None, fields: dict[str, object]) -> Region:
        """A region as `Region(...)` makes it, which shows what `alias` says. Raises ValueError as that does."""
        how = (name, kind, size, alias, *sorted(fields.items()))
        waiting = self._waiting.get(how)
        if waiting:
            self._count -= 1
            found = waiting.pop()
            if alias is not None:
                alias.aliases = [*alias.aliases, found]
        else:
            found = Region(name, kind, size, alias=alias, **fields)  # type: ignore[arg-type]
        self._used.append((how, found))
        return found

    def put_back(self) -> None:
        """All regions are as they were made; a caller's rollback has seen to that."""
        for how, region in self._used:
            self._waiting.setdefault(how, []).append(region)
        self._count += len(self._used)
        self._used.clear()
        if self._count > MOST:
            self._waiting.clear()
            self._count = 0

    def forget(self) -> None:
        """None waits, and none of those in use will."""
        self._waiting.clear()
        self._used.clear()
        self._count = 0
