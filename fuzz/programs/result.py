"""What came of a program under a design, and how two designs end otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from model.outcome import Cause, Finding

if TYPE_CHECKING:
    from fuzz.programs.program import Call

DEVICE: Final = "program"
"""The device kind in causes: nothing but calls."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a program under a design.

    `verdict`: "ended"; "aborted" where the design stopped it; "died" where QEMU asserts of itself. `reads` are uses of
    flat views while changes were pending, `needed` those that the current view would have shown wrong, `harmful` those
    that the view returned did. `forced`: commits that the design forced. `at`: calls, by number, with a harmful use.
    `end`: the views, and the caches that are kept; comparable between runs on one stage. `tree`: regions, and what
    holds them. `calls`: those carried out, with lines for what happened in between.
    """

    design: str
    verdict: str
    findings: tuple[Finding, ...]
    reads: int
    needed: int
    harmful: int
    forced: int
    rebuilds: int
    at: frozenset[int]
    end: tuple[object, ...]
    tree: tuple[tuple[str, str], ...]
    calls: tuple[Call | str, ...]

    @property
    def log(self) -> tuple[str, ...]:
        """A line for each call, and lines for what happened."""
        return tuple(line if isinstance(line, str) else line.text() for line in self.calls)


def ends(reference: Result, candidate: Result, *, reacts: bool) -> tuple[Finding, ...]:
    """How a design ends otherwise than the reference (I23): it dies, or shows other views or caches.

    `reacts`: listeners make calls, which may lead to other views rightly, since commits are heard at other times.
    """
    if reference.verdict == "ended" and candidate.verdict == "died" and not candidate.findings:
        cause = Cause(candidate.design, "verdict", "memory", "ended->died", DEVICE)
        return (Finding("divergence", cause, f"dies where {reference.design} does not: {candidate.log[-1].strip()}"),)
    if reacts or reference.verdict != "ended" or candidate.verdict != "ended" or not reference.end or not candidate.end:
        return ()
    for one, other in zip(reference.end, candidate.end, strict=True):
        if one != other and isinstance(one, tuple):
            what = "cache" if str(one[0]).startswith("cache ") else "flat-view"
            oracle = "device-state" if what == "cache" else "layout"
            cause = Cause(candidate.design, oracle, what, "at-the-end", DEVICE)
            return (Finding("divergence", cause, f"{one[0]} ends otherwise than under {reference.design}"),)
    return ()
