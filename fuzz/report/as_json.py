"""A campaign for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fuzz.campaign.findings import WITNESS, records
from fuzz.campaign.supervisor import all_stats
from fuzz.report.aside import known_in
from fuzz.report.causes import counted, rank, show_command

if TYPE_CHECKING:
    from fuzz.campaign.folder import Campaign
    from fuzz.report.aside import Aside


def campaign_json(campaign: Campaign, aside: Aside | None = None) -> dict[str, Any]:
    """The campaign for programs. `aside`: as in `final_report`."""
    counts = counted(campaign)
    aside = known_in(campaign)[0] if aside is None else aside
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
                "set_aside": record.cause in aside,
                "witness": str(place / WITNESS),
                "command": show_command(campaign, record),
            }
            for place, record in records(campaign.findings)
        ],
    }
