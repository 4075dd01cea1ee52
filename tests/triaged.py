"""Campaigns made by hand: folders with findings and statistics, without a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.campaign import Campaign, FindingStore, Origin, Settings, Stats
from fuzz.campaign.stats import CauseCount, write_stats
from fuzz.engine import Found

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ONE = "wrap-main/layout/flat-view/moved/memory"
LIKE_ONE = "v1-flag-eof/layout/flat-view/moved/memory"
OTHER = "wrap-main/guard/vring/stopped-benign/virtio-blk"
PATTERN = "*/layout/flat-view/moved/memory"
MOMENT = "2026-11-20T08:00:00Z"


def campaign(
    path: Path,
    found: Mapping[str, bytes],
    *,
    target: str = "stream",
    machine: str = "pc-small",
    when: str = MOMENT,
    designs: tuple[str, ...] = (),
    kind: str = "",
    severity: str = "",
) -> Campaign:
    """A campaign that found each of these causes with that witness, three times, at that moment."""
    made = Campaign(path)
    designs = designs or tuple(dict.fromkeys(cause.split("/")[0] for cause in found if not cause.startswith("any/")))
    made.open(Settings(target, (machine,), designs, 1))
    made.prepare("w", "w")
    stats = Stats("w", machine, target, executions=1000, seconds=2.0, state="stopped: time")
    store = FindingStore(made.findings)
    for number, (cause, witness) in enumerate(found.items(), 1):
        usual = ("divergence", "wrong-state") if "/layout/" in cause else ("guard", "invariant")
        one = Found(kind or usual[0], cause, f"what is wrong with {cause}", severity=severity or usual[1])
        store.keep(one, witness, Origin(machine, target, number))
        stats.findings[cause] = CauseCount(one.kind, 3, number, 0.5, when, when)
    write_stats(made.worker("w") / "stats.json", stats)
    return made


def entry(cause: str, state: str, *more: str) -> str:
    """An entry as a person writes it."""
    return "\n".join(["[[entry]]", f'cause = "{cause}"', f'state = "{state}"', *more, "", ""])
