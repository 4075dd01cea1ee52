"""What a finding says, in QEMU's words: a title, and what stands in its cause as a sentence."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from model.actors import ACTORS
from model.severity import Severity, without_stage

if TYPE_CHECKING:
    from model import Cause, Finding, Outcome

STAGES: Final = {
    "load": "when it is loaded",
    "reset": "after system_reset",
    "again": "when the snapshot is loaded once more",
    "recovery": "when a good snapshot is loaded next",
    "resume": "when the guest is started",
    "resave": "when it is saved again and that is loaded",
}
"""Stages of a process's life, as oracles name them first."""

RANKS: Final = {
    Severity.MEMORY_CORRUPTION: "bytes are written, or will be through a pointer that was kept, where the guest does "
    "not have that memory",
    Severity.WRONG_STATE: "what the load leaves behind is wrong, and nobody is told",
    Severity.HANG: "the load never ends",
    Severity.ASSERTION: "the program dies",
    Severity.PINNED: "a guest can bring the load to fail, and so pins itself to its host",
    Severity.REFUSAL: "a load fails that does not fail today",
    Severity.INVARIANT: "a rule is broken; nothing that came of it was seen",
    Severity.COST: "more work than there should be",
}
"""What each severity means."""

_IS: Final = re.compile(r"(?P<what>.+) is (?P<now>.+), (?P<was>.+) in the reference")
_INSTEAD: Final = re.compile(r"((?: is | are )[^,]+), ([^,]+) in the reference$")
_PAIRING: Final = {
    "commit-without-begin": "memory_region_transaction_commit() without memory_region_transaction_begin()",
    "commit-without-lock": "memory_region_transaction_commit() without the BQL",
    "transaction-left-open": "the load leaves a memory transaction open",
    "recursion-without-end": "memory_region_transaction_commit() asks for a flat view, which commits, without end",
}
_NUMBERS: Final = {
    "num": "size",
    "last_avail": "last_avail_idx",
    "shadow_avail": "shadow_avail_idx",
    "used": "used_idx",
}
_ENDS: Final = {
    "accepted->refused": "a stream that loads today fails",
    "accepted->aborted": "QEMU dies of a stream that loads today",
    "accepted->hung": "QEMU hangs on a stream that loads today",
    "accepted->waiting": "the load of a stream that loads today never ends",
    "refused->accepted": "a stream that must be refused is accepted",
    "refused->aborted": "QEMU dies of a stream that it should refuse",
    "refused->hung": "QEMU hangs on a stream that it should refuse",
    "refused->refused": "the load fails elsewhere than today",
    "aborted->accepted": "a stream is accepted of which QEMU dies today",
    "aborted->refused": "a stream is refused of which QEMU dies today",
    "aborted->aborted": "QEMU dies of a stream elsewhere than today",
}


VERBS: Final = {
    "accepted": "accepts",
    "refused": "refuses",
    "aborted": "dies of",
    "hung": "hangs on",
    "waiting": "goes on waiting for more of",
}
"""What a program does with a stream, by the verdict."""


def title_of(finding: Finding, reference: Outcome, outcome: Outcome) -> str:
    """A line that says what goes wrong, and where."""
    stage, oracle = without_stage(finding.cause.oracle)
    if not stage:
        return _title(finding, reference, outcome)
    text = finding.text.removeprefix(f"{stage}: ")
    later = replace(finding, cause=replace(finding.cause, oracle=oracle), text=text)
    return f"{_title(later, reference, outcome).replace(' after the load', '')}, {STAGES[stage]}"


def _title(finding: Finding, reference: Outcome, outcome: Outcome) -> str:
    cause = finding.cause
    match cause.oracle:
        case "device-state":
            return f"{cause.device}: {_state(cause.reader, derived(finding))}"
        case "verdict":
            return _verdict(finding, reference, outcome)
        case "layout" if cause.reader == "flat-view":
            space = finding.text.partition(" ends with")[0]
            return f"the flat view of {space} differs after the load{_instead(cause.change)}"
        case "listener-trace" if cause.change == "flapped":
            return f"memory listeners of {cause.device} lose ranges and get them back"
        case "listener-trace" if cause.reader == "replay":
            return f"memory listeners of {cause.device} were not told of changes"
        case "listener-trace":
            return f"memory listeners of {cause.device} end with another map"
        case "flat-view-while-pending":
            return f"{_where(cause)}{_who(cause)} uses a flat view from before pending changes{_seen(finding)}"
        case "guard" if cause.change.startswith("missed-"):
            return f"{_where(cause)}{_who(cause)} gets an old flat view past the guard{_seen(finding)}"
        case "guard":
            return f"{_where(cause)}the guard of flat views stops {_who(cause)}, which sees what is right"
        case "pairing":
            return _PAIRING.get(cause.change, finding.text)
        case "lock":
            return f"{_where(cause)}the BQL is released with memory changes pending"
        case "run-state":
            return f"{finding.text}"
        case "exception":
            return f"the code under test raises {cause.change} in {cause.reader}"
        case _:
            return finding.text


def _where(cause: Cause) -> str:
    return f"{cause.device}: " if cause.device != "stream" else ""


def _who(cause: Cause) -> str:
    """A function of QEMU's, or another thread, by its actor's name."""
    return f"a thread (`{cause.reader}`)" if cause.reader in ACTORS else f"{cause.reader}()"


def title_of_program(finding: Finding) -> str:
    """The same for a finding that a program of calls shows."""
    cause = finding.cause
    match cause.oracle:
        case "pairing":
            return _PAIRING.get(cause.change, finding.text)
        case "flat-view-while-pending":
            return f"{cause.reader}() gets a flat view from before pending changes"
        case "guard" if cause.change.startswith("missed-"):
            return f"the guard misses a wrong {cause.reader}() after {_verb(cause.change)}"
        case "guard":
            return f"the guard stops a {cause.reader}() that sees what is right, after {_verb(cause.change)}"
        case "invariant":
            return f"the memory core breaks {cause.change}"
        case "layout" | "device-state":
            return finding.text
        case _:
            return finding.text


def _verb(change: str) -> str:
    return change.rpartition("after-")[2].replace("several", "several kinds of changes")


def derived(finding: Finding) -> str:
    """What a device ended with, without the device's name."""
    return finding.text.partition(": ")[2] if ": " in finding.text else finding.text


def _instead(change: str) -> str:
    """What stands in a layout for what, by the change of its cause."""
    old, _, new = (names.replace("+", ", ") for names in change.partition("->"))
    if not new:
        return ""
    return f": {old} elsewhere" if old == new else f": {new} instead of {old}"


def _seen(finding: Finding) -> str:
    """What the old view shows and a fresh one does not, behind a harmful read's text."""
    what = finding.text.rpartition("while pending: ")[2].partition(": ")[2]
    return f" ({what})" if what and len(what) < 60 else ""


def _state(what: str, text: str) -> str:
    match what:
        case "broken":
            return "marked broken by a load that goes well today"
        case "not-broken":
            return "left working by a load that marks it broken today"
        case "no-caches":
            return "a virtqueue is left without its ring caches"
        case "caches":
            return "ring caches of a virtqueue map other memory"
    found = _IS.fullmatch(text)
    if found is None:
        return text
    name = " ".join(_NUMBERS.get(word, word) for word in found["what"].split())
    return f"{name} is {found['now']} after the load, not {found['was']}"


def _verdict(finding: Finding, reference: Outcome, outcome: Outcome) -> str:
    cause = finding.cause
    what = _ENDS.get(cause.change, f"the load ends otherwise than today ({cause.change})")
    worse = outcome if outcome.verdict != "accepted" else reference
    errors = worse.at.errors if worse.at is not None else ()
    return f"{_where(cause)}{what}" + (f' ("{errors[0]}")' if errors else "")


def sentence(finding: Finding, reference: str) -> str:
    """A finding's line for who does not know what "the reference" is."""
    said = plain(finding.text, reference)
    stage, oracle = without_stage(finding.cause.oracle)
    if stage:
        said = f"{STAGES[stage]}: {said.removeprefix(f'{stage}: ')}"
    return f"memory listeners: {said}" if oracle == "listener-trace" else said


def plain(text: str, reference: str) -> str:
    """What a device ended with, and what instead of."""
    return _INSTEAD.sub(r"\1, not \2", text).replace("in the reference", f"under {reference}")
