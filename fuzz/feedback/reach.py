"""How far a search got, whatever it was told: layouts, situations, causes, kept inputs; a JSON file."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self
from zlib import crc32

from fuzz.targets.situations import group_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fuzz.engine import Feature
    from model.outcome import Layout, Row


@dataclass(frozen=True, slots=True)
class Reach:
    """Counts of one run. `shapes`: different layouts, addresses aside. `facts`: different ones by group.

    `causes`: at which execution each showed first. `corpus`: inputs kept.
    """

    executions: int
    shapes: int
    facts: dict[str, int]
    causes: dict[str, int] = field(default_factory=dict)
    corpus: int = 0

    @property
    def situations(self) -> int:
        """Facts of all groups."""
        return sum(self.facts.values())

    def to_json(self) -> dict[str, Any]:
        """For files and programs."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The inverse."""
        return cls(**values)


class Counted:
    """What a run has met so far."""

    def __init__(self) -> None:
        self.executions = 0
        self._shapes: set[tuple[int, ...]] = set()
        self._facts: set[Feature] = set()
        self._rows: dict[int, tuple[tuple[Row, ...], int]] = {}

    def add(self, layouts: Iterable[Layout], features: Iterable[Feature]) -> None:
        """One execution."""
        self.executions += 1
        self._facts.update(features)
        self._shapes.update(tuple([self._shape(rows) for _, rows in layout]) for layout in layouts)

    def _shape(self, rows: tuple[Row, ...]) -> int:
        """A view without its addresses: which regions, in which order, from their start or not, read-only or not."""
        known = self._rows.get(id(rows))
        if known is None:
            if len(self._rows) >= 1_000:
                self._rows.clear()
            shape = crc32(json.dumps([(row[5], row[3] != 0, row[4]) for row in rows]).encode())
            known = self._rows[id(rows)] = (rows, shape)
        return known[1]

    def reach(self) -> Reach:
        """As numbers."""
        return Reach(self.executions, len(self._shapes), dict(sorted(Counter(map(group_of, self._facts)).items())))
