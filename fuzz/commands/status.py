"""`vmfuzz status`: a campaign while it runs, or later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Console

from fuzz.campaign.folder import Campaign, CampaignError
from fuzz.report import campaign_json, final_report
from fuzz.report.aside import listed_in
from fuzz.triage.entries import TriageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def status(path: Path, console: Console | None = None, *, as_json: bool = False, baseline: Sequence[Path] = ()) -> int:
    """Print what a campaign did and found. Exit status: 0, or 2 when the folder is not a campaign.

    With a baseline 1 where there is a cause that it does not set aside.
    """
    campaign = Campaign(path)
    try:
        settings = campaign.settings()
        aside = listed_in(baseline) if baseline else None
    except (CampaignError, TriageError) as error:
        Console(stderr=True).print(f"vmfuzz status: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    console = console or Console()
    if as_json:
        shown = campaign_json(campaign, aside)
        console.print_json(json.dumps(shown))
        return 1 if aside is not None and not all(one["set_aside"] for one in shown["findings"]) else 0
    designs = ", ".join(settings.designs) or "the reference alone"
    held = f", designs {designs}" if settings.target != "roundtrip" else ""
    about = f"{path}: target {settings.target}{held}, seed {settings.seed}, started {settings.runs} times"
    console.print(about, markup=False, highlight=False, soft_wrap=True)
    found = final_report(campaign, console, aside=aside)
    return 1 if found and aside is not None else 0
