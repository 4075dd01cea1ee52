"""A campaign on a terminal: header, workers, causes per design, arms, the latest causes, what another hour brings.

It is made for the height and width that there are. The parts share the lines (`part.share`); one that has to leave rows
out says so in its last line, and one that would get too few is not shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from fuzz.campaign.estimate import HOUR
from fuzz.campaign.figures import GOING, epoch
from fuzz.report.causes import rank
from fuzz.report.part import DIM, HEAD, Column, Part, Row, share
from fuzz.report.words import ago, alike, count, long, outlook, told
from model.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from fuzz.campaign.figures import Figures, Known
    from fuzz.campaign.stats import Stats

AIRY: Final = 34
"""Lines of a terminal that has room for empty ones between the parts."""
WIDE: Final = 150
"""Columns of one where designs and arms stand side by side."""
FRESH: Final = 60.0
"""Seconds for which a cause is shown as new."""
LATEST: Final = 20
"""Causes told, at most."""
TROUBLES: Final = 3
"""Workers whose trouble is told in full, at most."""


@dataclass(frozen=True, slots=True)
class About:
    """What of a campaign does not change while it is looked at."""

    path: str
    what: str
    """What it does there."""
    designs: tuple[str, ...] = ()
    """Names of designs that have a row also without causes."""
    hint: str = ""
    """The last line."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is looked at."""

    elapsed: float
    """Seconds since the start."""
    clock: float
    """Seconds since 1970."""


PARTS: Final = ("workers", "designs", "latest", "arms")


def screen(
    about: About, now: Figures, at: Moment, height: int | None, width: int, names: Sequence[str] = PARTS
) -> RenderableType:
    """The campaign in at most `height` lines, if it is not None, of `width` columns; `names` of the parts shown."""
    parts = {
        "workers": _workers(now, at),
        "designs": _designs(about, now, at),
        "latest": _latest(now, at),
        "arms": _arms(now),
    }
    parts = {name: part for name, part in parts.items() if part.rows and name in names}
    above = [_cut(f"{_end(about.path, width // 3)}  {long(at.elapsed)}  {about.what}", HEAD)]
    troubled = [f"{one.worker}: {one.trouble}" for one in now.workers if one.trouble]
    above += [_cut(trouble, "yellow") for trouble in troubled[:TROUBLES]]
    seconds = min(at.elapsed, HOUR)
    # What the last hour brought is a question to those who are at work.
    recent = now.recent(at.clock, seconds) if any(one.state in GOING for one in now.workers) else None
    sentence = outlook(now.estimate, recent, seconds)
    below = [Text(line) for line in wrap(sentence, max(20, width))]
    if about.hint:
        below.append(_cut(about.hint, DIM))
    if height is not None:
        below = below[: max(0, height - len(above))]
    beside = width >= WIDE and {"designs", "arms"} <= parts.keys()
    wanted = {name: part.wanted for name, part in parts.items()}
    if beside:
        wanted["designs"] = max(wanted["designs"], wanted.pop("arms"))
    airy = height is None or height >= AIRY
    lines = sum(wanted.values())
    if height is not None:
        lines = max(0, height - len(above) - len(below) - (len(wanted) + 1 if airy else 0))
    given = share(lines, wanted, {name: part.least for name, part in parts.items()})
    if beside:
        given["arms"] = given["designs"]
    gap = [Text("")] if airy else []
    shown: list[RenderableType] = [*above]
    for name in wanted:
        if not given[name]:
            continue
        table = parts[name].table(given[name], width)
        if name == "designs" and beside:
            table = _side_by_side(table, parts["arms"].table(given["arms"], width // 2))
        shown += [*gap, table]
    return Group(*shown, *gap, *below)


def _workers(now: Figures, at: Moment) -> Part:
    mapped = "features" if any(one.features for one in now.workers) else "situations"
    columns = (
        Column("worker", "left"),
        Column("executions"),
        Column("per s"),
        Column("corpus", drop=2),
        Column(mapped),
        Column("code", drop=3),
        Column("last entry", drop=9),
        Column("memory", drop=4),
        Column("state", "left", rest=True),
    )

    def row(one: Stats) -> Row:
        shared = one.features if mapped == "features" else one.situations
        rate = f"{one.rate:.0f}" if one.state in GOING else "-"
        numbers = (count(one.executions), rate, count(one.corpus), count(shared), _share(one.lit, one.probes))
        newest = ago(epoch(one.newest), at.clock) if one.newest else "-"
        return one.worker, *numbers, newest, _memory(one.rss), _state(one)

    total: Row | None = None
    if len(now.workers) > 1:
        shared = now.features if mapped == "features" else now.situations
        code = _share(now.lit, now.probes)
        rate = f"{now.rate:.0f}" if now.rate else "-"
        numbers = (count(now.executions), rate, count(now.corpus), count(shared), code)
        cells = ("together", *numbers, "", _memory(now.rss), "")
        total = tuple(Text(cell, HEAD) for cell in cells)
    troubled = sorted(now.workers, key=lambda one: (not one.trouble, one.state in GOING, one.worker))
    rows = [row(one) for one in now.workers]
    return Part(columns, rows, [row(one) for one in troubled], "workers", 2, total)


def _state(one: Stats) -> Text:
    """What is the matter with a worker, if anything is."""
    words = ["trouble" if one.trouble else one.state]
    if one.hangs:
        words.append(f"{one.hangs} hangs")
    if one.deaths:
        words.append(f"{one.deaths} deaths")
    well = not one.trouble and one.state in GOING
    return Text(", ".join(words), "" if well else "yellow")


def _designs(about: About, now: Figures, at: Moment) -> Part:
    columns = (
        Column("design", "left"),
        Column("causes"),
        Column("worst of them", "left", drop=1),
        Column("last new", "right"),
        Column("executions since", drop=2),
    )

    def row(design: str, causes: tuple[Known, ...]) -> Row:
        if not causes:
            return design, "0", "", "", ""
        ranks = [rank(known.record) for known in causes]
        worst = min(ranks)
        newest = causes[0]
        fresh = newest.when is not None and at.clock - newest.when < FRESH
        return (
            design,
            count(len(causes)),
            Text(f"{ranks.count(worst)} {worst}", _look(worst)),
            Text(ago(newest.when, at.clock), "green" if fresh else ""),
            "" if newest.since is None else count(newest.since),
        )

    found = now.by_design(about.designs)
    by_news = sorted(found.items(), key=lambda pair: (not pair[1], -(pair[1][0].when or 0.0) if pair[1] else 0.0))
    rows, first = ([row(*pair) for pair in pairs] for pairs in (found.items(), by_news))
    return Part(columns, rows, first, "designs", 3)


def _latest(now: Figures, at: Moment) -> Part:
    rows: list[Row] = []
    for together in alike(now.causes)[:LATEST]:
        newest = together[0]
        designs = newest.record.design if len(together) == 1 else f"{len(together)} designs"
        rows.append((ago(newest.when, at.clock), designs, Text(told(together))))
    columns = (Column("latest", "left"), Column("under", "left", drop=1), Column("cause", "left", rest=True))
    return Part(columns, rows, rows, "", 2)


def _arms(now: Figures) -> Part:
    columns = (
        Column("mutator arm", "left"),
        Column("executions"),
        Column("corpus entries", drop=1),
        Column("per 1,000"),
        Column("weight", drop=2),
        Column("causes"),
    )
    rows = [
        (
            arm.name,
            count(arm.executions),
            count(arm.entries),
            f"{arm.per_thousand:.1f}",
            "" if arm.weight is None else f"{arm.weight:.1f}",
            count(arm.causes),
        )
        for arm in now.arms
        if arm.executions
    ]
    return Part(columns, rows, rows, "arms", 3)


def _look(severity: Severity) -> str:
    """Colours are for what is worst only."""
    return "red" if severity <= Severity.WRONG_STATE else ""


def _memory(bytes_: int) -> str:
    return f"{bytes_ >> 20} MiB" if bytes_ else "-"


def _end(path: str, most: int) -> str:
    """The end of a long path, which says more than its beginning."""
    return path if len(path) <= most else f"...{path[3 - most :]}" if most > 3 else path[-most:]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def _cut(text: str, style: str) -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _side_by_side(left: Table, right: Table) -> Table:
    table = Table.grid(padding=(0, 4, 0, 0))
    table.add_row(left, right)
    return table
