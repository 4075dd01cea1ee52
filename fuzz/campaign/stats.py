"""What a worker says about itself, once a second, in a file that can be read while it runs."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.campaign.folder import Campaign


@dataclass(slots=True)
class CauseCount:
    """How often one cause was seen and when first, over all runs of this worker."""

    kind: str
    count: int = 0
    first_execution: int = 0
    first_seconds: float = 0.0
    """Seconds of fuzzing of this worker until then."""
    first_time: str = ""
    """When that was, UTC, as `2026-11-26T20:38:13Z`; "" where nobody wrote it down."""
    last_time: str = ""
    """When it was seen last, in the same form."""
    repeats: int = 0
    """Of `count`, by inputs that were kept before: seeds, entries of earlier runs and of peers, executed once a run."""


@dataclass(slots=True)
class Stats:
    """Counters of one worker, summed over all its runs."""

    worker: str
    machine: str
    target: str
    group: str = ""
    """The workers that share its corpus."""
    seed: int = 0
    pid: int = 0
    runs: int = 0
    state: str = "starting"
    """starting, running, stopped (with the reason), or died."""
    executions: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    """Executions per second over the last few seconds."""
    corpus: int = 0
    """Entries of the group's corpus."""
    situations: int = 0
    """Different facts that executions of the present run reported."""
    features: int = 0
    """Different counters, of probes and of facts, that executions of the present run lit."""
    once: int = 0
    """Of these, how many one execution only lit."""
    twice: int = 0
    """And how many exactly two did."""
    lit: int = 0
    """And how many are probes."""
    probes: int = 0
    """Probes that the code under test has, one a block; 0 where nobody counts."""
    sampled: int = 0
    """Executions of the present run: those that these numbers speak of."""
    newest: str = ""
    """When the present or an earlier run last kept something in the corpus, UTC as in `CauseCount`."""
    rss: int = 0
    """Bytes of memory in use."""
    deaths: int = 0
    hangs: int = 0
    """Executions that the watchdog ended."""
    trouble: str = ""
    """Something the worker could not do, such as write to a full disk."""
    arms: dict[str, list[int]] = field(default_factory=dict)
    """Per mutator arm: times applied, times it changed the input, executions of what it made, entries of the corpus that
    these gave, causes that they showed first. An execution counts for each of the arms that made its input."""
    weights: dict[str, float] = field(default_factory=dict)
    """Per mutator arm: how likely it is chosen now beside others, by what it earned lately (`fuzz.mutate.choice`)."""
    findings: dict[str, CauseCount] = field(default_factory=dict)

    def saw(self, cause: str, kind: str, execution: int, seconds: float, *, repeat: bool = False) -> bool:
        """Count one sight of a cause; True when it is the first. `repeat`: by an input that was kept before."""
        known = self.findings.get(cause)
        if known is None:
            moment = now()
            self.findings[cause] = CauseCount(kind, 1, execution, round(seconds, 3), moment, moment, int(repeat))
            return True
        known.count += 1
        known.repeats += repeat
        known.last_time = now()
        return False


_FIELDS: Final = tuple(one.name for one in fields(Stats))
_COUNTS: Final = tuple(one.name for one in fields(CauseCount))


def now() -> str:
    """The time of day, UTC, in whole seconds."""
    return _text(int(time.time()))


@lru_cache(maxsize=1)
def _text(second: int) -> str:
    """One second's text, for the thousands of sights of causes in it."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_stats(path: Path, stats: Stats) -> None:
    """Write beside and rename: whole for any reader, but not forced to the disk, since a second later it is old.

    A worker does this once a second, with thousands of causes; `asdict` and an indent would take five times as long.
    """
    values = {name: getattr(stats, name) for name in _FIELDS}
    values["findings"] = {cause: {name: getattr(one, name) for name in _COUNTS} for cause, one in stats.findings.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(values) + "\n")
    temporary.replace(path)


def read_stats(path: Path) -> Stats | None:
    """What a worker last wrote; None when there is nothing readable."""
    try:
        values = json.loads(path.read_bytes())
        values["findings"] = {cause: CauseCount(**count) for cause, count in values["findings"].items()}
        return Stats(**values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def all_stats(campaign: Campaign) -> tuple[Stats, ...]:
    """What each worker of a campaign last said, sorted by name."""
    found = (read_stats(campaign.worker(name) / "stats.json") for name in campaign.workers())
    return tuple(stats for stats in found if stats is not None)
