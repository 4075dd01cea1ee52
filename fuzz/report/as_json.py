"""A campaign for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fuzz.campaign.alive import as_it_is
from fuzz.campaign.figures import GOING, figures, to_json, utc
from fuzz.campaign.findings import WITNESS, records
from fuzz.campaign.history import last_line
from fuzz.campaign.stats import all_stats
from fuzz.report.aside import known_in
from fuzz.report.causes import rank, show_command

if TYPE_CHECKING:
    from fuzz.campaign.folder import Campaign
    from fuzz.report.aside import Aside


def campaign_json(campaign: Campaign, aside: Aside | None = None) -> dict[str, Any]:
    """The campaign for programs. `aside`: as in `final_report`. docs/campaign.md lists the keys."""
    aside = known_in(campaign)[0] if aside is None else aside
    stats = tuple(as_it_is(campaign, one) for one in all_stats(campaign))
    found = records(campaign.findings)
    counting = figures(found, stats, aside=aside.baseline.sets_aside)
    last = last_line(campaign.path) or {}
    return {
        "campaign": str(campaign.path),
        "running": any(one.state in GOING for one in stats),
        "start": last.get("start"),
        "elapsed": last.get("elapsed"),
        "ended": last.get("ended"),
        **to_json(counting),
        "findings": [
            {
                "kind": record.kind,
                "severity": str(rank(record)),
                "cause": record.cause,
                "design": record.design,
                "text": record.text,
                "machine": record.machine,
                "count": known.count,
                "size": record.size,
                "first": record.first,
                "seen": utc(known.when),
                "executions_since": known.since,
                "schedule": record.schedule,
                "set_aside": record.cause in aside,
                "witness": str(place / WITNESS),
                "command": show_command(campaign, record),
            }
            for (place, record), known in zip(found, figures(found, stats).causes, strict=True)
        ],
    }
