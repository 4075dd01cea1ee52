"""The pass `schedule`: fewer steps, then earlier ones with simpler arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fuzz.shrink.ddmin import ddmin
from fuzz.shrink.numbers import lower
from fuzz.shrink.work import Case
from model.actors import ACTORS, check
from model.schedule import Schedule, ScheduleError

if TYPE_CHECKING:
    from fuzz.shrink.work import Work
    from model.schedule import Step


NEAR: Final = 64
"""Points from the start that are tried one by one."""


def schedule(work: Work) -> None:
    """Drop steps; lower what is a number in those that stay; name the first function that does as well."""
    ddmin(work.best.schedule.steps, lambda steps: _try(work, steps))
    for index in range(len(work.best.schedule)):
        _earlier(work, index)
        for at in range(len(work.best.schedule.steps[index].arguments)):
            _simpler(work, index, at)


def _try(work: Work, steps: tuple[Step, ...]) -> bool:
    changed = Schedule(steps)
    try:
        check(changed, ACTORS, work.machine)
    except ScheduleError:
        return False
    return work.attempt(Case(work.best.data, changed))


def _put(work: Work, index: int, step: Step) -> bool:
    steps = work.best.schedule.steps
    return _try(work, (*steps[:index], step, *steps[index + 1 :]))


def _earlier(work: Work, index: int) -> None:
    """The first point of its kind that does, looked for from the start if that is not far."""
    step = work.best.schedule.steps[index]
    number = lower(step.number, lambda number: _put(work, index, replace(step, number=number)))
    any(_put(work, index, replace(step, number=earlier)) for earlier in range(1, min(number, NEAR)))


def _simpler(work: Work, index: int, at: int) -> None:
    """A lower number; or of a function's name the first one, in the machine's order, that shows it too."""
    step = work.best.schedule.steps[index]
    word = step.arguments[at]

    def put(new: str) -> bool:
        return _put(work, index, replace(step, arguments=(*step.arguments[:at], new, *step.arguments[at + 1 :])))

    names = tuple(work.machine.functions)
    if word in names:
        any(put(name) for name in names[: names.index(word)])
        return
    try:
        value = int(word, 0)
    except ValueError:
        return
    if value >= 0:
        lower(value, lambda number: put(hex(number) if "x" in word else str(number)))
