"""What is wrong with a life beyond its load, stage by stage against the same life under the reference design.

A finding of a later stage names it in its oracle: `reset-layout`, `again-verdict`, `resume-device-state`,
`resave-device-state`. So that each fault is told once,

- a stage is silent about what the load showed already, but for `resave`, where it shows that the fault lasts, and for
  the layout after a reset;
- where the loads ended otherwise or elsewhere, later stages are not compared: what follows then follows from that;
- a reset that changes no view, because a transaction was left open, is `reset` itself (stream.md 2.9, row 9); of the
  loads behind it only how they end is compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from model.compare import judge
from model.outcome import Cause, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from model.outcome import Outcome
    from model.session import Stage

ENDS: Final = frozenset({"verdict", "pairing", "exception"})
"""Oracles that say how a load ends."""


def judge_stages(
    reference: Sequence[Stage], candidate: Sequence[Stage], *, loadvm: bool = False
) -> tuple[Finding, ...]:
    """All that is wrong with what `stages_of` gives, the load and the life behind it; first what the load shows.

    A snapshot load whose failure calls exit(1) leaves no layout to anybody: nothing comes behind it.
    """
    survived = loadvm and len(reference) > 1 and len(candidate) > 1
    first = judge(reference[0].outcome, candidate[0].outcome, survives_failure=survived)
    return (*first, *judge_life(reference, candidate))


def judge_life(reference: Sequence[Stage], candidate: Sequence[Stage]) -> tuple[Finding, ...]:
    """What is wrong beyond the load, sorted, without duplicates of a cause."""
    pairs = list(zip(reference, candidate, strict=False))
    if len(pairs) < 2:
        return ()
    found: dict[Cause, Finding] = {}
    load, other = pairs[0][0].outcome, pairs[0][1].outcome
    parted = _end(load) != _end(other)
    seen = {_without_design(finding.cause) for finding in judge(load, other, survives_failure=True)}
    frozen = False
    for old, new in pairs[1:]:
        if old.name == "reset":
            for finding in _frozen((load, old.outcome), (other, new.outcome)):
                frozen = True
                found[finding.cause] = finding
        if parted:
            continue
        for finding in judge(old.outcome, new.outcome, survives_failure=True):
            if _is_news(finding.cause, old.name, seen, frozen=frozen):
                cause = _renamed(finding.cause, old.name)
                text = f"{old.name}: {finding.text}"
                found.setdefault(cause, replace(finding, cause=cause, text=text, rank=finding.severity))
    return tuple(sorted(found.values()))


def _end(outcome: Outcome) -> tuple[object, ...]:
    """How a load ended, and where."""
    at = outcome.at
    return (outcome.verdict, at and (at.offset, at.section, at.instance))


def _is_news(cause: Cause, stage: str, seen: set[tuple[str, ...]], *, frozen: bool) -> bool:
    """Whether a finding of a stage says more than is known."""
    if (cause.oracle, cause.reader) == ("listener-trace", "flat-view"):
        return False  # of what the layout says too
    if stage == "reset":
        return cause.oracle == "layout" or _without_design(cause) not in seen
    if frozen and cause.oracle not in ENDS:
        return False
    return stage == "resave" or _without_design(cause) not in seen


def _renamed(cause: Cause, stage: str) -> Cause:
    """The cause with its stage. A layout after a reset differs or not: what it was before has been told already."""
    change = "differs" if (stage, cause.oracle) == ("reset", "layout") else cause.change
    return replace(cause, oracle=f"{stage}-{cause.oracle}", change=change)


def _without_design(cause: Cause) -> tuple[str, ...]:
    return (cause.oracle, cause.reader, cause.change, cause.device)


def _frozen(reference: tuple[Outcome, Outcome], candidate: tuple[Outcome, Outcome]) -> Iterator[Finding]:
    """The reset changes views, and under the design none. Each pair: before it and after."""
    changed, after = _changed(*reference), candidate[1]
    if not changed or _changed(*candidate) or not after.depth_at_end:
        return
    text = (
        f"system_reset changes the view of no address space, of {changed} under {reference[1].design}: "
        f"{after.depth_at_end} transaction(s) open since the load, and the layout never changes again"
    )
    yield Finding("divergence", Cause(after.design, "reset", "system_reset", "nothing-changes", "machine"), text)


def _changed(before: Outcome, after: Outcome) -> int:
    """How many address spaces show something else."""
    pairs: Iterable[tuple[object, object]] = zip(before.layout, after.layout, strict=True)
    return sum(1 for old, new in pairs if old != new)
