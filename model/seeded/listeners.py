"""Faults in what memory listeners are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.seeded.bug import SeededBug

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.memory import FlatRange, Listener, Memory

    Difference = tuple[list[FlatRange], list[tuple[bool, FlatRange]]]


class FirstOfEqualsNotTold(SeededBug):
    """Of several listeners with one priority only the last hears of a commit: the others keep their ring caches."""

    source = "memory.md 5.4"

    def notify(self, sound: Callable[..., Any], memory: Memory, who: Listener, event: str, *args: object) -> None:
        """Nobody else of that priority."""
        if event == "commit":
            equal = [other for other in memory.listeners if other.priority == who.priority and other.hears_commit]
            if equal and who is not equal[-1] and who in equal:
                return
        sound(memory, who, event, *args)


BUGS: Final = (FirstOfEqualsNotTold,)
