"""Mutations of a schedule: who does what, and when. The stream beside it stays as it is.

What a step meets depends on where it lies: whether changes are pending there, and whether they concern what it
touches. So points are drawn over the whole stream, and addresses from those that this stream moves about: its BARs,
its rings, the switched area below 1 MiB, each with its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.mutate import values
from fuzz.mutate.layout import bar_spans, ring_spans
from model.actors import ACTORS
from model.schedule import MAX_STEPS, POINTS, Schedule, Step

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice
    from fuzz.mutate.scene import Scene
    from model.actors import Actor
    from model.schedule import Point
    from vmformat import Stream

_LENGTHS: Final = (1, 2, 4, 4, 8, 16, 64, 4096)
_COMMANDS: Final = (0, 1, 2, 3, 4, 6, 7, 7)
_RECORDS: Final = 64
"""Points looked at in an input that is no stream."""
_LONG: Final = 6
"""Steps beyond which a schedule grows no more: a finding needs few."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What an arm is given beside the schedule: the machine's scene, and the stream if the input has one."""

    scene: Scene
    stream: Stream | None = None

    @property
    def records(self) -> int:
        """Records of the stream."""
        return len(self.stream.records) if self.stream is not None else _RECORDS

    def address(self, dice: Dice) -> int:
        """An address that the stream moves about or uses, or one next to it; or any that is interesting."""
        if self.stream is None or dice.chance(3):
            return self.scene.places.address(dice)
        found = ring_spans(self.stream, self.scene) if dice.chance(3) else bar_spans(self.stream, self.scene)
        if not found:
            return self.scene.places.address(dice)
        base, _size = dice.pick(found)
        return (base + dice.pick((0, 0, 0, 4, -4, 0xFFC, 0x1000, -0x1000))) & (1 << 64) - 1


ScheduleArm = Callable[[Schedule, "Dice", Setting], "Schedule | None"]
"""A mutation. None: nothing to do."""


def _number(dice: Dice, point: Point, setting: Setting) -> int:
    if point == "ram":
        return dice.low(4)
    if point == "inside":
        return dice.low(4 * setting.records)
    return dice.below(setting.records + 1)


def _argument(dice: Dice, name: str, setting: Setting, function: tuple[str, tuple[int, ...]]) -> str:
    if name == "function":
        return function[0]
    if name == "slot":
        return str(dice.pick(function[1]) if function[1] else dice.below(7))
    if name == "length":
        return str(dice.pick(_LENGTHS))
    if name == "value":
        return hex(dice.pick(_COMMANDS))
    return hex(setting.address(dice))


def _action(dice: Dice, actor: Actor, setting: Setting) -> tuple[str, ...] | None:
    """An actor's arguments; None on a machine that has nothing for it."""
    functions = setting.scene.functions
    if "slot" in actor.arguments:
        functions = tuple(function for function in functions if function[1])
    if "function" in actor.arguments and not functions:
        return None
    function = dice.pick(functions) if functions else ("", ())
    return tuple(_argument(dice, name, setting, function) for name in actor.arguments)


_LIKELY: Final = {"vcpu-remap": 3, "vcpu-access": 2, "monitor-mtree": 2}
"""Actors that meet something more often than others."""
_EVERYBODY: Final = tuple(actor for actor in ACTORS.values() for _ in range(_LIKELY.get(actor.name, 1)))
_READERS: Final = tuple(actor for actor in ACTORS.values() if actor.reads)


def _step(dice: Dice, setting: Setting) -> Step | None:
    point = dice.pick(POINTS)
    actor = dice.pick(_READERS if point == "inside" else _EVERYBODY)
    arguments = _action(dice, actor, setting)
    return None if arguments is None else Step(point, _number(dice, point, setting), actor.name, arguments)


def add(schedule: Schedule, dice: Dice, setting: Setting) -> Schedule | None:
    """One more step, anywhere in the order."""
    step = _step(dice, setting) if len(schedule) < _LONG else None
    if step is None:
        return None
    at = dice.below(len(schedule) + 1)
    return Schedule((*schedule.steps[:at], step, *schedule.steps[at:]))


def remap_and_read(schedule: Schedule, dice: Dice, setting: Setting) -> Schedule | None:
    """A BAR moved by a processor, and another's read where it was or goes, soon after."""
    functions = tuple(function for function in setting.scene.functions if function[1])
    if not functions or len(schedule) + 2 > _LONG:
        return None
    name, slots = dice.pick(functions)
    old = [base for base, _ in bar_spans(setting.stream, setting.scene)] if setting.stream is not None else []
    to = setting.address(dice)
    point = dice.pick(POINTS[:-1])
    number = _number(dice, point, setting)
    remap = Step(point, number, "vcpu-remap", (name, str(dice.pick(slots)), hex(to)))
    where = (dice.pick(old) if old and dice.chance(2) else to) + dice.pick((0, 0, 4, 0xFFC, 0x1000, -4))
    if dice.chance(2):
        point, number = "inside", dice.low(4 * setting.records)
    read = Step(point, number, "vcpu-access", (hex(where & (1 << 64) - 1), str(dice.pick(_LENGTHS))))
    return Schedule((*schedule.steps, remap, read))


def remove(schedule: Schedule, dice: Dice, _setting: Setting) -> Schedule | None:
    """One step less; all of them now and then."""
    if not schedule:
        return None
    if dice.chance(4):
        return Schedule()
    at = dice.below(len(schedule))
    return Schedule((*schedule.steps[:at], *schedule.steps[at + 1 :]))


def move(schedule: Schedule, dice: Dice, setting: Setting) -> Schedule | None:
    """A step at another point: a neighbour, any other of its kind, or one of another kind."""
    return _replace(schedule, dice, lambda step: _elsewhere(step, dice, setting))


def _elsewhere(step: Step, dice: Dice, setting: Setting) -> Step:
    way = dice.below(4)
    if way < 2:
        number = max(0, step.number + (1 + dice.low(4)) * (1 if dice.chance(2) else -1))
        return Step(step.point, number, step.actor, step.arguments)
    point = step.point
    if way == 3:
        actor = ACTORS.get(step.actor)
        point = dice.pick(POINTS if actor is not None and actor.reads else POINTS[:-1])
    return Step(point, _number(dice, point, setting), step.actor, step.arguments)


def change(schedule: Schedule, dice: Dice, setting: Setting) -> Schedule | None:
    """Another argument of a step."""
    return _replace(schedule, dice, lambda step: _otherwise(step, dice, setting))


def _otherwise(step: Step, dice: Dice, setting: Setting) -> Step | None:
    actor = ACTORS.get(step.actor)
    if actor is None or not step.arguments or len(step.arguments) != len(actor.arguments):
        return None
    at = dice.below(len(step.arguments))
    name, old = actor.arguments[at], step.arguments[at]
    if name in {"function", "slot"}:
        fresh = _action(dice, actor, setting)
        return None if fresh is None else Step(step.point, step.number, step.actor, (*fresh[:2], *step.arguments[2:]))
    if dice.chance(3):
        new = hex(values.integer(dice, int(old, 0), 8)) if name == "address" else str(values.integer(dice, 1, 1))
    else:
        new = _argument(dice, name, setting, ("", ()))
    return Step(step.point, step.number, step.actor, (*step.arguments[:at], new, *step.arguments[at + 1 :]))


def duplicate(schedule: Schedule, dice: Dice, setting: Setting) -> Schedule | None:
    """A step once more, at another point."""
    if not 0 < len(schedule) < min(_LONG, MAX_STEPS):
        return None
    step = dice.pick(schedule.steps)
    return Schedule((*schedule.steps, _elsewhere(step, dice, setting)))


def _replace(schedule: Schedule, dice: Dice, change_step: Callable[[Step], Step | None]) -> Schedule | None:
    if not schedule:
        return None
    at = dice.below(len(schedule))
    step = change_step(schedule.steps[at])
    if step is None:
        return None
    return Schedule((*schedule.steps[:at], step, *schedule.steps[at + 1 :]))


ARMS: Final[dict[str, tuple[ScheduleArm, int]]] = {
    "schedule-add": (add, 2),
    "schedule-remap-and-read": (remap_and_read, 2),
    "schedule-remove": (remove, 3),
    "schedule-move": (move, 3),
    "schedule-change": (change, 3),
    "schedule-duplicate": (duplicate, 1),
}
"""Arms of this file with their weights."""


def mix(one: Schedule, other: Schedule, dice: Dice) -> Schedule:
    """Of two inputs' schedules: the first one's most of the time, the other's, or one's head and the other's tail."""
    if not other or dice.chance(2):
        return one
    if not one or dice.chance(2):
        return other
    head, tail = one.steps[: dice.below(len(one) + 1)], other.steps[dice.below(len(other) + 1) :]
    return Schedule((*head, *tail)[:MAX_STEPS])
