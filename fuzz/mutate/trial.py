"""One trial of the systematic stage (`sweep`): one thing changed in one section, and what it is judged like."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz.mutate.meaning import ORDER
from fuzz.mutate.registers import COMMAND
from vmformat import Section, StreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROUND: Final = len(ORDER)
"""Ranks of one round in the line: a place for each meaning that a field may have."""
A_ROUND: Final = 3
"""Places for a BAR or a ring that are tried in one round."""
_SMALL: Final = 0.1
"""A risk that is taken several times in one section."""
NEAR: Final = 16
"""Bytes between registers of one function that are changed together."""
_SWITCHES: Final = (COMMAND, COMMAND + 1)
_LAST: Final = re.compile(r"[.@]")

Change = Callable[[Section], "Section | tuple[Section, ...] | None"]
"""What a trial does: the section that stands in the place of one, or those that do; None where it has nothing to do."""


Key = tuple[str, str | float]
"""What trials have in common."""


@dataclass(frozen=True)
class Trial:
    """One change of one section of a kind.

    `field` is what it is a change of, for what is learned. `framing`: it is about the section as a whole, with what
    stands around it; `moves`: it may move what stands behind it in the section. `risk` of a refusal, before anybody
    tried; `value`: what is put there.
    """

    kind: str
    field: str
    change: Change
    risk: float = 0.02
    value: str = ""
    framing: bool = False
    moves: bool = False
    which: int = 0
    """Of the sections of its kind, the one that it is made on if that is free."""
    later: bool = False
    """What stands second in the section's place is sent behind all others instead."""
    element: int = 0
    """Of an array's elements, the one that it changes."""
    register: int = -1
    """Of a config space's registers, the offset of the one that it changes: see `are_apart`."""

    @property
    def shares(self) -> bool:
        """Whether it may go into one section with others."""
        return self.risk <= _SMALL and not (self.framing or self.moves or self.later)

    @property
    def like(self) -> tuple[Key, Key, Key, Key]:
        """What it is judged like, from all trials that were thought as risky to this very field.

        In between: the same changes around any kind of section, or fields of one name; and of those the same value.
        """
        family = self.field if self.framing or ":" in self.field else _LAST.split(self.field)[-1]
        own = f"{self.field}:{self.element}" if self.element else self.field
        return (("", self.risk), ("", family), (family, self.value), (self.kind, own))

    def apply(self, section: Section) -> tuple[Section, ...] | None:
        """What stands in the section's place; None where there is nothing to do."""
        try:
            made = self.change(section)
        except StreamError:
            return None
        return (made,) if isinstance(made, Section) else made


def are_apart(one: int, others: Iterable[int]) -> bool:
    """Whether a register may be changed together with others (`Trial.register`).

    Those that stand near each other say one thing together, and where the command register takes that away nobody sees
    it: each is to be tried with all else as it was.
    """
    return one < 0 or all(
        other < 0 or (abs(one - other) >= NEAR and one not in _SWITCHES and other not in _SWITCHES) for other in others
    )


def in_order(
    own: str, rank: int, field: str, label: str, change: Change, which: int = 0
) -> Iterator[tuple[int, str, Trial]]:
    """A change of what was loaded already, behind all others; a round later, what was changed is put back there."""
    for turn, (how, order) in enumerate((("later", twice), ("back", back))):
        trial = Trial(own, f"{how}:{field}", partial(order, change), 0.05, which=which, later=True)
        yield rank + turn * ROUND, f"{how}:{label}", trial


def back(change: Change, section: Section) -> Section | tuple[Section, ...] | None:
    """Changed, and then as it is."""
    first = change(section)
    return (first, section) if isinstance(first, Section) else None


def twice(change: Change, section: Section) -> Section | tuple[Section, ...] | None:
    """As it is, and then changed."""
    second = change(section)
    return (section, second) if isinstance(second, Section) else None
