"""The memory maps, side by side: the view that somebody got and a fresh one, and the final ones of two designs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from fuzz.explain.drawing import side_by_side
from fuzz.letter.letter import WIDEST, Part, block, listed, prose
from fuzz.letter.story import MOST, is_whole
from model.layouts import FUNCTION, apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.outcome import Layout, Outcome, Row
    from model.story import Story

MOST_SPACES: Final = 4
"""Drawings of final layouts; of more the names."""

LEGEND: Final = (
    "`use`: what was asked for; `!`: the two differ; `@`: offset in the region; `ro`: read-only; `-`: nothing."
)


def layout_part(stories: Sequence[Story], reference: Outcome, outcome: Outcome, *, survives: bool) -> Part:
    """All that is to be drawn. `survives`: a load that fails leaves a process behind, whose maps may be compared."""
    lines: list[str] = []
    value: dict[str, Any] = {"uses": [], "final": []}
    for story in stories[:MOST]:
        if not story.before and not story.after:
            continue
        last = story.start + story.length - 1
        titles = ("the view that was used", "a fresh one")
        drawn = side_by_side(
            story.before, story.after, titles, None if is_whole(story) else (story.start, last), width=WIDEST
        )
        when = "the whole" if is_whole(story) else f"{story.start:#x}-{last:#x}"
        lines += [*prose(f"`{story.space}`, when {when} was used:"), "", *block(drawn), ""]
        value["uses"].append({"space": story.space, "lines": drawn})
    told, finals = _finals(reference, outcome, survives=survives)
    lines += told
    value["final"] = finals
    if value["uses"] or finals:
        lines += prose(LEGEND)
    while lines and not lines[-1]:
        lines.pop()
    return Part("layout", "The memory map", tuple(lines), value)


def _finals(reference: Outcome, outcome: Outcome, *, survives: bool) -> tuple[list[str], list[dict[str, Any]]]:
    """The final flat views of both, where they differ; spaces that look alike share a drawing."""
    verdicts = {reference.verdict, outcome.verdict}
    if verdicts != {"accepted"} and not (survives and verdicts <= {"accepted", "refused"}):
        line = "The load is not accepted under both, and a process that is gone has no memory map."
        return [*prose(line), ""], []
    shared = _shared(reference.layout, outcome.layout, (f"under {reference.design}", f"under {outcome.design}"))
    what = "at the end of the load"
    if not shared:
        shared = _shared(reference.told, outcome.told, (f"under {reference.design}", f"under {outcome.design}"))
        what = "as listeners believe at the end of the load"
    if not shared:
        line = f"At the end of the load all flat views are the same under `{reference.design}` and `{outcome.design}`."
        return [*prose(line), ""], []
    lines: list[str] = []
    for drawn, spaces in list(shared.values())[:MOST_SPACES]:
        lines += [*prose(f"{_names(spaces)} {what}:"), "", *block(drawn), ""]
    left = [space for _, spaces in list(shared.values())[MOST_SPACES:] for space in spaces]
    if left:
        lines += [*prose(f"More that differ: {_names(left)}."), ""]
    return lines, [{"spaces": spaces, "lines": drawn} for drawn, spaces in shared.values()]


def _names(spaces: Sequence[str]) -> str:
    """Address spaces; of some names there are several."""
    counts = Counter(spaces)
    return listed([f"`{space}`" + (f" ({count} of that name)" if count > 1 else "") for space, count in counts.items()])


def _shared(before: Layout, after: Layout, titles: tuple[str, str]) -> dict[str, tuple[list[str], list[str]]]:
    """Drawings with the address spaces that look so, but for the functions after which regions are called."""
    shared: dict[str, tuple[list[str], list[str]]] = {}
    for (space, old), (_, new) in zip(before, after, strict=True):
        window = _window(old, new)
        if window is not None:
            drawn = side_by_side(old, new, titles, window=window, width=WIDEST)
            shared.setdefault(FUNCTION.sub("", "\n".join(drawn)), (drawn, []))[1].append(space)
    return shared


def _window(old: Sequence[Row], new: Sequence[Row]) -> tuple[int, int] | None:
    """From the first address that differs to the last, and a stretch more on each side."""
    only_new, only_old = apart(old, new)
    different = [*only_new, *only_old]
    if not different:
        return None
    first, last = min(row[0] for row in different), max(row[1] for row in different)
    below = [row[0] for row in (*old, *new) if row[1] < first]
    above = [row[1] for row in (*old, *new) if row[0] > last]
    return max(below, default=first), min(above, default=last)
