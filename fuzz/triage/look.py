"""One look at causes: what folders tell, what witnesses show, and what becomes of the file of states."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fuzz.report.causes import rank_of
from fuzz.triage.entries import BACK, NEW, Entry, pattern_of, wrong_with
from fuzz.triage.file import read_file, update
from fuzz.triage.sights import Sight, sights
from fuzz.triage.states import Evidence, moved
from fuzz.triage.witness import Witnesses
from model.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from fuzz.triage.replay import Answer
    from fuzz.triage.states import Change
    from fuzz.triage.witness import Witness

    Replay = Callable[[Sequence[tuple[str, Witness]]], Mapping[str, Answer]]


@dataclass(frozen=True, slots=True)
class Row:
    """A cause as it stands. `count` is None where no folder that was looked at tells one.

    `shows`: whether its witness does, None where it was not replayed; `why_not` then says why, if it was to be. `note`:
    its own, or that of a pattern.
    """

    entry: Entry
    note: str = ""
    text: str = ""
    count: int | None = None
    witness: Witness | None = None
    shows: bool | None = None
    why_not: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it asks for somebody: it is new, or back again."""
        return self.entry.state in {NEW, BACK}

    @property
    def command(self) -> str:
        """The command line that shows it; "" without a witness."""
        return self.witness.command(self.entry.cause) if self.witness is not None else ""


@dataclass(frozen=True, slots=True)
class Look:
    """What came of it: rows in the order of the file, what is in another state, and whether the file was written.

    `odd`: what folders call a cause, and is none.
    """

    file: Path
    rows: tuple[Row, ...]
    changes: tuple[Change, ...]
    written: bool
    odd: tuple[str, ...] = ()


def look(
    folders: Sequence[Path],
    file: Path,
    moment: datetime,
    *,
    own: Sequence[str] = (),
    replay: Replay | None = None,
) -> Look:
    """Look at those folders, and bring the file up to date. Raises TriageError; nothing is written then.

    `own`: designs of a user's own, as typed; no others are run. `replay` runs witnesses; without it none is.
    """
    made = Witnesses(own)
    seen = sights(folders, made)
    entries = {entry.cause: entry for entry in read_file(file)[1]}  # a bad file is said before anything is run
    odd = tuple(cause for cause in seen if wrong_with(cause))
    for cause in odd:
        del seen[cause]
    causes = dict.fromkeys((*(cause for cause, entry in entries.items() if not entry.is_pattern), *seen))
    base = file.resolve().parent
    witnesses = {cause: _witness(entries.get(cause), seen.get(cause), base, made) for cause in causes}
    wanted = [(cause, witness) for cause, witness in witnesses.items() if witness is not None]
    answers = replay(wanted) if replay is not None else {}

    rows: list[Row] = []
    changes: list[Change] = []

    def judged(now: tuple[Entry, ...]) -> list[Entry]:
        """All entries as they are to be, from those that are in the file at this moment."""
        rows.clear()
        changes.clear()
        patterns = {entry.cause: entry for entry in now if entry.is_pattern}
        listed = {entry.cause for entry in now}
        fresh = [Entry(one.cause) for one in sorted(seen.values(), key=_order) if one.cause not in listed]
        written: list[Entry] = []
        for entry in (*now, *fresh):
            if entry.is_pattern:
                written.append(entry)
                continue
            cause = entry.cause
            answer, sight, witness = answers.get(cause), seen.get(cause), witnesses.get(cause)
            told = _told(entry, sight, witness, answer, base)
            shows = answer.shows(cause) if answer is not None else None
            pattern = patterns.get(pattern_of(cause))
            evidence = Evidence(shows, sight.last if sight else None, pattern.state if pattern else None)
            after, change = moved(told, evidence, moment, listed=cause in listed)
            written.append(after)
            changes.extend([change] if change is not None else [])
            row = _row(after, sight, witness, answer, replayed=replay is not None)
            rows.append(replace(row, note=after.note or (pattern.note if pattern else "")))
        return written

    was_written = update(file, judged)
    return Look(file, tuple(rows), tuple(changes), was_written, odd)


def _order(sight: Sight) -> tuple[object, ...]:
    """New entries are added the worst first."""
    return Severity.parse(sight.severity), sight.cause


def _witness(entry: Entry | None, sight: Sight | None, base: Path, made: Witnesses) -> Witness | None:
    """The smaller one of that which the file names, if it is there, and that which the folders have."""
    seen = sight.witness if sight is not None else None
    if entry is None or not entry.witness:
        return seen
    path = base / entry.witness
    if seen is not None and _same(path, seen.path):
        return seen
    kept = made.at(path)
    return min((one for one in (kept, seen) if one is not None), key=lambda one: one.size, default=None)


def _same(one: Path, other: Path) -> bool:
    return os.path.abspath(one) == os.path.abspath(other)  # noqa: PTH100 - links stay what they are


def _told(entry: Entry, sight: Sight | None, witness: Witness | None, answer: Answer | None, base: Path) -> Entry:
    """The entry with what is known by now, but for its state."""
    found = next((one for one in answer.found if one.cause == entry.cause), None) if answer is not None else None
    if sight is not None and sight.kind:
        entry = replace(entry, kind=sight.kind, severity=sight.severity)
    elif found is not None:  # a crasher tells its causes only
        severity = found.severity or str(rank_of(found.kind, entry.cause))
        entry = replace(entry, kind=entry.kind or found.kind, severity=severity)
    elif sight is not None and not entry.severity:
        entry = replace(entry, severity=sight.severity)
    if sight is not None and _earlier(sight, entry):
        entry = replace(entry, first_seen=sight.first, first_execution=sight.first_execution)
    if witness is not None:
        entry = replace(entry, witness=os.path.relpath(os.path.abspath(witness.path), base), size=witness.size)  # noqa: PTH100
    return entry


def _earlier(sight: Sight, entry: Entry) -> bool:
    """Whether the folders know of an earlier sight than the file."""
    if sight.first is not None:
        return entry.first_seen is None or sight.first < entry.first_seen
    return entry.first_seen is None and entry.first_execution is None and sight.first_execution is not None


def _row(entry: Entry, sight: Sight | None, witness: Witness | None, answer: Answer | None, *, replayed: bool) -> Row:
    shows = answer.shows(entry.cause) if answer is not None else None
    why_not = ""
    if replayed and witness is None:
        why_not = f"its witness is gone: {entry.witness}" if entry.witness else "it has no witness"
    elif answer is not None and shows is None:
        why_not = answer.why_not()
    text = sight.text if sight is not None else ""
    return Row(entry, entry.note, text, sight.count if sight is not None else None, witness, shows, why_not)
