"""The target `roundtrip`: vmformat held to what it promises of any bytes (`laws`).

Every input is held to the quick laws. Which are held to the thorough ones and to the bound on memory its own bytes
decide, so that an input does the same whenever it runs; and what is remembered of earlier ones is forgotten first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

from fuzz.engine.target import RAISED, Execution, Feature, Found, exception_found
from fuzz.targets.laws import Laws
from vmformat.of_input import forget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmformat import Schemas

NAME: Final = "roundtrip"
DESIGN: Final = "vmformat"
"""Stands where a load design stands in other causes."""

THOROUGH_ONE_IN: Final = 32
MEMORY_ONE_IN: Final = 2048


class RoundtripTarget:
    """Reads, writes and compares. `schemas` are the machine's, for streams without a VMDESCRIPTION."""

    name = NAME

    def __init__(
        self, schemas: Schemas | None = None, *, thorough: int = THOROUGH_ONE_IN, memory: int = MEMORY_ONE_IN
    ) -> None:
        self._laws = Laws(schemas)
        self._thorough, self._memory = thorough, memory

    def run(self, data: bytes) -> Execution:
        """One input: an execution with what it showed."""
        forget()
        features: list[Feature] = []
        found: list[Found] = []
        dice = crc32(data)
        steps = {"quick": self._laws.quick(data, features)}
        if dice % self._thorough == 0:
            steps["thorough"] = self._laws.thorough(data)
        if dice % self._memory == 0:
            steps["memory"] = self._laws.memory(data)
        for step, broken in steps.items():
            try:
                found.extend(Found("roundtrip", f"{DESIGN}/law/{one.law}/bytes/stream", one.text) for one in broken)
            except RAISED as error:  # "no other exception leaves the package" is what is tested
                one = exception_found(DESIGN, error, step)
                features.append(("exception", one.cause))
                found.append(one)
        return Execution(features, _distinct(found))


def _distinct(found: Iterable[Found]) -> tuple[Found, ...]:
    """The first of each cause."""
    return tuple({one.cause: one for one in reversed([*found])}.values())
