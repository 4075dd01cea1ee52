"""`vmfuzz shrink DIR`: all findings of a campaign, or one, made smaller in place; a table of before and after."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from fuzz.campaign.folder import CampaignError
from fuzz.show.progress import Line
from fuzz.smaller import make_all_smaller, wanted
from fuzz.smaller.finding import GONE, INTERRUPTED, UNUSABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.smaller import Small

_PLAIN: Final[dict[str, Any]] = {"markup": False, "highlight": False, "soft_wrap": True}
_HEADS: Final = ("bytes", "sections", "steps", "executions", "ended", "cause")
"""Of programs, calls stand where sections do."""
_SAID: Final = {"known": "minimal, as known", "budget": "executions spent"}


@dataclass(frozen=True, slots=True)
class ShrinkCampaignOptions:
    """What `vmfuzz shrink DIR` was asked. `executions`: at most, for each finding."""

    folder: Path
    executions: int | None = None
    jobs: int = 1
    as_json: bool = False


def run(options: ShrinkCampaignOptions, console: Console | None = None) -> int:
    """Shrink all and print. Exit status: 0, also when interrupted; 1 some do not show their cause any more, or cannot
    be used; 2 not a campaign.
    """
    console = console or Console(emoji=False)
    try:
        places = wanted(options.folder)
    except CampaignError as error:
        Console(stderr=True, emoji=False).print(f"vmfuzz shrink: {error}", **_PLAIN)
        return 2
    line = Line()
    done: list[Small] = []

    def progress(number: int, executions: int) -> None:
        line(lambda: f"{number} of {len(places)} findings, {executions} executions")

    interrupted = False
    try:
        done.extend(make_all_smaller(places, options.executions, options.jobs, progress))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        line.done()
    done.sort(key=lambda small: places.index(small.place))
    interrupted |= any(small.ended == INTERRUPTED for small in done) or len(done) < len(places)
    if options.as_json:
        print(json.dumps(_to_json(options, places, done, interrupted=interrupted), indent=2))
    else:
        _show(console, places, done, interrupted=interrupted)
    return int(any(small.ended in {GONE, UNUSABLE} for small in done))


def _to_json(
    options: ShrinkCampaignOptions, places: Sequence[Path], done: Sequence[Small], *, interrupted: bool
) -> dict[str, Any]:
    return {
        "folder": str(options.folder),
        "of": len(places),
        "interrupted": interrupted,
        "executions": sum(small.executions for small in done),
        "before": sum(small.before.bytes for small in done),
        "after": sum(small.after.bytes for small in done),
        "findings": [small.to_json() for small in done],
    }


def _show(console: Console, places: Sequence[Path], done: Sequence[Small], *, interrupted: bool) -> None:
    rows = [_HEADS, *(_row(small) for small in done)]
    wide = [max(len(row[at]) for row in rows) for at in range(len(_HEADS) - 1)]
    for row in rows if done else ():
        *cells, ended, cause = row
        numbers = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, wide, strict=False))
        console.print(f"{numbers}  {ended:{wide[-1]}}  {cause}", **_PLAIN)
    for small in done:
        if small.why:
            console.print(f"{small.place}: {small.why}", **_PLAIN)
    before, after = sum(small.before.bytes for small in done), sum(small.after.bytes for small in done)
    number = sum(small.kept for small in done)
    what = f"{number} of {len(places)} findings improved, {before} bytes -> {after}"
    console.print(f"{what}; interrupted" if interrupted else what, **_PLAIN)


def _row(small: Small) -> tuple[str, ...]:
    """The cells of a finding; what it was is told where it has changed."""
    pairs = (
        (small.before.bytes, small.after.bytes),
        (small.before.parts, small.after.parts),
        (small.before.steps, small.after.steps),
    )
    sizes = (f"{old} -> {new}" if old != new else str(new) for old, new in pairs)
    return (*sizes, str(small.executions), _SAID.get(small.ended, small.ended), small.cause)
