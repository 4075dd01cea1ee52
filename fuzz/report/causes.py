"""What a campaign found: its causes, how often each was seen, how bad it is, and the command that shows it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from fuzz.campaign.asked import designs_asked
from fuzz.campaign.findings import WITNESS, cause_id, records
from fuzz.campaign.stats import all_stats
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
    return Severity.parse(record.severity) if record.severity else rank_of(record.kind, record.cause)


def rank_of(kind: str, cause: str) -> Severity:
    """How bad findings of a kind with that cause are; the least where that says nothing."""
    try:
        return severity_of(kind, Cause.parse(cause))
    except (KeyError, ValueError):
        return Severity.INVARIANT


def show_command(campaign: Campaign, record: Record, witness: Path | None = None, designs: Sequence[str] = ()) -> str:
    """The command line that shows a finding again.

    `witness`: where it lies, if not in its campaign. `designs`: those of the user's own that may be meant, as typed,
    before the campaign's.
    """
    witness = witness or campaign.findings / cause_id(record.cause) / WITNESS
    asked = (*designs, *designs_asked(campaign))
    return shlex.join(command_line(witness, record.target, record.machine, record.cause, asked, loadvm=record.loadvm))


def command_line(
    witness: Path, target: str, machine: str, cause: str, designs: Sequence[str], *, loadvm: bool
) -> list[str]:
    """The words that show a cause again. `designs`: among them, as typed, is the cause's if it is a user's own."""
    if target == "roundtrip":
        return ["vmfuzz", "show", str(witness)]
    design = text_for(cause.partition("/")[0], designs)
    if target == "memory":
        words = ["vmfuzz", "program", str(witness)]
        return [*words, "--design", design] if design in DESIGNS or ":" in design else words
    words = ["vmfuzz", "load", str(witness), "--machine", machine, *(["--loadvm"] if loadvm else [])]
    words += [OPTIONS[life] for life in lives_of((cause,)) if life in OPTIONS]
    if design != "any":
        return [*words, "--design", design]
    own = [name for name in designs if ":" in name]  # any of them may be what the process died of
    return [*words, *(word for name in own for word in ("--design", name))]
