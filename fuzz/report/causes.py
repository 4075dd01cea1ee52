"""What a campaign found: its causes, how often each was seen, how bad it is, and the command that shows it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from fuzz.campaign.asked import designs_asked
from fuzz.campaign.findings import WITNESS, cause_id, records
from fuzz.campaign.supervisor import all_stats
from fuzz.designs import text_for
from fuzz.lives import OPTIONS, lives_of
from model.designs import DESIGNS
from model.outcome import Cause
from model.severity import Severity, severity_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.campaign.findings import Record
    from fuzz.campaign.folder import Campaign


def clock(seconds: float) -> str:
    """Seconds as people read them: 59s, 2m05s, 3h07m."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def per_design(campaign: Campaign) -> dict[str, int]:
    """Number of causes found per design, by the findings on disk."""
    counts: dict[str, int] = {}
    for _place, record in records(campaign.findings):
        counts[record.design] = counts.get(record.design, 0) + 1
    return counts


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


def rank(record: Record) -> Severity:
    """How bad a finding is: as told with its witness, else by its cause; the least where that says nothing."""
    if record.severity:
        return Severity.parse(record.severity)
    try:
        return severity_of(record.kind, Cause.parse(record.cause))
    except (KeyError, ValueError):
        return Severity.INVARIANT


def show_command(campaign: Campaign, record: Record, witness: Path | None = None, designs: Sequence[str] = ()) -> str:
    """The command line that shows a finding again.

    `witness`: where it lies, if not in its campaign. `designs`: those of the user's own that may be meant, as typed,
    before the campaign's.
    """
    witness = witness or campaign.findings / cause_id(record.cause) / WITNESS
    if record.target == "roundtrip":
        return shlex.join(["vmfuzz", "show", str(witness)])
    design = text_for(record.design, (*designs, *designs_asked(campaign)))
    if record.target == "memory":
        words = ["vmfuzz", "program", str(witness)]
        return shlex.join([*words, "--design", design] if design in DESIGNS or ":" in design else words)
    words = ["vmfuzz", "load", str(witness), "--machine", record.machine, *(["--loadvm"] if record.loadvm else [])]
    words += [OPTIONS[life] for life in lives_of((record.cause,)) if life in OPTIONS]
    return shlex.join([*words, "--design", design] if design != "any" else words)
