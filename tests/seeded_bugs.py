"""Seeded bugs on shipped streams and on edits of them: the sound program's outcome beside the faulty one's."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mutants import machine, stream

from fuzz.corpus import find_machine
from model import REFERENCE, judge_stages, stages_of
from model.faulty import FaultyMachine
from model.seeded import with_bug
from vmformat import write

if TYPE_CHECKING:
    from mutants import Change

    from model import Outcome
    from model.seeded import SeededBug


@cache
def _faulty(name: str) -> FaultyMachine:
    return FaultyMachine(machine(name).description)


def both(bug: type[SeededBug], change: Change) -> tuple[Outcome, Outcome, list[str]]:
    """What an edit of a shipped stream of the bug's machine comes to, without the bug and with it; what is found."""
    return _both(bug, write(change(stream(bug.machine))))


def _both(bug: type[SeededBug], data: bytes) -> tuple[Outcome, Outcome, list[str]]:
    sound = stages_of(machine(bug.machine), data, REFERENCE)
    faulty = _faulty(bug.machine).stages(data, with_bug(REFERENCE, bug))
    found = [str(finding.cause).split("/", 1)[1] for finding in judge_stages(sound, faulty)]
    return sound[0].outcome, faulty[0].outcome, found


def seen_in_seeds(bug: type[SeededBug]) -> list[str]:
    """What the bug shows on the shipped streams of its machine: nothing, if it is one to be searched for."""
    return [cause for seed in find_machine(bug.machine).seeds for cause in _both(bug, seed.read_bytes())[2]]
