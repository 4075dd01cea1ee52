"""The way of the house: a worker as `vmfuzz run` starts it, which ends with the first finding of the bug."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fuzz.campaign.findings import WITNESS, records
from fuzz.campaign.stats import read_stats
from fuzz.search.asked import DIED, FOUND, LATE, SPENT, Attempt
from fuzz.search.engine import run_module
from model.schedule import Schedule, join

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.search.asked import Search


def search(asked: Search, scratch: Path) -> Attempt:
    """Run a worker in a campaign of its own in `scratch`."""
    spec = asked.spec(scratch / "campaign")
    place = scratch / "campaign" / "workers" / spec.worker
    (place / "stuck").mkdir(parents=True)
    (scratch / "campaign" / "corpus" / spec.shared).mkdir(parents=True)
    path = place / "spec.json"
    path.write_text(spec.to_json().replace('"supervisor": 0', f'"supervisor": {os.getpid()}'))
    status = run_module("fuzz.work.worker", [str(path)], scratch)
    return attempt_of(asked, scratch / "campaign", status)


def attempt_of(asked: Search, campaign: Path, status: int) -> Attempt:
    """What a campaign's only worker has left behind. `status`: of its process."""
    stats = read_stats(campaign / "workers" / "search" / "stats.json")
    if stats is None:
        return Attempt(DIED, 0, 0.0, why=f"the worker ended with status {status} before it began")
    shown = [(one.first, one.cause, place, one) for place, one in records(campaign / "findings")]
    shown = [entry for entry in shown if entry[3].design in asked.watched]
    if shown:
        first, cause, place, record = min(shown, key=lambda entry: entry[:2])
        seconds = stats.findings[cause].first_seconds if cause in stats.findings else stats.seconds
        witness = join((place / WITNESS).read_bytes(), Schedule.parse(record.schedule))
        return Attempt(FOUND, first, seconds, cause, witness)
    ended = {"stopped: executions": SPENT, "stopped: time": LATE}.get(stats.state, DIED)
    why = f"the worker ended with status {status}, {stats.state}" if ended == DIED else ""
    return Attempt(ended, stats.executions, stats.seconds, why=why)
