"""Two outcomes of one stream, and how they differ: the divergence oracle.

The reference is the outcome under `per-device`. Layouts, what listeners were told and derived device state are compared
where both designs accept the stream, since in a failed incoming migration the process ends and nothing is left to
compare; verdicts are compared always (DESIGN.md, Contracts).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from model.layouts import apart, kinds, ranges, space_kind
from model.outcome import Cause, DeviceState, Finding, Layout, Outcome
from model.severity import PINNED_KIND, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.outcome import QueueState


_BY_ITSELF: Final[dict[Severity | None, str]] = {
    Severity.MEMORY_CORRUPTION: "bytes written where the guest has other memory",
    Severity.WRONG_STATE: "wrong bytes for whoever read them",
}
"""What a harmful use comes to whatever follows, by the rank that it has of itself."""

_WHILE_PENDING: Final = "flat-view-while-pending"
_INDEX: Final = re.compile(r"\[\d+\]")


def compare(reference: Outcome, candidate: Outcome, *, survives_failure: bool = False) -> tuple[Finding, ...]:
    """Findings of `candidate` against `reference`, sorted, without duplicates of a cause.

    `survives_failure` is true for a snapshot load, after which the process lives on: then layouts are compared after a
    failed load too. Both outcomes must come from the same machine and the same stream.
    """
    found: dict[Cause, Finding] = {}
    for finding in _differences(reference, candidate, survives_failure):
        found.setdefault(finding.cause, finding)
    return tuple(sorted(found.values()))


def judge(reference: Outcome, candidate: Outcome, *, survives_failure: bool = False) -> tuple[Finding, ...]:
    """All that is wrong with `candidate`: its own findings that the reference does not share, and the divergences.

    Where QEMU as it is dies of the same thing, a design is not to blame for it.
    """
    shared = {_without_design(finding.cause) for finding in reference.findings}
    own = tuple(finding for finding in candidate.findings if _without_design(finding.cause) not in shared)
    against = compare(reference, candidate, survives_failure=survives_failure)
    if candidate.verdict == "aborted" and any(finding.cause.oracle == "pairing" for finding in own):
        against = tuple(finding for finding in against if finding.cause.oracle != "verdict")  # it died of just that
    if candidate.harmful_reads:
        seen = "nothing that shows at the end"
        if candidate.verdict != "accepted" or reference.verdict != "accepted":
            seen = "nothing that shows, in a load that is not accepted"
        readers = {finding.cause.device for finding in own if finding.cause.oracle == _WHILE_PENDING}
        own = tuple(_with_consequences(finding, against, readers, seen) for finding in own)
    return (*own, *against)


def _with_consequences(finding: Finding, against: tuple[Finding, ...], readers: set[str], nothing: str) -> Finding:
    """A harmful read with what it may have led to.

    That is what the same kind of device derived or said, if anything; else what differs without any harmful read of
    its own: an address space, or a device behind which others read.
    """
    if finding.cause.oracle != _WHILE_PENDING:
        return finding
    section = finding.story.section if finding.story is not None else ""
    own = {"verdict", "device-state"}
    led_to = [one for one in against if one.cause.oracle in own and one.cause.device == finding.cause.device]
    if not led_to:
        led_to = [one for one in against if one.cause.oracle in {"layout", *own} and one.cause.device not in readers]
    rank = min((other.severity for other in led_to), default=Severity.INVARIANT)
    if finding.rank is not None:
        rank = min(rank, finding.rank)
    story = finding.story
    if story is not None:
        lines = tuple(other.text.removeprefix(f"{section}: ") for other in led_to)
        story = replace(story, led_to=lines or (_BY_ITSELF.get(finding.rank, nothing),))
    return replace(finding, rank=rank, story=story)


def _without_design(cause: Cause) -> tuple[str, ...]:
    return (cause.oracle, cause.reader, cause.change, cause.device)


def _differences(reference: Outcome, candidate: Outcome, survives_failure: bool) -> Iterator[Finding]:
    if _verdict(reference) != _verdict(candidate):
        yield _verdict_differs(reference, candidate)
    both_accept = reference.verdict == candidate.verdict == "accepted"
    both_refuse = reference.verdict == candidate.verdict == "refused"
    if both_accept or (survives_failure and both_refuse):
        yield from _layouts(candidate.design, "layout", reference.layout, candidate.layout)
        yield from _layouts(candidate.design, "listener-trace", reference.told, candidate.told)
    if both_accept:
        yield from _flapping(reference, candidate)
        yield from _devices(candidate.design, reference.devices, candidate.devices)
        if reference.run_state != candidate.run_state:
            text = f"the run state is {candidate.run_state!r}, {reference.run_state!r} under {reference.design}"
            yield Finding("divergence", Cause(candidate.design, "run-state", "loader", "run-state", "machine"), text)
    yield from _asked(reference, candidate)


def _asked(reference: Outcome, candidate: Outcome) -> Iterator[Finding]:
    """The first page that a source is asked for otherwise; one that died early is not blamed for asking less."""
    theirs: list[tuple[str, int] | None] = [*reference.asked]
    ours: list[tuple[str, int] | None] = [*candidate.asked]
    if reference.verdict == candidate.verdict == "accepted":
        theirs, ours = [*theirs, None], [*ours, None]
    for number, (expected, found) in enumerate(zip(theirs, ours, strict=False)):
        if expected != found:
            text = f"request {number} is for {_page(found)}, {_page(expected)} under {reference.design}"
            cause = Cause(candidate.design, "device-state", "return-path", "other-page-asked-for", "ram")
            yield Finding("divergence", cause, text)
            return


def _page(asked: tuple[str, int] | None) -> str:
    return "nothing" if asked is None else f"{asked[0]} {asked[1]:#x}"


def _verdict(outcome: Outcome) -> tuple[object, ...]:
    at = outcome.at
    return (outcome.verdict, at and (at.offset, at.section, at.instance, at.field))


def _verdict_differs(reference: Outcome, candidate: Outcome) -> Finding:
    at = candidate.at or reference.at
    place = "nowhere"
    if at is not None:
        place = f"{at.section or 'the stream'}{' ' + at.field if at.field else ''} at {at.offset:#x}"
    reason = at.errors[0] if at is not None and at.errors else "no message"
    change = f"{reference.verdict}->{candidate.verdict}"
    text = f"{candidate.verdict} where {reference.design} says {reference.verdict}: {place}: {reason}"
    pins = candidate.verdict == "refused" and reference.verdict != "refused" and candidate.guest_can_cause is True
    if pins:
        text += "; a guest can cause this refusal and so pin itself to its host"
    return Finding(
        PINNED_KIND if pins else "divergence",
        Cause(candidate.design, "verdict", "loader", change, at.kind if at is not None else "stream"),
        text,
        story=candidate.fatal,
    )


def _layouts(design: str, oracle: str, reference: Layout, candidate: Layout) -> Iterator[Finding]:
    for (space, old), (_, new) in zip(reference, candidate, strict=True):
        if old is new or old == new:
            continue
        only_new, only_old = apart(old, new)
        text = f"{space} ends with {ranges(only_new)} instead of {ranges(only_old)}"
        change = f"{kinds(only_old)}->{kinds(only_new)}"
        yield Finding("divergence", Cause(design, oracle, "flat-view", change, space_kind(space)), text)


def _flapping(reference: Outcome, candidate: Outcome) -> Iterator[Finding]:
    """Ranges that listeners lose and get back where the reference leaves them alone."""
    for old, new in zip(reference.heard, candidate.heard, strict=False):
        more, _ = apart(old.flapped, new.flapped)
        if more:
            text = f"{new.space}: taken from listeners and given back, unlike the reference: {ranges(more)}"
            cause = Cause(candidate.design, "listener-trace", "replay", "flapped", space_kind(new.space))
            yield Finding("flapping", cause, text, Severity.INVARIANT)


def _devices(design: str, reference: tuple[DeviceState, ...], candidate: tuple[DeviceState, ...]) -> Iterator[Finding]:
    for old, new in pairs(reference, candidate):
        if old == new:
            continue
        for what, text in _device(old, new):
            yield Finding(
                "divergence",
                Cause(design, "device-state", what, "derived", new.kind),
                f"{new.section}: {text}",
            )


def pairs(
    reference: tuple[DeviceState, ...], candidate: tuple[DeviceState, ...]
) -> Iterator[tuple[DeviceState, DeviceState]]:
    """The same device in both; one that has nothing to tell in one of them is blank there."""
    if [one.section for one in reference] == [one.section for one in candidate]:
        yield from zip(reference, candidate, strict=True)
        return
    olds, news = ({one.section: one for one in devices} for devices in (reference, candidate))
    for section in olds | news:
        old, new = olds.get(section), news.get(section)
        kind = (old or new or DeviceState(section, "")).kind
        yield old or DeviceState(section, kind), new or DeviceState(section, kind)


def _device(old: DeviceState, new: DeviceState) -> Iterator[tuple[str, str]]:
    if old.broken != new.broken:
        yield "broken" if new.broken else "not-broken", f"broken is {new.broken}, {old.broken} in the reference"
    if old.started != new.started:
        yield "started" if new.started else "not-started", f"started is {new.started}, {old.started} in the reference"
    for before, after in queue_pairs(old, new):
        for name in ("num", "last_avail", "shadow_avail", "used", "inuse", "caches"):
            left, right = getattr(before, name), getattr(after, name)
            if left != right:
                yield (
                    "no-caches" if name == "caches" and not right else name,
                    f"queue {after.index} {name} is {right}, {left} in the reference",
                )
    if len(old.queues) != len(new.queues):
        yield "queues", f"{len(new.queues)} queues are set up, {len(old.queues)} in the reference"
    was, now = dict(old.derived), dict(new.derived)
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            text = f"{name} is {now.get(name, 'nothing')}, {was.get(name, 'nothing')} in the reference"
            yield _derived_kind(name), text


def queue_pairs(old: DeviceState, new: DeviceState) -> Iterator[tuple[QueueState, QueueState]]:
    """The queues that both tell of."""
    after = {queue.index: queue for queue in new.queues}
    for queue in old.queues:
        if queue.index in after:
            yield queue, after[queue.index]


def _derived_kind(name: str) -> str:
    """A name of something derived without its numbers: the same for all ports, slots and segments."""
    return _INDEX.sub("[]", name.rstrip(" 0123456789")).replace(" ", "-")
