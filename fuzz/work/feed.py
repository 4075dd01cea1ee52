"""What is executed next: what waits in line, else what the mutator makes.

The engine asks for a mutant and executes what it is given; so seeds, the corpus of earlier runs, entries that other
workers found, and an input of which a worker died are simply given to it, one at a time, before and between mutants.
libFuzzer keeps those that light something new, as it does with mutants. So there is one way in, in an order that is
ours; no folder's order and no reloading by the clock has a say, and with one worker nothing comes in between.
"""

from __future__ import annotations

import traceback
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


class Mutator(Protocol):
    """What makes mutants."""

    engine: Callable[[bytes, int], bytes] | None

    @property
    def made_by(self) -> tuple[str, ...]:
        """Arms that made the last mutant."""
        ...

    @property
    def max_size(self) -> int:
        """Longest input worth making, bytes."""
        ...

    def counts(self) -> dict[str, list[int]]:
        """Per arm: how often tried, how often it changed the input."""
        ...

    def weights(self) -> dict[str, float]:
        """By arm, how likely it is chosen now."""
        ...

    def learned(self, fresh: int, stopped: str | None) -> None:
        """The last mutant was executed and lit `fresh` new counters; `stopped` is `Execution.stopped`."""
        ...

    def mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        """Another input made from `data`."""
        ...

    def crossover(self, first: bytes, second: bytes, max_size: int, seed: int) -> bytes:
        """An input with parts of both."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """An input in line: where it is, or what it is."""

    source: Path | bytes
    kept: bool = True
    """Whether it lies on disk as seed or entry already."""
    deaths: int = 0
    """Processes that died of it."""


class Feed:
    """The custom mutator and crossover that the engine calls."""

    def __init__(self, mutator: Mutator, waiting: Iterable[Waiting] = ()) -> None:
        self._mutator = mutator
        self._line = deque(waiting)
        self.current: Waiting | None = None
        """What stood in line and is executed now; None for a mutant."""
        self.arms: tuple[str, ...] = ()
        """Arms that made the mutant which is executed now."""
        self.asked = False
        """Whether the engine has asked for anything yet; what it tries before that is its own."""
        self.trouble: list[str] = []
        """What could not be given to the engine and why, a line each, until somebody takes note."""

    def __len__(self) -> int:
        """Inputs that wait."""
        return len(self._line)

    def add(self, waiting: Iterable[Waiting]) -> None:
        """Put more at the end of the line."""
        self._line.extend(waiting)

    def mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        """The next input, at most `max_size` bytes: from the line, else made from `data`."""
        given = self._next(max_size)
        if given is not None:
            return given
        return self._made(lambda: self._mutator.mutate(data, max_size, seed), data)

    def crossover(self, first: bytes, second: bytes, max_size: int, seed: int) -> bytes:
        """The next input: from the line, else with parts of both."""
        given = self._next(max_size)
        if given is not None:
            return given
        return self._made(lambda: self._mutator.crossover(first, second, max_size, seed), first)

    def learned(self, fresh: int, stopped: str | None) -> None:
        """What was given last was executed: the mutator is told if it made it."""
        if self.asked and self.current is None:
            self._mutator.learned(fresh, stopped)

    def _made(self, make: Callable[[], bytes], otherwise: bytes) -> bytes:
        """A mutant. A mutator that fails is a mistake of ours, but not worth a campaign: it is said, and goes on."""
        try:
            mutant = make()
        except Exception as error:  # noqa: BLE001 - as above
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.trouble.append(f"a mutator failed: {type(error).__name__}: {error} in {where.name}")
            return otherwise
        self.arms = self._mutator.made_by
        return mutant

    def _next(self, max_size: int) -> bytes | None:
        self.current, self.arms, self.asked = None, (), True
        while self._line:
            one = self._line.popleft()
            if isinstance(one.source, bytes):
                data = one.source
            else:
                try:
                    data = one.source.read_bytes()
                except OSError as error:
                    self.trouble.append(f"{one.source}: {error.strerror or error}")
                    continue
            if not 0 < len(data) <= max_size:
                if data:
                    self.trouble.append(f"{one.source!s:.80}: {len(data)} bytes, at most {max_size} are executed")
                continue
            self.current = one
            return data
        return None
