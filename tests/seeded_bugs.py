"""Seeded bugs on shipped streams and on edits of them: the sound program's outcome beside the faulty one's."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mutants import machine, stream

from fuzz.corpus import find_machine, find_stream
from model import DESIGNS, REFERENCE, judge_stages, section_schemas, stages_of
from model.faulty import FaultyMachine
from model.seeded import with_bug
from vmformat import read, write

if TYPE_CHECKING:
    from mutants import Change

    from model import Design, Outcome
    from model.seeded import SeededBug
    from vmformat import Stream


@cache
def _faulty(name: str) -> FaultyMachine:
    return FaultyMachine(machine(name).description)


@cache
def _before(name: str) -> Stream:
    return read(find_stream(f"{name}/before").read_bytes(), section_schemas(machine(name).description))


def both(
    bug: type[SeededBug], change: Change, design: str = REFERENCE.name, *, booted: bool = True
) -> tuple[Outcome, Outcome, list[str]]:
    """What an edit of a shipped stream of the bug's machine comes to, without the bug and with it; what is found.

    The stream is that of a guest that has booted, or of one that has not.
    """
    data = write(change(stream(bug.machine) if booted else _before(bug.machine)))
    return _both(bug, data, DESIGNS[design])


def _both(bug: type[SeededBug], data: bytes, design: type[Design]) -> tuple[Outcome, Outcome, list[str]]:
    sound = stages_of(machine(bug.machine), data, design)
    faulty = _faulty(bug.machine).stages(data, with_bug(design, bug))
    found = [str(finding.cause).split("/", 1)[1] for finding in judge_stages(sound, faulty)]
    return sound[0].outcome, faulty[0].outcome, found


def seen_in_seeds(bug: type[SeededBug], *designs: str) -> list[str]:
    """What the bug shows on the shipped streams of its machine: nothing, if it is one to be searched for."""
    return [
        cause
        for seed in find_machine(bug.machine).seeds
        for design in designs or (REFERENCE.name,)
        for cause in _both(bug, seed.read_bytes(), DESIGNS[design])[2]
    ]
