"""What is wrong with a design, in the few words that a row of a table has room for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from model.compare import pairs, queue_pairs
from model.outcome import most_severe
from model.severity import without_stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model import DeviceState, Finding, Outcome

NOTHING = "nothing"
_INDICES = ("last_avail", "shadow_avail", "used", "inuse")
_PAIRING = {
    "commit-without-begin": "commit without begin",
    "commit-without-lock": "commit without the BQL",
    "transaction-left-open": "transaction left open",
    "recursion-without-end": "recursion without end",
}


def what_differs(reference: Outcome | None, outcome: Outcome, findings: Sequence[Finding]) -> str:
    """The worst severity and phrases, the worst first; `nothing` without findings."""
    if not findings:
        return NOTHING
    ordered = most_severe(findings)
    phrases: dict[str, None] = {}
    for finding in ordered:
        if finding.cause.oracle == "device-state" and reference is not None:
            phrases.update(dict.fromkeys(_devices(reference.devices, outcome.devices)))
        else:
            phrases.update(dict.fromkeys(_phrases(finding)))
    missed = sum(1 for one in ordered if one.cause.oracle == "guard" and one.cause.change.startswith("missed-"))
    stopped = sum(1 for one in ordered if one.cause.oracle == "guard") - missed
    if missed:
        phrases[f"guard misses {missed}"] = None
    if stopped:
        phrases[f"guard stops {stopped} benign"] = None
    return f"{ordered[0].severity}: {', '.join(phrases) or 'stale reads, nothing seen of them'}"


def _phrases(finding: Finding) -> Iterator[str]:
    cause = finding.cause
    stage, oracle = without_stage(cause.oracle)
    if stage:
        plain = replace(finding, cause=replace(cause, oracle=oracle))
        yield from (f"{stage}: {phrase}" for phrase in _phrases(plain))
        return
    match oracle:
        case "device-state":
            yield f"{cause.reader} of {cause.device}".replace("-", " ")
        case "verdict":
            where = f" in {cause.device}" if cause.device != "stream" else ""
            before, _, now = cause.change.partition("->")
            word = now if before != now else f"{now} elsewhere"
            yield f"{word}{where}"
        case "layout":
            yield f"layout of {cause.device}"
        case "listener-trace" if cause.change == "flapped":
            yield f"ranges of {cause.device} come and go"
        case "listener-trace":
            yield f"listeners of {cause.device}"
        case "run-state":
            yield "run state"
        case "pairing":
            yield _PAIRING.get(cause.change, cause.change)
        case "exception":
            yield f"the design raises {cause.change}"
        case "flat-view-while-pending" | "guard":
            return
        case _:
            yield f"{oracle} {cause.change}".replace("-", " ")


def _devices(before: tuple[DeviceState, ...], after: tuple[DeviceState, ...]) -> Iterator[str]:
    """Differences of device state, counted."""
    broken = healed = indices = caches = missing = 0
    others: dict[str, int] = {}
    for old, new in pairs(before, after):
        broken += new.broken and not old.broken
        healed += old.broken and not new.broken
        others["started"] = others.get("started", 0) + (old.started != new.started)
        for left, right in queue_pairs(old, new):
            indices += any(getattr(left, name) != getattr(right, name) for name in _INDICES)
            caches += left.caches != right.caches and right.caches != ()
            missing += left.caches != () and right.caches == ()
        others["queues set up"] = others.get("queues set up", 0) + abs(len(old.queues) - len(new.queues))
        was, now = dict(old.derived), dict(new.derived)
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name):
                kind = f"{new.kind} {name.rpartition('.')[2].rstrip(' 0123456789')}"
                others[kind] = others.get(kind, 0) + 1
    if broken:
        yield f"broken {_counted(broken, 'device')}"
    if healed:
        yield f"not broken {_counted(healed, 'device')}"
    if caches:
        yield f"caches elsewhere {_counted(caches, 'queue')}"
    if missing:
        yield f"no caches {_counted(missing, 'queue')}"
    if indices:
        yield f"indices {_counted(indices, 'queue')}"
    for name, count in others.items():
        if count:
            yield name if count == 1 else f"{name} x {count}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
