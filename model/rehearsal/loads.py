"""Loads of one stream after another under many designs, each done only if it may come to something new."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from model.known import Known
from model.load_state import LoadState
from model.loader import load, run
from model.rehearsal.recording import Recording
from model.rehearsal.rehearsal import leads
from model.rehearsal.transcript import MOST
from model.schedule import EMPTY_SCHEDULE
from model.uses import with_missed

if TYPE_CHECKING:
    from model.designs import Design
    from model.lights import Lights
    from model.machine import Machine
    from model.outcome import Outcome
    from model.rehearsal.transcript import Transcript
    from model.schedule import Schedule


class Loads:
    """Like `model.load` on one machine, which must be pristine at each.

    Under a design that holds nothing a load does only what no load before it did (`model.known`). Under the others what
    is remembered is the latest stream.

    A design that loads the same stream again begins anew: nothing is left then of the first round, and the second does
    what the first did.

    The outcome is the one that `model.load` gives. The machine is afterwards as the load left it, or pristine where no
    load was needed: who wants to look at it calls `model.load`.
    """

    def __init__(self, machine: Machine, lights: Lights | None = None, *, remembers: bool = True) -> None:
        """`lights`: told what a load lights that is not done. `remembers`: whether what earlier streams did is used."""
        self.machine = machine
        self._remembers = remembers
        self._known = Known(machine, lights)
        self._stream: tuple[bytes, Schedule, bool] = (b"", EMPTY_SCHEDULE, False)
        self._transcripts: list[Transcript] = []
        self._asked: set[type[Design]] = set()
        self._room = MOST

    def load(
        self, data: bytes, design: Design, schedule: Schedule = EMPTY_SCHEDULE, *, loadvm: bool = False
    ) -> Outcome:
        """The outcome of a stream under a design; `design` is a fresh object."""
        machine = self.machine
        if self._remembers and not loadvm and self._known.takes(data, design):
            return self._known.load(data, design, schedule)
        stream = (data, schedule, loadvm)
        if stream != self._stream or type(design) in self._asked:
            self._stream, self._transcripts, self._room = stream, [], MOST
            self._asked.clear()
            machine.walks.forget()
        self._asked.add(type(design))
        if design.hears_changes or design.bug is not None or machine.process:
            return load(machine, data, design, loadvm=loadvm, schedule=schedule)
        for transcript in self._transcripts:
            if leads(transcript, type(design)()):
                return _under(design, transcript.outcome)
        recording = Recording(design, self._room)
        state = LoadState(machine, data, design, machine.process, loadvm=loadvm, schedule=schedule, hooks=recording)
        recording.load = state
        outcome = run(state)
        if recording.broke:  # what is said of an exception may tell of the stand-ins
            machine.reset()
            return load(machine, data, type(design)(), loadvm=loadvm, schedule=schedule)
        written = recording.ended(outcome)
        if written is not None:
            self._transcripts.append(written)
            self._room -= len(written.entries)
        return outcome


def _under(design: Design, outcome: Outcome) -> Outcome:
    """The outcome of another design that was led to the same."""
    findings = (replace(one, cause=replace(one.cause, design=design.name)) for one in outcome.findings)
    return replace(outcome, design=design.name, findings=with_missed(findings, guards=design.guards))
