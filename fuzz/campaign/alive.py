"""Whether a worker that says it runs does run: its process is there, and it is this worker's.

A number alone proves nothing, since the system gives the numbers of dead processes to others; so the process must have
been started with this worker's spec file. Where the system does not tell that (no `/proc`), a process of that number
is taken for it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.campaign.figures import GOING

if TYPE_CHECKING:
    from fuzz.campaign.folder import Campaign
    from fuzz.campaign.stats import Stats


def is_alive(campaign: Campaign, stats: Stats) -> bool:
    """Whether the process behind these statistics runs on this computer."""
    if stats.state not in GOING or stats.pid <= 0:
        return False
    try:
        os.kill(stats.pid, 0)
    except PermissionError:
        pass  # somebody else's, but there
    except (OSError, OverflowError):
        return False
    try:
        words = Path(f"/proc/{stats.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return not Path("/proc/self").exists()
    spec = campaign.worker(stats.worker) / "spec.json"
    return any(word.endswith(b"spec.json") and _same(Path(os.fsdecode(word)), spec) for word in words)


def as_it_is(campaign: Campaign, stats: Stats) -> Stats:
    """What a worker said, unless it says that it runs and does not: then its state is `killed`."""
    if stats.state not in GOING or is_alive(campaign, stats):
        return stats
    return replace(stats, state="killed", rate=0.0)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
