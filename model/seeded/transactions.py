"""Faults in how an update is marked pending and committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.seeded.bug import SeededBug

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.memory import Memory, Region


class HidingMarksNothing(SeededBug):
    """A region that is disabled marks no update pending: it is seen until something else changes."""

    source = "memory.md 2.2, set_enabled"
    budget = 5_000

    def set_enabled(self, sound: Callable[..., Any], memory: Memory, mr: Region, enabled: bool) -> None:
        """What was pending before stays so, nothing comes on top."""
        if enabled:
            sound(memory, mr, enabled)
            return
        memory.begin()
        before = memory.update_pending
        sound(memory, mr, enabled)
        memory.update_pending = before
        memory.commit()


class ThirdLevelForgetsTheMark(SeededBug):
    """A transaction two levels deep takes its marks with it when it commits: a port moved last stays where it was."""

    source = "memory.md 2.2: flags are sticky"
    budget = 3_000

    def __init__(self) -> None:
        self._before: list[bool] = []

    def begin(self, sound: Callable[..., Any], memory: Memory) -> None:
        """Remembers what was pending."""
        self._before.append(memory.update_pending)
        sound(memory)

    def commit(self, sound: Callable[..., Any], memory: Memory) -> None:
        """Puts it back too often."""
        before = self._before.pop()
        if memory.depth > 2:
            memory.update_pending = before
        sound(memory)


class PendingOnlyWhereAttached(SeededBug):
    """A BAR put behind a bridge marks nothing: its bus is in no container, it is seen through windows alone."""

    source = "memory.md 2.2: no reachability check"
    machine = "q35-modern"

    def add_subregion(
        self, sound: Callable[..., Any], memory: Memory, container: Region, offset: int, sub: Region, priority: int
    ) -> None:
        """Nothing is marked for a container that is neither in another one nor the root of a space."""
        memory.begin()
        before = memory.update_pending
        sound(memory, container, offset, sub, priority)
        if container.container is None and all(space.root is not container for space in memory.spaces):
            memory.update_pending = before
        memory.commit()


BUGS: Final = (HidingMarksNothing, ThirdLevelForgetsTheMark, PendingOnlyWhereAttached)
