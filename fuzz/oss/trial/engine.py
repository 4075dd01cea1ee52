"""What libFuzzer says, as far as a service reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

CRASHED: Final = 77
"""Exit status after an uncaught exception."""
CUSTOM: Final = "found LLVMFuzzerCustomMutator"

_STEP: Final = re.compile(r"^#(\d+)\s+(\w+)\s+(?:cov: (\d+) )?(?:ft: (\d+) )?corp: (\d+)/", re.MULTILINE)
_MERGED: Final = re.compile(r"MERGE-OUTER: (\d+) new files with (\d+) new features added")
_DONE: Final = re.compile(r"^Done (\d+) runs", re.MULTILINE)
_LEFT: Final = re.compile(r"Test unit written to (\S+)")
_RAISED: Final = re.compile(r"=== Uncaught Python exception: ===\s*\n(.+)")
_FRAME: Final = re.compile(r'^\s*File "[^"]+", line \d+, in (.+)$', re.MULTILINE)
_DEEPEST: Final = 3


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the engine's: after how many executions, features and corpus entries until then."""

    executions: int
    what: str
    features: int
    corpus: int


@dataclass(frozen=True, slots=True)
class Said:
    """One run's output."""

    text: str

    @property
    def steps(self) -> tuple[Step, ...]:
        """Its lines about the search."""
        return tuple(
            Step(int(executions), what, int(features or coverage or 0), int(corpus))
            for executions, what, coverage, features, corpus in _STEP.findall(self.text)
        )

    def step(self, what: str) -> Step | None:
        """The last line of a kind: INITED, DONE, NEW."""
        return next((step for step in reversed(self.steps) if step.what == what), None)

    @property
    def done(self) -> int | None:
        """Executions, None when it did not come to its end."""
        match = _DONE.search(self.text)
        return int(match[1]) if match else None

    @property
    def merged(self) -> tuple[int, int]:
        """Files that a merge kept, and their features; 0 and 0 when it did not come to its end."""
        match = _MERGED.search(self.text)
        return (int(match[1]), int(match[2])) if match else (0, 0)

    @property
    def left(self) -> str:
        """The file with the input that ended it, "" for none."""
        match = _LEFT.search(self.text)
        return match[1] if match else ""

    @property
    def raised(self) -> str:
        """The exception that ended it, in a line, "" for none."""
        match = _RAISED.search(self.text)
        return match[1].strip() if match else ""

    @property
    def state(self) -> tuple[str, ...]:
        """What ClusterFuzz tells crashes apart by: the names of the innermost functions, innermost first."""
        return tuple(reversed(_FRAME.findall(self.text)))[:_DEEPEST]

    @property
    def last(self) -> str:
        """What it said at the end, for people."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"
