"""Random structured generation: seeds with a few random edits by schema, one after the other, without any feedback."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar

from fuzz.search.edits import edited
from fuzz.search.hunt import Ended, Hunt
from fuzz.search.material import material_of
from fuzz.work.build import build_target
from model.lights import Dark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.search.asked import Attempt, Search

T = TypeVar("T")


class Dice:
    """Choices of a random generator."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def below(self, limit: int) -> int:
        """A number in 0..limit-1, all alike."""
        return self._random.randrange(limit)

    def pick(self, items: Sequence[T]) -> T:
        """One of a sequence, all alike."""
        return items[self._random.randrange(len(items))]


def search(asked: Search, scratch: Path) -> Attempt:
    """The seeds, then edited ones until it is over."""
    material = material_of(asked.machine)
    hunt = Hunt(build_target(asked.spec(scratch), Dark()), asked)
    dice = Dice(asked.seed)
    try:
        for seed in material.seeds:
            hunt(seed)
        while True:
            hunt(edited(dice, material)[: material.longest])
    except Ended:
        assert hunt.attempt is not None
        return hunt.attempt
