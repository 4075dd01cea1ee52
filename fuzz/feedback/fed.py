"""A target of which the engine is told only what a feedback says, and of which all is counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from fuzz.atomic import write_atomic
from fuzz.feedback.feedback import Feedback
from fuzz.feedback.reach import Counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.engine import Execution, Target
    from fuzz.targets.stream import Destination
    from model import Design, Outcome, Stage
    from model.schedule import Schedule


class Watched:
    """A destination that keeps the outcomes of an execution until they are taken."""

    def __init__(self, inner: Destination, outcomes: list[Outcome]) -> None:
        self._inner = inner
        self._outcomes = outcomes

    def stages(self, data: bytes, design: type[Design], schedule: Schedule, *, loadvm: bool) -> tuple[Stage, ...]:
        """As the one behind."""
        stages = self._inner.stages(data, design, schedule, loadvm=loadvm)
        self._outcomes.append(stages[0].outcome)
        return stages

    def live(
        self, data: bytes, design: type[Design], life: str, schedule: Schedule, *, loadvm: bool
    ) -> tuple[Stage, ...]:
        """As the one behind."""
        return self._inner.live(data, design, life, schedule, loadvm=loadvm)


class Fed:
    """The target. What was counted is written to `path` at the end of execution number `executions`."""

    def __init__(
        self, target: Target, feedback: Feedback, outcomes: list[Outcome], path: Path, executions: int
    ) -> None:
        self.name = target.name
        self._target = target
        self._feedback = feedback
        self._outcomes = outcomes
        self._path = path
        self._executions = executions
        self._counted = Counted()

    def run(self, data: bytes) -> Execution:
        """One input."""
        self._outcomes.clear()
        execution = self._target.run(data)
        features = [*execution.features]
        self._counted.add((one.layout for one in self._outcomes if one.verdict == "accepted"), features)
        if self._path.name and self._counted.executions == self._executions:
            write_atomic(self._path, json.dumps(self._counted.reach().to_json()).encode())
        told = [one for one in features if self._feedback.wants(one)]
        if self._feedback.hashed:
            told += [("whole", crc32(_all_of(one).encode())) for one in self._outcomes]
        return replace(execution, features=told)


def _all_of(outcome: Outcome) -> str:
    """All that a load came to."""
    return repr((outcome, outcome.layout, outcome.told))


def fed(
    make: Callable[[Callable[[Destination], Destination]], Target], feedback: str, path: str, executions: int
) -> Fed:
    """A target under a feedback. `make` is given what to wrap each destination in. Raises FeedbackError."""
    outcomes: list[Outcome] = []
    target = make(lambda destination: Watched(destination, outcomes))
    return Fed(target, Feedback.parse(feedback), outcomes, Path(path), executions)
