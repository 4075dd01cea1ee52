"""What moves a cause from one state to another: a person, a replay, a campaign. A table of this is in docs/triage.md.

The rules, each with its reason:

* A person's word is where a cause stands; the rest is what is known since. So the states in the file are where every
  look at them begins, and nothing is remembered elsewhere.
* `new` is said by nobody, so a pattern that a person wrote speaks for a new cause. It speaks for no other: what came of
  a cause afterwards is its own.
* A witness that does not show its cause with the present code makes it `fixed`; one that does makes a fixed one
  `back again`. Where no witness was replayed, neither happens.
* A campaign that saw a cause after it was marked fixed makes it `back again`, too, and that weighs more than a witness
  which shows nothing: there is another input. So it stays so until a person says otherwise.

For the last, an entry keeps two moments: `fixed`, since when it is, and `back`, when it was last known to show. An
entry that is fixed and has `back` still was marked by a person after it had come back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from fuzz.triage.entries import BACK, FIXED, NEW

if TYPE_CHECKING:
    from datetime import datetime

    from fuzz.triage.entries import Entry

UNLISTED: Final = "unlisted"
"""Stands where the state of a cause would that has no entry yet."""

FOUND: Final = "found"
UNDER_PATTERN: Final = "under the pattern"
GONE: Final = "its witness does not show it any more"
SHOWS: Final = "its witness shows it"
SEEN: Final = "a campaign found it after it was fixed"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a cause besides its entry.

    `shows`: whether its smallest witness does with the present code, None where it was not replayed. `seen`: when a
    campaign saw it last, None where nobody wrote it down. `ruled`: the state that a pattern gives it.
    """

    shows: bool | None = None
    seen: datetime | None = None
    ruled: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A cause that is in another state than before, and why, in words."""

    cause: str
    before: str
    after: str
    why: str


def moved(entry: Entry, evidence: Evidence, moment: datetime, *, listed: bool = True) -> tuple[Entry, Change | None]:
    """The entry as it is to be written at that moment, UTC, and how its state changed.

    `listed`: whether the file has it; one that it has not is handed in as `new`.
    """
    reasons = [] if listed else [FOUND]
    after = entry
    if after.state == NEW and evidence.ruled not in {None, NEW}:
        after = replace(after, state=str(evidence.ruled))
        reasons.append(UNDER_PATTERN)
    after, why = _MOVES.get(after.state, _open)(after, evidence, moment)
    reasons += [why] if why else []
    before = entry.state if listed else UNLISTED
    if after.state == before:
        return after, None
    return after, Change(entry.cause, before, after.state, "; ".join(reasons))


def _open(entry: Entry, evidence: Evidence, moment: datetime) -> tuple[Entry, str]:
    """New, or known."""
    if evidence.shows is False:
        return replace(entry, state=FIXED, fixed=moment, back=None), GONE
    return replace(entry, fixed=None, back=None), ""


def _fixed(entry: Entry, evidence: Evidence, moment: datetime) -> tuple[Entry, str]:
    if entry.fixed is None or entry.back is not None:  # a person has just said so
        entry = replace(entry, fixed=moment, back=None)
    if evidence.shows:
        return replace(entry, state=BACK, back=moment), SHOWS
    if evidence.seen is not None and entry.fixed is not None and evidence.seen > entry.fixed:
        return replace(entry, state=BACK, back=evidence.seen), SEEN
    return entry, ""


def _back(entry: Entry, evidence: Evidence, moment: datetime) -> tuple[Entry, str]:
    proven = entry.back is not None and (evidence.seen is None or evidence.seen < entry.back)
    if evidence.shows:
        return (entry if proven else replace(entry, back=moment)), ""
    if evidence.shows is False and (proven or entry.back is None):
        return replace(entry, state=FIXED, fixed=moment, back=None), GONE
    return entry, ""


_MOVES: Final = {FIXED: _fixed, BACK: _back}
