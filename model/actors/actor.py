"""An actor: somebody who is not the loader and does something to the machine at a point of the schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.schedule import ScheduleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from model.load_state import LoadState
    from model.machine import Machine
    from model.schedule import Schedule


class Idle(Exception):
    """The actor finds nothing to do: what its step names is not there."""


@dataclass(frozen=True, slots=True)
class Actor:
    """`act` does it; `arguments` name the words that a step gives.

    `locks`: whether it takes the big lock. `reads`: whether it does nothing but read, so that it may run inside of
    somebody's transaction.
    """

    name: str
    about: str
    arguments: tuple[str, ...]
    act: Callable[[LoadState, tuple[str, ...]], None]
    locks: bool = True
    reads: bool = False


def number(words: tuple[str, ...], index: int) -> int:
    """An argument as an unsigned number of up to 64 bits, decimal or 0x. Raises Idle."""
    try:
        value = int(words[index], 0)
    except (IndexError, ValueError):
        raise Idle from None
    if not 0 <= value < 1 << 64:
        raise Idle
    return value


def check(schedule: Schedule, actors: Mapping[str, Actor], machine: Machine | None = None) -> None:
    """Raise ScheduleError for a step that names no actor, or not as many words as it takes, or no such function."""
    for step in schedule:
        actor = actors.get(step.actor)
        if actor is None:
            msg = f"schedule: step {step}: no such actor; there are {', '.join(actors)}"
            raise ScheduleError(msg)
        if len(step.arguments) != len(actor.arguments):
            takes = " ".join((actor.name, *(f"<{name}>" for name in actor.arguments)))
            msg = f"schedule: step {step}: expected `{takes}`, found {len(step.arguments)} arguments"
            raise ScheduleError(msg)
        if step.point == "inside" and not actor.reads:
            msg = f"schedule: step {step}: {actor.name} does more than read, which nobody can there"
            raise ScheduleError(msg)
        for name, word in zip(actor.arguments, step.arguments, strict=True):
            if name == "function":
                if machine is not None and word not in machine.functions:
                    msg = f"schedule: step {step}: no such PCI function; there are {', '.join(machine.functions)}"
                    raise ScheduleError(msg)
                continue
            try:
                number((word,), 0)
            except Idle:
                msg = f"schedule: step {step}: expected {name} as a number below 2**64, found {word}"
                raise ScheduleError(msg) from None
