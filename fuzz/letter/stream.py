"""A letter about a stream: loaded under every design, and the worst that one of them does with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.letter.again import again_part
from fuzz.letter.attachment import attachment_part
from fuzz.letter.contents import stream_part
from fuzz.letter.design import design_part, gist
from fuzz.letter.layouts import layout_part
from fuzz.letter.letter import Letter, Part, escaped
from fuzz.letter.others import others_part
from fuzz.letter.story import ending, stories_of, story_part
from fuzz.letter.words import RANKS, VERBS, sentence, title_of
from model import REFERENCE
from model.severity import without_stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.letter.case import Case
    from model import Finding

ABOUT: Final = (
    "vmfuzz loads migration streams into a model of QEMU's memory API, its PCI devices and its migration loader, once "
    "for each way of placing memory transactions in the load, and compares what comes of it. The model is held against "
    "a real QEMU of the version named above."
)

_HOW: Final = {
    False: "as an incoming migration",
    True: "as a snapshot (`loadvm`), whose failure does not end the process; then come a `system_reset`, the snapshot "
    "once more and, if it failed, a good one",
}


def stream_letter(case: Case, more: Sequence[Part] = ()) -> Letter:
    """The letter, with the parts `more` before the file."""
    stories = stories_of(case.finding, case.findings)
    parts = (
        story_part(case.finding, case.findings, case.reference, case.outcome, case.schedule),
        layout_part(stories, case.reference, case.outcome, survives=case.loadvm),
        design_part(case.design, REFERENCE),
        others_part(case.loaded),
        stream_part(case),
        *more,
        again_part(case),
        attachment_part(case.subject.name, case.data, case.subject.shipped),
    )
    finding, severity = case.finding, case.finding.severity
    facts = {
        "severity": f"{severity}: {RANKS[severity]}",
        "design": f"`{case.design.name}`" + (f": {gist(case.design)}" if gist(case.design) else ""),
        "machine": f"`{case.description.machine}`"
        + (f", QEMU {case.description.qemu}" if case.description.qemu else ""),
        "loaded": _HOW[case.loadvm],
    }
    facts["work"] = _work(case)
    if case.outcome.guest_can_cause is not None:
        can = "what the guest wrote alone can bring it about" if case.outcome.guest_can_cause else "no"
        facts["can a guest cause the refusal"] = can
    if case.outcome.not_modelled:
        facts["not modelled"] = escaped("; ".join(case.outcome.not_modelled))
    facts |= {"cause": f"`{finding.cause}`", "kind": finding.kind}
    values = {
        "target": "stream",
        "kind": finding.kind,
        "severity": str(severity),
        "cause": str(finding.cause),
        "verdicts": {one.outcome.design: one.outcome.verdict for one in case.loaded},
        "loadvm": case.loadvm,
    }
    title = f"[{case.design.name}] {title_of(finding, case.reference, case.outcome)}"
    return Letter(title, _summary(case), ABOUT, facts, parts, values)


def _summary(case: Case) -> str:
    """What, where and why in a paragraph."""
    reference, outcome, finding = case.reference, case.outcome, case.finding
    today, name = f"QEMU as it is (`{REFERENCE.name}`)", f"`{case.design.name}`"
    how = "snapshot" if case.loadvm else "migration stream"
    stream = f"a {how} of {len(case.data)} bytes for a `{case.description.machine}` machine"
    said = f"{today} {VERBS[reference.verdict]} {stream}."
    if case.design is not REFERENCE:
        too = "does so too, and ends otherwise" if _parts(case.findings) else "does so too"
        does = too if reference.verdict == outcome.verdict else f"{VERBS[outcome.verdict]} it"
        said += f" A QEMU that loads the way of {name} {does}."
    if without_stage(finding.cause.oracle)[1] == "verdict":
        worse = outcome if outcome.verdict != "accepted" else reference
        if worse.at is not None:
            said += escaped(f" {ending(worse)}")
    else:
        said += escaped(f" What is wrong: {sentence(finding, REFERENCE.name).rstrip('.')}.")
    stories = [story for story in stories_of(finding, case.findings) if story.unseen]
    if stories and finding.story is None:
        story = stories[0]
        readers = {one.cause.reader for one in case.findings}
        reader = next((one for one in story.path if one in readers), story.path[0])
        said += escaped(
            f" While {story.section or 'nothing'} was loaded, {reader} used a flat view of {story.space} that did not "
            f"show yet: {story.unseen[-1]}."
        )
    return said


def _work(case: Case) -> str:
    """Commits that made views, those that a design forced, and uses of views meanwhile."""
    reference, outcome = case.reference, case.outcome
    pending, harmful = (sum(n for _, n in told) for told in (outcome.reads_while_pending, outcome.harmful_reads))
    said = f"flat views are rebuilt in {_count(outcome.rebuilds, 'commit')}"
    if case.design is not REFERENCE:
        said += f", {reference.rebuilds} under `{REFERENCE.name}`"
    if outcome.forced_commits:
        said += f"; {_count(outcome.forced_commits, 'commit')} on behalf of who asks for a view"
    said += f"; {_count(pending, 'use')} of a view while changes are pending"
    return f"{said}, {harmful} of them wrong" if pending else said


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _parts(findings: Sequence[Finding]) -> bool:
    """Whether something ends otherwise, which a wrong read or a lock let go of alone does not say."""
    return any(one.cause.oracle not in {"flat-view-while-pending", "guard", "lock", "cost"} for one in findings)
