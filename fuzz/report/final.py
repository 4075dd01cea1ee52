"""What a campaign says at its end: the findings, grouped, and a table design x kind."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE
from rich.table import Table

from fuzz.campaign.stats import all_stats
from fuzz.report.aside import known_in
from fuzz.report.causes import clock, counted, groups, rank, show_command

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from fuzz.campaign.findings import Record
    from fuzz.campaign.folder import Campaign
    from fuzz.campaign.stats import Stats
    from fuzz.report.aside import Aside

COLUMNS: Final = {"ends": "divergence", "reads": "harmful read", "guard": "guard"}
"""Kinds of findings that have a column."""


def final_report(campaign: Campaign, console: Console, most: int | None = None, aside: Aside | None = None) -> int:
    """Print the findings (the `most` first groups), then the table design x kind; returns how many causes count.

    Those set `aside` come last, as their number; by default the campaign's own file says which these are.
    """
    plain: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}
    counts = counted(campaign)
    totals(campaign, console)
    if aside is None:
        aside, wrong = known_in(campaign)
        if wrong:
            console.print(wrong, **plain)
    every = groups(campaign)
    grouped = [left for found in every if (left := [pair for pair in found if pair[1].cause not in aside])]
    number = sum(map(len, every)) - sum(map(len, grouped))
    if grouped:
        _show_groups(campaign, console, grouped, most, counts)
    else:
        console.print("No new findings." if number else "No findings.")
    if number:
        console.print(aside.line(number), **plain)
    return sum(map(len, every if aside.only_shown else grouped))


def _show_groups(
    campaign: Campaign,
    console: Console,
    grouped: list[list[tuple[Path, Record]]],
    most: int | None,
    counts: dict[str, int],
) -> None:
    """The first groups, and a table of all."""
    for found in grouped[:most]:
        _show_group(campaign, console, found, counts)
    left = len(grouped) - len(grouped[:most])
    if left:
        more = f"\n... and {left} more, less severe: vmfuzz status {shlex.quote(str(campaign.path))}"
        console.print(more, markup=False, highlight=False, soft_wrap=True)
    console.print()
    console.print(_by_design([record for found in grouped for _place, record in found]))


def _show_group(campaign: Campaign, console: Console, found: list[tuple[Path, Record]], counts: dict[str, int]) -> None:
    """One cause under all designs that show it, with the command for its smallest witness."""
    plain: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}
    _place, record = min(found, key=lambda pair: (pair[1].size, pair[1].cause))
    times = sum(max(1, counts.get(one.cause, 0)) for _place, one in found)
    console.print(f"\n[{rank(found[0][1])}] {record.kind}: {record.text}", **plain)
    cause = record.cause if len(found) == 1 else f"<design>/{record.cause.partition('/')[2]}"
    first = min(one.first for _place, one in found)
    console.print(f"  {cause}  ({times} times, first {first}, {record.size} bytes)", **plain)
    if len(found) > 1:
        console.print(f"  under {', '.join(one.design for _place, one in found)}", **plain)
    if record.schedule:
        console.print(f"  while {'; '.join(record.schedule)}", **plain)
    console.print(f"  {show_command(campaign, record)}", **plain)


def _by_design(found: list[Record]) -> Table:
    """How many causes every design has, by kind (`ends`: ends otherwise), the worst, and the smallest witness."""
    table = Table(title="Causes by design", title_justify="left", box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("design", no_wrap=True)
    table.add_column("worst", no_wrap=True)
    for name in (*COLUMNS, "other", "bytes"):
        table.add_column(name, justify="right", no_wrap=True)
    for design in sorted({record.design for record in found}):
        own = [record for record in found if record.design == design]
        numbers = [sum(record.kind == kind for record in own) for kind in COLUMNS.values()]
        numbers.append(len(own) - sum(numbers))
        shown = (str(number) if number else "" for number in numbers)
        table.add_row(design, str(min(map(rank, own))), *shown, str(min(record.size for record in own)))
    return table


def totals(campaign: Campaign, console: Console) -> None:
    """A line per worker: what it did over all its runs."""
    for one in all_stats(campaign):
        console.print(worker_line(one), markup=False, highlight=False, soft_wrap=True)


def worker_line(one: Stats) -> str:
    """One worker in one line."""
    average = one.executions / one.seconds if one.seconds else 0.0
    line = (
        f"{one.worker}: {one.executions} executions in {clock(one.seconds)} ({average:.0f}/s), "
        f"corpus {one.corpus}, {len(one.findings)} causes, {one.state.split(':')[0]}"
    )
    return f"{line}, {one.deaths} deaths" if one.deaths else line
