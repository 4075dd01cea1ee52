"""What searches came to, in a folder: a line of JSON each, so that a killed bench goes on where it was.

A line (`fuzz.lines`) is on the disk before the next search is told of. It holds for what determines a search's
outcome, in a key that covers all code, the machine, the seeds, a user's own file: what was measured with other code is
not mixed with this.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fuzz.lines import Lines
from fuzz.minimize.how import How
from fuzz.search.asked import LATE, Result

if TYPE_CHECKING:
    from fuzz.search.asked import Search

FILE: Final = "searches.jsonl"


class Kept:
    """The folder, made if it is not there; open for adding. Raises OSError and BusyError."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        self._known: dict[str, tuple[float, Result]] = {}
        """By key, what a search came to and the time that it was given."""
        self._lines = Lines(self.path, self._take)

    def _take(self, values: Any) -> None:
        self._known[str(values["key"])] = float(values["limit"]), Result(**values["result"])

    def get(self, search: Search) -> Result | None:
        """What a search came to; None if it is not known, or had less time than it would have now. Raises OSError."""
        known = self._known.get(key(search))
        if known is None or (known[1].ended == LATE and known[0] < search.seconds):
            return None
        return known[1]

    def add(self, search: Search, result: Result) -> None:
        """One more. Raises OSError."""
        self._known[key(search)] = search.seconds, result
        told = {"bug": search.name, "way": search.way, "seed": search.seed, "machine": search.machine}
        line = {**told, "limit": search.seconds, "result": asdict(result), "key": key(search)}
        self._lines.add(line, settled=True)

    def close(self) -> None:
        """Let go of it."""
        self._lines.close()


def key(search: Search) -> str:
    """Equal where a search comes to the same. Raises OSError."""
    about = f"{_where(search.bug, search.machine, search.designs)} {search.way} {search.seed} {search.executions}"
    return hashlib.sha256(about.encode()).hexdigest()[:32]


@cache
def _where(bug: str, machine: str, designs: tuple[str, ...]) -> str:
    """A digest of all code and files that take part."""
    spec = _any(bug, machine, designs).spec(Path())
    digest = hashlib.sha256(How("stream", machine, spec.description).key().encode())
    for seed in spec.seeds:
        digest.update(Path(seed).read_bytes())
    for text in (bug, *designs):
        digest.update(text.encode())
    if ":" in bug:
        digest.update(Path(bug.rpartition(":")[0]).read_bytes())
    return digest.hexdigest()


def _any(bug: str, machine: str, designs: tuple[str, ...]) -> Search:
    from fuzz.search.asked import Search  # noqa: PLC0415 - for its spec alone

    return Search(bug, "", "", 0, machine, designs, (), 0, 0.0)
