"""A program of memory-API calls with a seeded bug in that API, held to what the sound program comes to.

The world is built by the sound functions, for this run alone, and thrown away behind it; the bug is on in between. What
it is held to is the same program under the same design without the bug: its verdict, the views and caches in the end,
and every invariant, which listeners replay what they were told for. What the sound one shows as well is no bug's doing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.programs.result import DEVICE
from fuzz.programs.run import Run
from fuzz.programs.stage import Stage
from fuzz.programs.worlds import WORLDS
from model.memory import Region
from model.outcome import Cause, Finding
from model.seeded import bug_of

if TYPE_CHECKING:
    from fuzz.programs.program import Program
    from fuzz.programs.result import Result
    from model.designs import Design


def run_faulty(program: Program, design: type[Design], excused: frozenset[int]) -> Result:
    """Carry a program out under a design with its bug switched on, every invariant watched. `excused`: as of `run`."""
    stage = Stage(WORLDS[program.world])
    stage.memory.remembers = False  # a bug may give another answer to the same question
    fresh = design()
    with bug_of(design):
        return Run(stage, program, fresh, check=True, excused=excused).go()


def unlike(sound: Result, faulty: Result) -> tuple[Finding, ...]:
    """What the bug did: findings that the sound program has not, or another verdict, or another end."""
    known = {(found.cause.oracle, found.cause.reader, found.cause.change) for found in sound.findings}
    own = tuple(
        found for found in faulty.findings if (found.cause.oracle, found.cause.reader, found.cause.change) not in known
    )
    if own:
        return own
    if sound.verdict != faulty.verdict:
        cause = Cause(faulty.design, "verdict", "memory", f"{sound.verdict}->{faulty.verdict}", DEVICE)
        text = f"{faulty.verdict} where {sound.design} has {sound.verdict}: {[*faulty.log, ''][-1].strip()}"
        return (Finding("divergence", cause, text),)
    expected, found = _by_name(sound), _by_name(faulty)
    for name in (*expected, *found):
        if expected.get(name) != found.get(name):
            what, oracle = ("cache", "device-state") if name.startswith("cache ") else ("flat-view", "layout")
            cause = Cause(faulty.design, oracle, what, "at-the-end", DEVICE)
            return (Finding("divergence", cause, f"{name} ends otherwise than under {sound.design}"),)
    return ()


def _by_name(result: Result) -> dict[str, object]:
    """How it ended, by what views and caches are called: those of two stages are comparable so."""
    return {str(one[0]): _named(one[1:]) for one in result.end if isinstance(one, tuple)}


def _named(value: object) -> object:
    if isinstance(value, Region):
        return value.name
    return tuple(map(_named, value)) if isinstance(value, (tuple, list)) else value
