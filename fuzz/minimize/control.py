"""The control file: what was measured so far, a line each, so that a killed `minimize` goes on where it was.

A line (`fuzz.lines`) tells for which way of running inputs it holds (`How.key`, which covers the code): after a change
of code, machine or designs the older lines are worth nothing, and stay unread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fuzz.lines import Lines
from fuzz.minimize.measurement import PASSING, Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FIRST: Final = 1
"""The look at an input in a process that has run nothing else."""
AGAIN: Final = 2
"""The look at it in a process that has run others."""


class Control:
    """The file, open for adding. Raises OSError, and BusyError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[tuple[str, int, str], Measurement] = {}
        """By key of the `How`, look and SHA-1."""
        self.names: dict[str, dict[int, str]] = {}
        """By key, what facts are called."""
        self._lines = Lines(path, self._take)

    def _take(self, values: Mapping[str, Any]) -> None:
        key = str(values["key"])
        for number, name in values.get("names", {}).items():
            self.names.setdefault(key, {})[int(number)] = str(name)
        if "sha1" in values:
            measured = Measurement.from_json(dict(values))
            self.known[key, int(values["look"]), measured.sha1] = measured

    def add(self, key: str, look: int, measured: Measurement) -> None:
        """One more; not if it failed for what may be otherwise the next time. Raises OSError."""
        if measured.failed.startswith(PASSING):
            return
        self.known[key, look, measured.sha1] = measured
        self._lines.add({"key": key, "look": look, **measured.to_json()})

    def name(self, key: str, names: Mapping[int, str]) -> None:
        """What these facts are called. Raises OSError."""
        known = self.names.setdefault(key, {})
        new = {number: name for number, name in names.items() if number not in known}
        if new:
            known.update(new)
            self._lines.add({"key": key, "names": new})

    def close(self, *, remove: bool = False) -> None:
        """Let go of it; `remove`: it is not needed any more."""
        if remove:
            self.path.unlink(missing_ok=True)
        self._lines.close()
