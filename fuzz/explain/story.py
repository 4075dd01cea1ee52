"""A finding as people read it: the line, its cause, and with a story who read what, which way, and what came of it."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fuzz.explain.drawing import side_by_side
from model.layouts import apart, kinds, space_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from model import Finding, Outcome
    from model.outcome import Layout
    from model.story import Story

WIDTH: Final = 100
_LABEL: Final = 10


def wrapped(text: str, width: int, first: str = "", others: str = "") -> list[str]:
    """A text in lines of at most so many columns, as far as its words allow."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )


def short(finding: Finding, designs: Sequence[str]) -> list[str]:
    """What, and why; with several designs that share it the cause has none in it."""
    _, _, rest = str(finding.cause).partition("/")
    text = f"[{finding.severity}] {finding.kind}: {finding.text}"
    lines = wrapped(text, WIDTH, "", "  ")
    lines.append(f"  cause     {designs[0] if len(designs) == 1 else '<design>'}/{rest}")
    return lines + (_labelled("under", [", ".join(designs)]) if len(designs) > 1 else [])


def whole(
    finding: Finding, designs: Sequence[str], reference: Outcome | None, outcome: Outcome, told: set[Story]
) -> list[str]:
    """With all that is known. A story that is among those `told` is not told again."""
    lines = short(finding, designs)
    if finding.story is not None:
        story = replace(finding.story, led_to=())
        if story in told:
            lines += _labelled("story", ["as told above"]) + _labelled("led to", finding.story.led_to)
        else:
            lines += _story(finding.story)
        told.add(story)
    elif finding.cause.oracle in {"layout", "listener-trace"} and reference is not None:
        lines += _layouts(finding, reference, outcome)
    return lines


def _story(story: Story) -> list[str]:
    last = story.start + story.length - 1
    label = "mapped" if story.maps else "written" if story.write else "read"
    aim = (", to be written" if story.write else ", to be read") if story.maps else ""
    lines = _labelled("path", [" -> ".join(story.path)])
    lines += _labelled(label, [f"{story.space} {story.start:#x}-{last:#x}, {story.length:#x} bytes{aim}"])
    lines += _labelled("loading", [f"{story.section or 'no section'}, the record at {story.offset:#x}"])
    lines += _labelled("not seen", story.unseen)
    lines += _labelled("led to", story.led_to)
    titles = ("the view it got", "a fresh view")
    return [*lines, *side_by_side(story.before, story.after, titles, (story.start, last))]


def _labelled(label: str, texts: Iterable[str]) -> list[str]:
    """Lines behind a label, wrapped, those that follow indented as far."""
    lines: list[str] = []
    for text in texts:
        lines += wrapped(text, WIDTH - 2 - _LABEL)
    return [f"  {label if index == 0 else '':{_LABEL}}{line}" for index, line in enumerate(lines)]


def _layouts(finding: Finding, reference: Outcome, outcome: Outcome) -> list[str]:
    """Final ranges under the reference and under the design, from the first to the last that differ."""
    titles = (f"under {reference.design}", "under the design")
    for which in ("layout", "told"):
        before: Layout = getattr(reference, which)
        after: Layout = getattr(outcome, which)
        for (space, old), (_, new) in zip(before, after, strict=True):
            only_new, only_old = apart(old, new)
            different = [*only_new, *only_old]
            changes = {f"{kinds(only_old)}->{kinds(only_new)}", f"{kinds(only_new)}->{kinds(only_old)}"}
            if different and space_kind(space) == finding.cause.device and finding.cause.change in changes:
                window = min(row[0] for row in different), max(row[1] for row in different)
                return side_by_side(old, new, titles, window=window)
    return []
