"""What happened, step by step: what was changed and does not show yet, who used the old view, and what followed."""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fuzz.letter.letter import WIDEST, Part, block, escaped, indented, listed, prose
from fuzz.letter.words import derived, plain, sentence
from model.actors import ACTORS
from model.memory import T64
from model.severity import without_stage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from model import Finding, Outcome
    from model.schedule import Schedule
    from model.story import Story

MOST: Final = 2
"""Stories told; of more the number."""
MOST_LINES: Final = 8
"""Lines of QEMU's told, and things that differ."""

NOISE: Final = "Expected vmdescription section"
"""Printed of every stream without a VMDESCRIPTION that is accepted."""

_CHANGE: Final = re.compile(r"(?P<call>.+) by (?P<who>.+?)(?: at (?P<offset>0x[0-9a-f]+))?")

POINTS: Final = {
    "wait": "before record {0}, where the load waits for data and lets go of the BQL",
    "fields": "within a section, at the {1} place where the load may wait for more of it without the BQL",
    "ram": "at the {1} point where RAM sections let go of the BQL",
    "turn": "behind the {1} full section, where a load thread lets go of the BQL",
    "inside": "within the {1} transaction of the load, with the BQL held by the loader",
}


def stories_of(finding: Finding, findings: Sequence[Finding]) -> list[Story]:
    """The uses of a view that are the finding, or that led to it as far as is known; each once."""
    if finding.story is not None:
        return [finding.story]
    uses = [one for one in findings if one.story is not None and one.cause.oracle == "flat-view-while-pending"]
    told = {finding.text, derived(finding)}
    leading = [one for one in uses if one.story is not None and told & set(one.story.led_to)]
    if not leading:
        leading = [one for one in uses if one.cause.device == finding.cause.device]
    found: dict[Story, Story] = {}
    for one in leading:
        if one.story is not None:
            found.setdefault(replace(one.story, led_to=()), one.story)
    return list(found.values())


def story_part(
    finding: Finding, findings: Sequence[Finding], reference: Outcome, outcome: Outcome, schedule: Schedule
) -> Part:
    """The part of the letter."""
    stories = stories_of(finding, findings)
    lines: list[str] = []
    if schedule:
        lines += [*_schedule(schedule, reference, outcome), ""]
    lines += _told(stories[:MOST], reference.design, {one.text for one in findings})
    if len(stories) > MOST:
        lines += [*prose(f"{len(stories) - MOST} more such uses of a view are like these."), ""]
    differences = [one for one in findings if one.cause.oracle != "flat-view-while-pending"]
    lines += _differences(finding, differences, reference, outcome)
    lines += _messages(reference, outcome)
    while lines and not lines[-1]:
        lines.pop()
    value: dict[str, Any] = {
        "stories": [story.to_json() for story in stories],
        "differs": [one.text for one in differences],
        "messages": {one.design: list(one.messages) for one in (reference, outcome)},
        "schedule": schedule.to_json(),
        "acted": [str(one) for one in outcome.acted],
    }
    return Part("story", "What happens", tuple(lines), value)


def _schedule(schedule: Schedule, reference: Outcome, outcome: Outcome) -> Iterator[str]:
    yield from prose("Others act while the stream is loaded:")
    yield ""
    sides = {one.design: {acted.step: acted for acted in one.acted} for one in (reference, outcome)}
    for step in schedule:
        actor = ACTORS.get(step.actor)
        words = POINTS[step.point].format(step.number, _ordinal(step.number + 1))
        who = " ".join((step.actor, *step.arguments))
        text = f"{words}: `{who}`" + (f", {actor.about}" if actor is not None else "")
        came = [
            f"under `{name}` at {acted[step].where}: {acted[step].result}"
            for name, acted in sides.items()
            if step in acted
        ]
        yield from prose(f"{text}. What came of it {', '.join(came)}." if came else f"{text}.", "* ", "  ")


def _ordinal(number: int) -> str:
    last = "th" if 10 < number % 100 < 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"


def _told(stories: Sequence[Story], reference: str, known: Collection[str]) -> Iterator[str]:
    """Stories as one numbered list. What one led to is left out if it is among the texts `known`, told behind them."""
    steps = [step for at, story in enumerate(stories) for step in _steps(story, stories[:at], reference, known)]
    for number, (text, drawn, behind) in enumerate(steps, 1):
        yield from prose(text, f"{number}. ", "   ")
        yield ""
        if drawn:
            yield from indented(block(drawn), "   ")
            yield ""
        if behind:
            yield from prose(behind, "   ", "   ")
            yield ""


def _steps(
    story: Story, told: Sequence[Story], reference: str, known: Collection[str]
) -> Iterator[tuple[str, list[str], str]]:
    """What happens one after the other: a sentence, what is drawn below it, and a sentence below that.

    Changes that were told with an earlier story are not told again.
    """
    again = bool(story.unseen) and story.unseen in [one.unseen for one in told]
    if not again:
        for who, offset, calls in _changes(story.unseen):
            yield _maker(who, offset), calls, ""
    yield _use(story, again=again)
    section = f"{story.section}: "
    led_to = [plain(one, reference) for one in story.led_to if not {one, section + one} & set(known)]
    if led_to:
        yield escaped(f"That led to {'; '.join(led_to)}."), [], ""


def _maker(who: str, offset: str) -> str:
    """Who made changes, and when."""
    if not who:
        return "There are changes that no view shows yet:"
    if who in ACTORS:
        return f"`{who}` acts while the record at {offset} is loaded. It calls" if offset else f"`{who}` calls"
    return f"`{who}`, the record at {offset}, is loaded. It calls" if offset else f"{who[:1].upper()}{who[1:]} calls"


def is_whole(story: Story) -> bool:
    """Whether no bytes were asked for but the view itself, to look at all of it."""
    return not 0 < story.length < T64


def _use(story: Story, *, again: bool) -> tuple[str, list[str], str]:
    """Who uses what of which view, by which calls, and what it shows."""
    last = story.start + story.length - 1
    way = "written" if story.write else "read"
    does = f"are mapped, to be {way}," if story.maps else f"are {way}"
    where = f"{story.start:#x}-{last:#x} of the address space `{story.space}` ({story.length:#x} bytes) {does}"
    if is_whole(story):
        where = f"the flat view of the address space `{story.space}` is asked for"
    section = f"`{story.section}`, the record at {story.offset:#x}," if story.section else "no section"
    pending = "The transaction is still open, so no flat view shows that. " if story.unseen else ""
    pending = "Still no flat view shows that. " if again else pending
    path = textwrap.wrap(" -> ".join(story.path), WIDEST - 7, subsequent_indent="  ", break_on_hyphens=False)
    got, fresh = _at(story.before, story.at), _at(story.after, story.at)
    seen = f"The view that it gets has {got} at {story.at:#x}; one rendered at that moment has {fresh} there."
    if got == fresh:
        seen = "The view that it gets shows the same as one rendered at that moment."
    return f"{pending}While {section} is loaded, {where} by", path, escaped(seen)


def _at(rows: Sequence[tuple[int, int, str, int, bool, str]], address: int) -> str:
    for start, last, name, offset, readonly, _ in rows:
        if start <= address <= last:
            return f"`{name}`+{offset + address - start:#x}{' (read-only)' if readonly else ''}"
    return "nothing"


def _changes(unseen: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Who made changes, the offset of what they loaded, and the calls; those of one maker together."""
    last: tuple[str, str] | None = None
    calls: list[str] = []
    for line in unseen:
        found = _CHANGE.fullmatch(line)
        maker = (found["who"], found["offset"] or "") if found else ("", "")
        if last is not None and maker != last:
            yield (*last, calls)
            calls = []
        last = maker
        calls.append(found["call"] if found else line)
    if last is not None:
        yield (*last, calls)


def _differences(finding: Finding, findings: Sequence[Finding], reference: Outcome, outcome: Outcome) -> Iterator[str]:
    """What is wrong in the end, the finding first."""
    ordered = [finding, *(one for one in findings if one is not finding)]
    told = [one for one in ordered if one in findings]
    if without_stage(finding.cause.oracle)[1] == "verdict":
        told.remove(finding)
        for one in (reference, outcome):
            yield from prose(escaped(ending(one)), "* ", "  ")
        yield ""
    if told:
        yield from prose(f"What is wrong in the end, under `{outcome.design}`:")
        yield ""
        for wrong in told[:MOST_LINES]:
            yield from prose(escaped(sentence(wrong, reference.design)), "* ", "  ")
        if len(told) > MOST_LINES:
            yield f"* and {len(told) - MOST_LINES} more"
        yield ""
    broken = [one.section for one in outcome.devices if one.broken]
    if outcome.verdict == "accepted" != reference.verdict and broken:
        yield from prose(f"Marked broken, in a load that is accepted: {listed([f'`{one}`' for one in broken])}.")
        yield ""


def ending(outcome: Outcome) -> str:
    """How a load ended, and where."""
    said = f"Under `{outcome.design}` the stream is {outcome.verdict}"
    at = outcome.at
    if at is None:
        return f"{said}."
    field = f", field `{at.field}`" if at.field else ""
    section = f" in `{at.section}`{field}" if at.section else ""
    why = f': "{at.errors[0]}".' if at.errors else "."
    return f"{said} at {at.offset:#x}{section}{why}"


def _messages(reference: Outcome, outcome: Outcome) -> Iterator[str]:
    """What the program prints, as far as that differs, or tells why both fail."""
    both = [line for line in outcome.messages if line in reference.messages and outcome.verdict != "accepted"]
    if both:
        yield from _printed("Printed under both:", both)
    for one in (reference, outcome):
        other = reference if one is outcome else outcome
        own = [line for line in one.messages if line not in other.messages and not line.startswith(NOISE)]
        if own:
            yield from _printed(f"Printed under `{one.design}` only:", own)


def _printed(head: str, lines: Sequence[str]) -> Iterator[str]:
    more = [f"... and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    yield from (*prose(head), "", *block([*lines[:MOST_LINES], *more]), "")
