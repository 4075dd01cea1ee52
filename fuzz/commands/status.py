"""`vmfuzz status`: a campaign while it runs, or later."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from fuzz.campaign.alive import as_it_is
from fuzz.campaign.figures import GOING, epoch
from fuzz.campaign.folder import Campaign, CampaignError
from fuzz.campaign.history import last_line
from fuzz.campaign.watch import Watch
from fuzz.commands.live import Looker, View, about_campaign
from fuzz.designs import UsageError
from fuzz.report import campaign_json, final_report
from fuzz.report.aside import Aside, known_in, listed_in
from fuzz.report.screen import Moment, screen
from fuzz.triage.entries import TriageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.campaign.figures import Figures
    from fuzz.campaign.folder import Settings
    from fuzz.campaign.stats import Stats

TABLES: Final = ("workers", "designs", "arms")
"""Parts of the live screen that stand below the findings."""
LOOK: Final = 0.5
"""Seconds between looks of `--watch`; the view itself decides whether it is time."""


def status(
    path: Path,
    console: Console | None = None,
    *,
    as_json: bool = False,
    baseline: Sequence[Path] = (),
    watch: bool = False,
) -> int:
    """Print what a campaign did and found. Exit status: 0, or 2 when the folder is not a campaign.

    With a baseline 1 where there is a cause that it does not set aside.
    """
    campaign = Campaign(path)
    try:
        settings = campaign.settings()
        aside = listed_in(baseline) if baseline else None
        _check(watch, as_json)
    except (CampaignError, TriageError, UsageError) as error:
        Console(stderr=True, emoji=False).print(
            f"vmfuzz status: {error}", markup=False, highlight=False, soft_wrap=True
        )
        return 2
    console = console or Console(emoji=False)
    if as_json:
        shown = campaign_json(campaign, aside)
        console.print_json(json.dumps(shown))
        return 1 if aside is not None and not all(one["set_aside"] for one in shown["findings"]) else 0
    looker = _looker(campaign, aside)
    if watch:
        return _watch(campaign, settings, looker, console)
    plain: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}
    now = looker.look()
    designs = ", ".join(settings.designs) or "the reference alone"
    held = f", designs {designs}" if settings.target != "roundtrip" else ""
    about = f"{path}: target {settings.target}{held}, seed {settings.seed}, started {settings.runs} times"
    console.print(about, **plain)
    console.print(_running(now), **plain)
    found = final_report(campaign, console, aside=aside)
    console.print()
    moment = Moment(_elapsed(campaign, now.workers), time.time())
    console.print(screen(about_campaign(campaign, settings, ""), now, moment, None, console.width, TABLES))
    return 1 if found and aside is not None else 0


def _check(watch: bool, as_json: bool) -> None:
    if watch and as_json:
        msg = "--watch is for people; programs read stats.jsonl, or --json again and again"
        raise UsageError(msg)


def _looker(campaign: Campaign, aside: Aside | None) -> Looker:
    """Sees which workers are there in truth."""
    baseline = (known_in(campaign)[0] if aside is None else aside).baseline
    return Looker(Watch(campaign), None, baseline.sets_aside, lambda one: as_it_is(campaign, one))


def _running(now: Figures) -> str:
    running = [one for one in now.workers if one.state in GOING]
    if not running:
        killed = [one.worker for one in now.workers if one.state == "killed"]
        return f"not running; killed: {', '.join(killed)}" if killed else "not running"
    return f"running: {', '.join(f'{one.worker} (process {one.pid})' for one in running)}"


def _elapsed(campaign: Campaign, workers: Sequence[Stats]) -> float:
    """Seconds since the last start, to the end if it is over; as far as that is written down."""
    last = last_line(campaign.path)
    if last is None:
        return max((one.seconds for one in workers), default=0.0)
    elapsed, written = last.get("elapsed"), epoch(str(last.get("time")))
    seconds = float(elapsed) if isinstance(elapsed, int | float) else 0.0
    if written is not None and any(one.state in GOING for one in workers):
        seconds += max(0.0, time.time() - written)
    return seconds


def _watch(campaign: Campaign, settings: Settings, looker: Looker, console: Console) -> int:
    """Show it until Ctrl-C."""
    about = about_campaign(campaign, settings, "Ctrl-C ends watching, not the campaign")
    view = View(looker, about, console, stays=True)
    try:
        with view.live:
            while True:
                view.show(_elapsed(campaign, looker.stats()))
                time.sleep(LOOK)
    except KeyboardInterrupt:
        return 0
