"""What a campaign says while it runs: a line, or a table on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from fuzz.campaign.supervisor import all_stats
from fuzz.report.causes import clock, per_design

if TYPE_CHECKING:
    from fuzz.campaign.folder import Campaign


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
