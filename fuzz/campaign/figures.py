"""The numbers of a campaign, added up once for all who tell them: the screen, lines, `stats.jsonl`, `status --json`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from fuzz.campaign.estimate import Estimate, estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from fuzz.campaign.findings import Record
    from fuzz.campaign.stats import CauseCount, Stats

ARM_COUNTS: Final = ("tried", "changed", "executions", "entries", "causes")
"""What the numbers of an arm in `Stats.arms` are."""
_Z: Final = 1.96
"""Standard deviations."""
GOING: Final = ("starting", "running")
"""States of a worker that is at work."""


@dataclass(frozen=True, slots=True)
class Known:
    """A cause with what is known of it."""

    place: Path
    record: Record
    count: int
    """Executions that showed it, 1 at least."""
    when: float | None
    """When it was seen first, seconds since 1970; until a worker says so, the time of its folder. None: nobody knows."""
    since: int | None
    """Executions of all workers since; read off the share that its worker has executed since."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What one mutator arm did, over all workers."""

    name: str
    tried: int = 0
    changed: int = 0
    executions: int = 0
    entries: int = 0
    causes: int = 0
    weight: float | None = None
    """How likely it is chosen now, the mean of all workers; None where that is not weighed."""

    @property
    def per_thousand(self) -> float:
        """Entries of the corpus per 1,000 executions."""
        return 1000 * self.entries / self.executions if self.executions else 0.0

    @property
    def certain(self) -> float:
        """Entries per execution that it yields at least, with 97.5 % certainty (Wilson): few executions prove little."""
        if not self.executions:
            return 0.0
        share, spread = self.entries / self.executions, _Z * _Z / self.executions
        half = _Z * math.sqrt(max(0.0, share * (1 - share)) / self.executions + spread / (4 * self.executions))
        return (share + spread / 2 - half) / (1 + spread)


@dataclass(frozen=True, slots=True)
class Figures:
    """A campaign at one moment."""

    workers: tuple[Stats, ...]
    """Those of the present run."""
    executions: int
    rate: float
    corpus: int
    features: int
    situations: int
    lit: int
    """Probes lit."""
    probes: int
    """Probes that there are."""
    rss: int
    causes: tuple[Known, ...]
    """Those that count, by cause."""
    aside: int
    """Causes that are set aside."""
    arms: tuple[Arm, ...]
    """Those that have done anything, those first that yield most for certain."""
    estimate: Estimate

    def by_design(self, asked: Iterable[str] = ()) -> dict[str, tuple[Known, ...]]:
        """Causes per design, the newest first, by name of the design; of those asked for also where there are none."""
        found: dict[str, list[Known]] = {name: [] for name in asked}
        for known in newest_first(self.causes):
            found.setdefault(known.record.design, []).append(known)
        return {name: tuple(found[name]) for name in sorted(found)}

    def recent(self, now: float, seconds: float) -> int:
        """Causes seen first in the last so many seconds."""
        return sum(known.when is not None and known.when > now - seconds for known in self.causes)


def figures(
    found: Sequence[tuple[Path, Record]],
    stats: Sequence[Stats],
    workers: Collection[str] | None = None,
    aside: Callable[[str], bool] = lambda _cause: False,
) -> Figures:
    """Add up findings and what workers said; `workers`: those of the present run, all where it is None; `aside`: which do not count."""
    present = tuple(one for one in stats if workers is None or one.worker in workers)
    running = [one.worker for one in present if one.state in GOING]
    causes = _causes([pair for pair in found if not aside(pair[1].cause)], stats)
    return Figures(
        present,
        sum(one.executions for one in present),
        sum((one.rate for one in present if one.worker in running), 0.0),
        _shared(present, "corpus"),
        _shared(present, "features"),
        _shared(present, "situations"),
        _shared(present, "lit"),
        _shared(present, "probes"),
        sum(one.rss for one in present if one.worker in running),
        causes,
        len(found) - len(causes),
        _arms(present),
        estimate(present, running),
    )


def newest_first(causes: Iterable[Known]) -> list[Known]:
    """In the order in which they are news, those without a time last. The same order for the same causes."""
    return sorted(causes, key=lambda known: (-(known.when or 0.0), -known.record.first, known.record.cause))


def epoch(text: str) -> float | None:
    """A time as `Stats` writes it, in seconds since 1970; None for another text."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def utc(when: float | None) -> str | None:
    """The inverse of `epoch`."""
    return None if when is None else datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_json(now: Figures) -> dict[str, Any]:
    """The figures for programs; docs/campaign.md lists the keys."""
    return {
        "executions": now.executions,
        "rate": round(now.rate, 1),
        "corpus": now.corpus,
        "features": now.features,
        "situations": now.situations,
        "lit": now.lit,
        "probes": now.probes,
        "rss": now.rss,
        "causes": len(now.causes),
        "set_aside": now.aside,
        "designs": {design: len(causes) for design, causes in now.by_design().items()},
        "arms": {arm.name: [arm.tried, arm.changed, arm.executions, arm.entries, arm.causes] for arm in now.arms},
        "weights": {arm.name: round(arm.weight, 2) for arm in now.arms if arm.weight is not None},
        "estimate": {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(now.estimate).items()
        },
        "workers": [
            {
                "worker": one.worker,
                "group": one.group or one.worker,
                "machine": one.machine,
                "target": one.target,
                "state": one.state,
                "pid": one.pid,
                "executions": one.executions,
                "seconds": one.seconds,
                "rate": one.rate,
                "corpus": one.corpus,
                "features": one.features,
                "situations": one.situations,
                "lit": one.lit,
                "probes": one.probes,
                "rss": one.rss,
                "deaths": one.deaths,
                "hangs": one.hangs,
                "trouble": one.trouble,
            }
            for one in now.workers
        ],
        "trouble": [f"{one.worker}: {one.trouble}" for one in now.workers if one.trouble],
    }


def _shared(workers: Iterable[Stats], what: str) -> int:
    """What workers of a group have in common counts once: the most that one of them tells of."""
    most: dict[str, int] = {}
    for one in workers:
        group = one.group or one.worker
        most[group] = max(most.get(group, 0), getattr(one, what))
    return sum(most.values())


def _causes(found: Sequence[tuple[Path, Record]], stats: Sequence[Stats]) -> tuple[Known, ...]:
    counts: dict[str, int] = {}
    first: dict[str, tuple[str, CauseCount, Stats]] = {}
    for one in stats:
        for cause, seen in one.findings.items():
            counts[cause] = counts.get(cause, 0) + seen.count
            before = first.get(cause)
            if before is None or (seen.first_time or "~") < before[0]:  # "~": behind any time
                first[cause] = seen.first_time or "~", seen, one
    total = sum(one.executions for one in stats)
    known: list[Known] = []
    for place, record in found:
        when, since = None, None
        if record.cause in first:
            text, seen, one = first[record.cause]
            when = epoch(text)
            if one.executions:
                since = round(total * max(0, one.executions - seen.first_execution) / one.executions)
        if when is None:
            when = _folder_time(place)
        known.append(Known(place, record, max(1, counts.get(record.cause, 0)), when, since))
    return tuple(known)


def _folder_time(place: Path) -> float | None:
    try:
        return place.stat().st_mtime
    except OSError:
        return None


def _weights(workers: Iterable[Stats]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for one in workers:
        for name, weight in one.weights.items():
            found.setdefault(name, []).append(weight)
    return {name: sum(weights) / len(weights) for name, weights in found.items()}


def _arms(workers: Sequence[Stats]) -> tuple[Arm, ...]:
    added: dict[str, list[int]] = {}
    for one in workers:
        for name, counts in one.arms.items():
            sums = zip_longest(added.get(name, ()), counts, fillvalue=0)
            added[name] = [left + right for left, right in sums]
    weights = _weights(workers)
    arms = [
        Arm(name, tried, changed, executions, entries, causes, weights.get(name))
        for name, (tried, changed, executions, entries, causes, *_) in (
            (name, (*counts, *(0,) * len(ARM_COUNTS))) for name, counts in added.items() if any(counts)
        )
    ]
    return tuple(sorted(arms, key=lambda arm: (-arm.certain, -arm.causes, -arm.executions, arm.name)))
