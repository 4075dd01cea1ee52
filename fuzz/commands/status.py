"""`vmfuzz status`: a campaign while it runs, or later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Console

from fuzz.campaign.folder import Campaign, CampaignError
from fuzz.report import campaign_json, final_report

if TYPE_CHECKING:
    from pathlib import Path


def status(path: Path, console: Console | None = None, *, as_json: bool = False) -> int:
    """Print what a campaign did and found. Exit status: 0, or 2 when the folder is not a campaign."""
    campaign = Campaign(path)
    try:
        settings = campaign.settings()
    except CampaignError as error:
        Console(stderr=True).print(f"vmfuzz status: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    console = console or Console()
    if as_json:
        console.print_json(json.dumps(campaign_json(campaign)))
        return 0
    designs = ", ".join(settings.designs) or "the reference alone"
    held = f", designs {designs}" if settings.target != "roundtrip" else ""
    about = f"{path}: target {settings.target}{held}, seed {settings.seed}, started {settings.runs} times"
    console.print(about, markup=False, highlight=False, soft_wrap=True)
    final_report(campaign, console)
    return 0
