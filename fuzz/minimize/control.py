"""The control file: what was measured so far, a line each, so that a killed `minimize` goes on where it was.

Lines are only ever added. A last line without its end was torn when the process died, and is cut off. A line tells for
which way of running inputs it holds (`How.key`, which covers the code): after a change of code, machine or designs the
older lines are worth nothing, and stay unread.
"""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING, Any, Final

from fuzz.minimize.how import to_line
from fuzz.minimize.measurement import PASSING, Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FIRST: Final = 1
"""The look at an input in a process that has run nothing else."""
AGAIN: Final = 2
"""The look at it in a process that has run others."""


class Busy(Exception):
    """Another `minimize` writes this file."""


class Control:
    """The file, open for adding. Raises OSError, and Busy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[tuple[str, int, str], Measurement] = {}
        """By key of the `How`, look and SHA-1."""
        self.names: dict[str, dict[int, str]] = {}
        """By key, what facts are called."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise Busy from None
        self._read()

    def _read(self) -> None:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(self._file, whole)
        os.lseek(self._file, 0, os.SEEK_END)
        for line in data[:whole].splitlines():
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # damaged: it is measured again

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
        self._write({"key": key, "look": look, **measured.to_json()})

    def name(self, key: str, names: Mapping[int, str]) -> None:
        """What these facts are called. Raises OSError."""
        known = self.names.setdefault(key, {})
        new = {number: name for number, name in names.items() if number not in known}
        if new:
            known.update(new)
            self._write({"key": key, "names": new})

    def _write(self, values: dict[str, Any]) -> None:
        line = to_line(values)
        done = 0
        while done < len(line):  # a disk that gets full takes a part, and says so at the next
            done += os.write(self._file, line[done:])

    def close(self, *, remove: bool = False) -> None:
        """Let go of it; `remove`: it is not needed any more."""
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._file)
