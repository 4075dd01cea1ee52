"""Loads of one stream after another under many designs, each done only if it may come to something new."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from model.errors import Again
from model.loader import load
from model.quiet import QuietRecords, is_silent
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


LEARN: Final = 100
"""Loads after which it is clear how often a campaign's designs are led to another's outcome."""


class Loads:
    """Like `model.load` on one machine, which must be pristine at each.

    A load is left out where a design before it did the same to the same stream (`model.rehearsal`). Where few do, as
    between a reference and one design that is unlike it, nothing is written down for that any more; then records are
    passed over that earlier streams have brought (`model.quiet`), which cannot be written down.

    A design that loads the same stream again begins anew: nothing is left then of the first round, and the second does
    what the first did.

    The outcome is the one that `model.load` gives. The machine is not what the load left: who wants to look at it calls
    `model.load`.
    """

    def __init__(self, machine: Machine, lights: Lights | None = None, *, remembers: bool = True) -> None:
        """`lights`: told what a load lights that is not done. `remembers`: whether what earlier streams did is used."""
        self.machine = machine
        self._quiet = QuietRecords(machine, lights) if remembers else None
        self._stream: tuple[bytes, Schedule, bool] = (b"", EMPTY_SCHEDULE, False)
        self._transcripts: list[Transcript] = []
        self._asked: set[type[Design]] = set()
        self._room = MOST
        self._led = self._tried = 0
        """Loads of which it was asked whether a design need do them, and those of them that it need not."""

    def load(
        self, data: bytes, design: Design, schedule: Schedule = EMPTY_SCHEDULE, *, loadvm: bool = False
    ) -> Outcome:
        """The outcome of a stream under a design; `design` is a fresh object."""
        machine = self.machine
        if design.hears_changes or design.bug is not None or machine.process:
            return load(machine, data, design, loadvm=loadvm, schedule=schedule)
        if self._quiet is not None and self._tried >= LEARN and 2 * self._led < self._tried:
            return self._passing_over(self._quiet, data, design, schedule, loadvm=loadvm)
        stream = (data, schedule, loadvm)
        if stream != self._stream or type(design) in self._asked:
            self._stream, self._transcripts, self._room = stream, [], MOST
            self._asked.clear()
        self._asked.add(type(design))
        self._tried += bool(self._transcripts)
        for transcript in self._transcripts:
            if leads(transcript, type(design)()):
                self._led += 1
                return _under(design, transcript.outcome)
        recording = Recording(design, self._room)
        outcome = load(machine, data, design, loadvm=loadvm, schedule=schedule, recording=recording)
        if recording.broke:  # what is said of an exception may tell of the stand-ins
            machine.reset()
            return load(machine, data, type(design)(), loadvm=loadvm, schedule=schedule)
        written = recording.ended(outcome)
        if written is not None:
            self._transcripts.append(written)
            self._room -= len(written.entries)
        return outcome

    def _passing_over(
        self, quiet: QuietRecords, data: bytes, design: Design, schedule: Schedule, *, loadvm: bool
    ) -> Outcome:
        machine = self.machine
        if loadvm or not machine.memory.remembers or not is_silent(type(design)):
            return load(machine, data, design, loadvm=loadvm, schedule=schedule)
        quiet.begin()
        try:
            outcome = load(machine, data, design, schedule=schedule, quiet=quiet)
            quiet.end()
        except Again:
            machine.reset()
            return load(machine, data, type(design)(), schedule=schedule)  # lights all that the attempt has lit
        return outcome


def _under(design: Design, outcome: Outcome) -> Outcome:
    """The outcome of another design that was led to the same."""
    findings = (replace(one, cause=replace(one.cause, design=design.name)) for one in outcome.findings)
    return replace(outcome, design=design.name, findings=with_missed(findings, guards=design.guards))
