"""What a worker says about itself, once a second, in a file that can be read while it runs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class CauseCount:
    """How often one cause was seen and when first, over all runs of this worker."""

    kind: str
    count: int = 0
    first_execution: int = 0
    first_seconds: float = 0.0


@dataclass(slots=True)
class Stats:
    """Counters of one worker, summed over all its runs."""

    worker: str
    machine: str
    target: str
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
    situations: int = 0
    """Different facts that executions of the present run reported."""
    deaths: int = 0
    trouble: str = ""
    """Something the worker could not do, such as write to a full disk."""
    arms: dict[str, list[int]] = field(default_factory=dict)
    """Per mutator arm: times applied, times it gave a mutant that still parses."""
    findings: dict[str, CauseCount] = field(default_factory=dict)

    def saw(self, cause: str, kind: str, execution: int, seconds: float) -> bool:
        """Count one sight of a cause; True when it is the first."""
        known = self.findings.get(cause)
        if known is None:
            self.findings[cause] = CauseCount(kind, 1, execution, round(seconds, 3))
            return True
        known.count += 1
        return False


def write_stats(path: Path, stats: Stats) -> None:
    """Write beside and rename: whole for any reader, but not forced to the disk, since a second later it is old."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(asdict(stats), indent=1) + "\n")
    temporary.replace(path)


def read_stats(path: Path) -> Stats | None:
    """What a worker last wrote; None when there is nothing readable."""
    try:
        values = json.loads(path.read_bytes())
        values["findings"] = {cause: CauseCount(**count) for cause, count in values["findings"].items()}
        return Stats(**values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
