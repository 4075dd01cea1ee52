"""Who runs when the loader lets go of the big lock: the schedule of a load, step by step.

A step is due at its point. Whoever needs no lock runs there and then: nobody can keep him from it. Whoever needs it
runs there if the loader lets go of it there; else he waits, and runs at the next place where it does, or when the load
is over. So a schedule asks the same under each design, and each design's locking decides what comes of it.

Where the loader lets go (stream.md 2.8, memory.md 10):

- in the coroutine of a migration at `wait` and `fields`, unless it reads a package, which lies in memory whole; and at
  `ram`, in a package too;
- in a thread that takes turns behind each FULL section (`turn`); within one it waits for data with the lock held;
- everywhere, where it does not hold the lock: that thread between FULL sections, the postcopy listener;
- nowhere in a snapshot load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import ref

from model.actors import ACTORS
from model.actors.actor import Idle
from model.outcome import Acted

if TYPE_CHECKING:
    from model.load_state import LoadState
    from model.outcome import Result
    from model.schedule import Point, Schedule, Step
    from vmformat import Reader


@dataclass(frozen=True, slots=True)
class Passed:
    """A point that a load has passed: where the stream was read, in which section, and how things stood.

    `section`: "" between sections. `lets_go`: whether who needs the lock can run there. `pending`: whether a
    transaction is open that has something to commit.
    """

    point: Point
    number: int
    offset: int
    section: str
    lets_go: bool
    pending: bool


END: Final = "end"
"""Where steps run that waited until the load was over."""


class Turns:
    """The steps that are not yet due, those that wait for the lock, and what other loaders have loaded ahead."""

    def __init__(self, load: LoadState, schedule: Schedule) -> None:
        self._whose = ref(load)  # which has its turns, and goes as soon as nobody looks at it any more
        self._left = list(schedule)
        self._waiting: list[Step] = []
        self._passed: dict[Point, int] = {}
        self._overtaken: dict[int, int] = {}
        self.acted: list[Acted] = []
        self.watched: list[Passed] | None = None
        if any(step.point == "inside" for step in self._left):
            load.memory.before_commit = self._inside

    @property
    def _load(self) -> LoadState:
        load = self._whose()
        assert load is not None
        return load

    def __bool__(self) -> bool:
        """Whether anybody may still run, or has run ahead, or wants to know."""
        return bool(self._left or self._waiting or self._overtaken) or self.watched is not None

    def watch(self) -> list[Passed]:
        """From here on note each point that is passed."""
        self.watched = []
        self._load.memory.before_commit = self._inside
        return self.watched

    def count(self, point: Point) -> int:
        """How often a point has been passed so far."""
        return self._passed.get(point, 0)

    def pass_by(self, point: Point, times: int) -> None:
        """A point is passed so often with nobody to run there."""
        self._passed[point] = self._passed.get(point, 0) + times

    def go_by(self, fields: int) -> bool:
        """A section is passed over that would have been at the point `fields` so often; False if somebody may run then.

        The loader waits for it once, and lets others run once behind it.
        """
        if self._waiting or self._overtaken or self.watched is not None:
            return False
        passes: dict[Point, int] = {"wait": 1, "fields": fields, "turn": 1}
        passed = self._passed
        for step in self._left:
            if 0 <= step.number - passed.get(step.point, 0) < passes.get(step.point, 0):
                return False
        for point, times in passes.items():
            self.pass_by(point, times)
        return True

    def at(self, point: Point) -> None:
        """The loader is at a point; `ram` and `turn` are let go at with nobody waiting, too."""
        load = self._load
        if load.actor:
            return
        number, steps = self._due(point)
        where = f"{point} {number}"
        if not self._lets_go(point):
            for step in steps:
                self._run_or_wait(step, where)
        elif steps or point in {"ram", "turn"} or (self._waiting and not load.memory.has_lock):
            self._release([*self._waiting, *steps], where)

    def _due(self, point: Point) -> tuple[int, list[Step]]:
        number = self._passed.get(point, 0)
        self._passed[point] = number + 1
        if self.watched is not None:
            load, memory = self._load, self._load.memory
            pending = bool(memory.depth and memory.update_pending)
            lets_go = point != "inside" and self._lets_go(point)
            self.watched.append(Passed(point, number, load.reader.offset, load.told_section, lets_go, pending))
        steps = [step for step in self._left if step.point == point and step.number == number]
        for step in steps:
            self._left.remove(step)
        return number, steps

    def _lets_go(self, point: Point) -> bool:
        load = self._load
        if load.loadvm:
            return False
        if not load.memory.has_lock:
            return True
        if load.takes_turns:
            return point == "turn"
        return point == "ram" or (point in {"wait", "fields"} and load.loops <= 1)

    def _release(self, steps: list[Step], where: str) -> None:
        load = self._load
        memory = load.memory
        if memory.has_lock:
            load.hooks.lock_released(load)
            if memory.depth and memory.update_pending:
                point = where.partition(" ")[0]
                text = f"{load.section or 'the loader'}: the lock is released at {where} with changes pending"
                load.find("lock", "lock", "loader", f"released-at-{point}", text)
        self._waiting.clear()
        for step in steps:
            self._act(step, where)

    def _run_or_wait(self, step: Step, where: str) -> None:
        actor = ACTORS.get(step.actor)
        if actor is not None and actor.locks:
            self._waiting.append(step)
        else:
            self._act(step, where)

    def _inside(self) -> None:
        """A transaction with something to commit is about to be closed; readers that need no lock may read now."""
        if not self._load.actor:
            number, steps = self._due("inside")
            for step in steps:
                self._run_or_wait(step, f"inside {number}")

    def _act(self, step: Step, where: str) -> None:
        actor = ACTORS.get(step.actor)
        if actor is None or (where.startswith("inside") and not actor.reads):
            self._note(step, where, "idle")
            return
        load, memory = self._load, self._load.memory
        held, memory.has_lock = memory.has_lock, actor.locks
        before, load.actor = load.actor, actor.name
        seen = self._reads()
        load.step()
        load.mark(actor.name)
        result: Result = "died"
        try:
            actor.act(load, step.arguments)
            pending, harmful = self._reads()
            result = "harmful" if harmful > seen[1] else "pending" if pending > seen[0] else "done"
        except Idle:
            result = "idle"
        finally:
            self._note(step, where, result)
        memory.has_lock, load.actor = held, before
        load.mark(load.told_section or "the loader")

    def _reads(self) -> tuple[int, int]:
        return sum(self._load.pending_reads.values()), sum(self._load.harmful_reads.values())

    def _note(self, step: Step, where: str, result: Result) -> None:
        self.acted.append(Acted(step, where, result))

    def rest(self) -> None:
        """The load is over, and with it the lock is free: who still waits runs now, and who was to run later."""
        steps = [*self._waiting, *self._left]
        self._left.clear()
        if steps:
            self._release(steps, END)

    def ahead(self, second: int, end: int) -> None:
        """Another loader has loaded what lies from `second` to `end`, positions in the main channel."""
        self._overtaken[second] = end

    def pass_over(self, reader: Reader) -> None:
        """Go on behind what another loader has loaded."""
        while reader is self._load.reader and reader.pos in self._overtaken:
            reader.pos = self._overtaken.pop(reader.pos)
