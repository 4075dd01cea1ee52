"""What a campaign says: live status, and the table at its end."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE
from rich.table import Table

from fuzz.campaign.findings import WITNESS, cause_id, records
from fuzz.campaign.folder import CampaignError
from fuzz.campaign.supervisor import all_stats
from fuzz.designs import text_for
from fuzz.lives import OPTIONS, lives_of
from model.designs import DESIGNS
from model.outcome import Cause
from model.severity import Severity, severity_of

COLUMNS: Final = {"ends": "divergence", "reads": "harmful read", "guard": "guard"}
"""Kinds of findings that have a column."""

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from fuzz.campaign.findings import Record
    from fuzz.campaign.folder import Campaign
    from fuzz.campaign.stats import Stats


def per_design(campaign: Campaign) -> dict[str, int]:
    """Number of causes found per design, by the findings on disk."""
    counts: dict[str, int] = {}
    for _place, record in records(campaign.findings):
        counts[record.design] = counts.get(record.design, 0) + 1
    return counts


def clock(seconds: float) -> str:
    """Seconds as people read them: 59s, 2m05s, 3h07m."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def status_line(campaign: Campaign, elapsed: float, workers: tuple[str, ...]) -> str:
    """One line of live status: what is running, how fast, what was found."""
    stats = [one for one in all_stats(campaign) if one.worker in workers]
    executions = sum(one.executions for one in stats)
    rate = sum(one.rate for one in stats if one.state == "running")
    corpus = sum(one.corpus for one in stats)
    situations = sum(one.situations for one in stats)
    counts = per_design(campaign)
    found = ", ".join(f"{design} {count}" for design, count in sorted(counts.items())) or "none"
    work = f"{executions} executions  {rate:.0f}/s  corpus {corpus}  situations {situations}"
    line = f"{clock(elapsed):>6}  {work}  findings: {found}"
    trouble = "; ".join(f"{one.worker}: {one.trouble}" for one in stats if one.trouble)
    return f"{line}  [{trouble}]" if trouble else line


def status_table(campaign: Campaign, elapsed: float, workers: tuple[str, ...]) -> Table:
    """The same with a row per worker, for a terminal."""
    table = Table(title=f"{campaign.path}  {clock(elapsed)}", title_justify="left")
    for name in ("worker", "executions", "per second", "corpus", "situations", "causes", "state"):
        table.add_column(name, justify="left" if name in {"worker", "state"} else "right")
    for one in all_stats(campaign):
        if one.worker in workers:
            state = one.trouble or one.state
            table.add_row(
                one.worker,
                str(one.executions),
                f"{one.rate:.0f}",
                str(one.corpus),
                str(one.situations),
                str(len(one.findings)),
                state,
            )
    counts = per_design(campaign)
    table.caption = "findings: " + (", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none")
    return table


def show_command(campaign: Campaign, record: Record) -> str:
    """The command line that shows a finding again."""
    witness = campaign.findings / cause_id(record.cause) / WITNESS
    if record.target == "roundtrip":
        return shlex.join(["vmfuzz", "show", str(witness)])
    design = text_for(record.design, _designs(campaign))
    if record.target == "memory":
        words = ["vmfuzz", "program", str(witness)]
        return shlex.join([*words, "--design", design] if design in DESIGNS or ":" in design else words)
    words = ["vmfuzz", "load", str(witness), "--machine", record.machine, *(["--loadvm"] if record.loadvm else [])]
    words += [OPTIONS[life] for life in lives_of((record.cause,)) if life in OPTIONS]
    return shlex.join([*words, "--design", design] if design != "any" else words)


def _designs(campaign: Campaign) -> tuple[str, ...]:
    """The designs that the campaign was last asked for, as they are typed."""
    try:
        return campaign.settings().designs
    except CampaignError:
        return ()


def rank(record: Record) -> Severity:
    """How bad a finding is: as told with its witness, else by its cause; the least where that says nothing."""
    if record.severity:
        return Severity.parse(record.severity)
    try:
        return severity_of(record.kind, Cause.parse(record.cause))
    except (KeyError, ValueError):
        return Severity.INVARIANT


def counted(campaign: Campaign) -> dict[str, int]:
    """How many executions showed each cause, over all workers and runs."""
    counts: dict[str, int] = {}
    for one in all_stats(campaign):
        for cause, seen in one.findings.items():
            counts[cause] = counts.get(cause, 0) + seen.count
    return counts


def groups(campaign: Campaign) -> list[list[tuple[Path, Record]]]:
    """Findings that differ in nothing but the design, the most severe first, in and among groups."""
    grouped: dict[tuple[str, str], list[tuple[Path, Record]]] = {}
    for place, record in sorted(records(campaign.findings), key=lambda pair: _order(pair[1])):
        grouped.setdefault((record.kind, record.cause.partition("/")[2]), []).append((place, record))
    return list(grouped.values())


def _order(record: Record) -> tuple[object, ...]:
    """The worst first; among equals what a load ends with, then what shows without other threads."""
    return rank(record), record.kind != "divergence", record.schedule is not None, record.cause


def final_report(campaign: Campaign, console: Console, most: int | None = None) -> int:
    """Print the findings (the `most` first groups), then the table design x kind; returns the number of causes."""
    counts = counted(campaign)
    grouped = groups(campaign)
    totals(campaign, console)
    if not grouped:
        console.print("No findings.")
        return 0
    for found in grouped[:most]:
        _show_group(campaign, console, found, counts)
    left = len(grouped) - len(grouped[:most])
    if left:
        more = f"\n... and {left} more, less severe: vmfuzz status {shlex.quote(str(campaign.path))}"
        console.print(more, markup=False, highlight=False, soft_wrap=True)
    console.print()
    console.print(_by_design([record for found in grouped for _place, record in found]))
    return sum(len(found) for found in grouped)


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


def campaign_json(campaign: Campaign) -> dict[str, Any]:
    """The campaign for programs."""
    counts = counted(campaign)
    return {
        "campaign": str(campaign.path),
        "workers": [
            {
                "worker": one.worker,
                "machine": one.machine,
                "target": one.target,
                "executions": one.executions,
                "seconds": one.seconds,
                "rate": one.rate,
                "corpus": one.corpus,
                "situations": one.situations,
                "state": one.state,
                "deaths": one.deaths,
            }
            for one in all_stats(campaign)
        ],
        "findings": [
            {
                "kind": record.kind,
                "severity": str(rank(record)),
                "cause": record.cause,
                "design": record.design,
                "text": record.text,
                "machine": record.machine,
                "count": max(1, counts.get(record.cause, 0)),
                "size": record.size,
                "first": record.first,
                "schedule": record.schedule,
                "witness": str(place / WITNESS),
                "command": show_command(campaign, record),
            }
            for place, record in records(campaign.findings)
        ],
    }
