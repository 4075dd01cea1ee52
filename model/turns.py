"""Who runs when the loader lets go of the big lock: the schedule of a load, step by step."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from model.actors import ACTORS
from model.actors.actor import Idle

if TYPE_CHECKING:
    from model.loader import LoadState
    from model.schedule import Point, Schedule, Step
    from vmformat import Reader


class Turns:
    """The steps that are left, the points that have been passed, and what other loaders have loaded ahead."""

    def __init__(self, load: LoadState, schedule: Schedule) -> None:
        self._load = load
        self._left = list(schedule)
        self._passed: dict[Point, int] = {}
        self._overtaken: dict[int, int] = {}
        if any(step.point == "inside" for step in self._left):
            load.memory.before_commit = self._inside

    def __bool__(self) -> bool:
        """Whether anybody may still run, or has run ahead."""
        return bool(self._left or self._overtaken)

    def at(self, point: Point) -> None:
        """The loader is at a point where it may let go of the lock: whoever the schedule names runs."""
        load = self._load
        if load.loadvm or load.actor:
            return
        steps = self._steps(point)
        if steps or point in {"ram", "turn"}:
            self._release(steps, point)

    def _steps(self, point: Point) -> list[Step]:
        number = self._passed.get(point, 0)
        self._passed[point] = number + 1
        return [step for step in self._left if step.point == point and step.number == number]

    def _release(self, steps: list[Step], point: Point) -> None:
        load = self._load
        memory = load.memory
        if memory.has_lock:
            load.design.lock_released(load)
            if memory.depth and memory.update_pending:
                text = f"{load.section or 'the loader'}: the lock is released at a {point} with changes pending"
                load.find("lock", "lock", "loader", f"released-at-{point}", text)
        for step in steps:
            self._act(step)

    def _inside(self) -> None:
        """A transaction with something to commit is about to be closed; readers that need no lock may read now."""
        if not self._load.actor:
            for step in self._steps("inside"):
                self._act(step)

    def _act(self, step: Step) -> None:
        self._left.remove(step)
        actor = ACTORS.get(step.actor)
        if actor is None or (step.point == "inside" and not actor.reads):
            return
        load = self._load
        memory = load.memory
        held, memory.has_lock = memory.has_lock, actor.locks
        before, load.actor = load.actor, actor.name
        load.step()
        with suppress(Idle):
            actor.act(load, step.arguments)
        memory.has_lock, load.actor = held, before

    def rest(self) -> None:
        """The load is over, and with it the lock is free: who still waits runs now."""
        for step in list(self._left):
            self._act(step)

    def ahead(self, second: int, end: int) -> None:
        """Another loader has loaded what lies from `second` to `end`, positions in the main channel."""
        self._overtaken[second] = end

    def pass_over(self, reader: Reader) -> None:
        """Go on behind what another loader has loaded."""
        while reader is self._load.reader and reader.pos in self._overtaken:
            reader.pos = self._overtaken.pop(reader.pos)
