"""What was known before a run: causes that a file lists are set aside, so that only new ones count.

    baseline = read_baseline(Path("triage.toml"))
    fresh, aside = baseline.split(causes)

The file is what `vmfuzz triage` keeps, or a plain list of causes, a line each (`fuzz.triage.entries` has both forms).
Light to import: nothing but the standard library stands behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fuzz.triage.entries import KNOWN, NEW, TriageError, pattern_of, read_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Baseline", "TriageError", "read_baseline", "read_baselines"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """States by cause, some under a pattern; an empty one sets nothing aside. `aside`: the states that are."""

    states: Mapping[str, str] = field(default_factory=dict)
    aside: frozenset[str] = frozenset({NEW, KNOWN})

    def state(self, cause: str) -> str | None:
        """What is said of a cause, None where nothing is: by its own entry, unless that says no more than `new`."""
        own = self.states.get(cause)
        return (self.states.get(pattern_of(cause)) if own in {None, NEW} else None) or own

    def sets_aside(self, cause: str) -> bool:
        """Whether it is listed as new or known. One that was fixed, or is back again, is not set aside."""
        return self.state(cause) in self.aside

    def split(self, causes: Iterable[str]) -> tuple[list[str], list[str]]:
        """The causes that count, and those that are set aside, both in the order given."""
        counting: list[str] = []
        aside: list[str] = []
        for cause in causes:
            (aside if self.sets_aside(cause) else counting).append(cause)
        return counting, aside

    def only(self, *states: str) -> Baseline:
        """The same, with causes in those states alone set aside."""
        return Baseline(self.states, frozenset(states))


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file. Raises TriageError, in one line, for one that cannot be read or used."""
    return read_baselines((path,))


def read_baselines(paths: Sequence[Path]) -> Baseline:
    """The baseline in several files; what a later one says of a cause or pattern goes before. Raises TriageError."""
    states: dict[str, str] = {}
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise TriageError(f"{path}: {error.strerror or error}") from None
        states |= {entry.cause: entry.state for entry in read_entries(data, str(path))}
    return Baseline(states)
