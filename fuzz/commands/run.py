"""`vmfuzz run`: designs side by side, live status, at the end a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console

from fuzz.campaign.findings import records
from fuzz.campaign.folder import CampaignError
from fuzz.campaign.stats import all_stats
from fuzz.commands.live import view_of_run
from fuzz.commands.run_asked import as_before, prepare, with_seeded
from fuzz.corpus import CorpusError
from fuzz.designs import UsageError
from fuzz.report import final_report
from fuzz.report.aside import earlier, listed_in
from fuzz.triage.entries import TriageError
from fuzz.work.supervisor import Supervisor

if TYPE_CHECKING:
    from fuzz.commands.run_asked import RunOptions

SHOWN: Final = 12
"""Findings told at the end of a run; `status` tells all."""


def run(options: RunOptions, console: Console | None = None) -> int:
    """Run a campaign. Returns the exit status: 0 nothing found, 1 findings, 2 an option that cannot be used.

    With a baseline only what it does not set aside is a finding; those of earlier runs in the folder count, too.
    """
    complaints = Console(stderr=True, emoji=False)

    def say(line: str) -> None:
        complaints.print(line, markup=False, highlight=False, soft_wrap=True)

    try:
        aside = listed_in(options.baseline) if options.baseline else None
        options = as_before(with_seeded(options))
        limit, specs, campaign = prepare(options, say)
    except (UsageError, CorpusError, CampaignError, TriageError) as error:
        say(f"vmfuzz run: {error}")
        return 2
    console = console or Console(emoji=False)
    machines = ", ".join(dict.fromkeys(spec.machine for spec in specs if spec.machine)) or "none"
    designs = ", ".join(specs[0].designs) or "the reference alone"
    about = f"{campaign.path}: target {options.target}, machines {machines}, designs {designs}, seed {options.seed}"
    view = view_of_run(campaign, specs, console, aside, quiet=options.quiet)
    if not options.quiet:
        console.print(about, markup=False, highlight=False, soft_wrap=True)
        if (starts := campaign.settings().runs) > 1:
            executions = sum(one.executions for one in all_stats(campaign))
            causes = len(records(campaign.findings))
            console.print(
                f"resumed, start {starts}: {executions:,} executions, {causes} causes so far", highlight=False
            )
    if aside is not None and not options.quiet and (line := earlier(campaign, aside)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    with view.live:
        supervisor = Supervisor(campaign, specs, limit, view.show, view.say, jobs=options.jobs)
        reason = supervisor.run()
    view.ended(reason)
    if reason == "signal" and not options.quiet:
        console.print("stopped; everything found is kept", highlight=False)
    found = final_report(campaign, console, SHOWN, aside)
    return 1 if found else 0
