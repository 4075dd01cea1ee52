"""`stats.jsonl`: how a campaign went, for programs; a JSON object a line, appended while it runs.

A line is written by one call to a file opened for appending, so a reader that stops at the last line feed sees whole
lines, whatever kills the writer. Where the disk takes only a part of a line, it is cut off again at once; what was cut
off by nobody (a computer that lost its power) the next start completes or cuts, and says so.

A line that cannot be written is dropped: figures of the next one count from the start anyway, and causes that it would
have told as new are told by the next. A campaign never ends because of its statistics.
"""

from __future__ import annotations

import errno
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

from fuzz.campaign.figures import to_json, utc

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fuzz.campaign.figures import Figures

NAME: Final = "stats.jsonl"
OFTEN: Final = 5.0
"""Seconds between lines in the first minutes."""
SELDOM: Final = 60.0
"""And later: a week has 10,000 lines, of some 2 KB."""
FIRST_MINUTES: Final = 600.0
"""Seconds."""
_TAIL: Final = 1 << 20
"""Bytes in which the last line is looked for; one that tells of very many new causes may be longer, and is not found."""


class History:
    """Writes lines to one campaign's `stats.jsonl`; one process at a time."""

    def __init__(self, folder: Path, start: int, clock: Callable[[], float] = time.time) -> None:
        self.path = folder / NAME
        self.trouble = ""
        """Why the last line could not be written; "" when it was."""
        self._start = start
        self._clock = clock
        self._due = 0.0
        self._told: set[str] | None = None

    def repair(self) -> tuple[str, ...]:
        """Make the file end with a whole line; what was done, a line each. Nothing where there is no file."""
        try:
            with self.path.open("r+b") as file:
                data_from, tail = _last_line(file.fileno())
                if not tail:
                    return ()
                if _is_object(tail):
                    os.pwrite(file.fileno(), b"\n", data_from + len(tail))
                    return (f"{self.path}: the last line had no end, completed",)
                os.ftruncate(file.fileno(), data_from)
                return (f"{self.path}: the last line was torn, {len(tail)} bytes cut off",)
        except FileNotFoundError:
            return ()
        except OSError as error:
            return (f"{self.path}: {error.strerror or error}; not repaired",)

    def due(self, elapsed: float) -> bool:
        """Whether it is time for a line, `elapsed` seconds after the start."""
        return elapsed >= self._due

    def write(self, elapsed: float, now: Figures, ended: str | None = None) -> bool:
        """Append a line; `ended`: why the campaign ends with it. Whether it was written: a full disk drops it."""
        self._due = elapsed + (OFTEN if elapsed < FIRST_MINUTES else SELDOM)
        causes = {known.record.cause for known in now.causes}
        if self._told is None:  # what earlier starts found is no news
            self._told = causes
        line: dict[str, Any] = {
            "time": utc(self._clock()),
            "start": self._start,
            "elapsed": round(elapsed, 1),
            "ended": ended,
            **to_json(now),
            "new_causes": sorted(causes - self._told),
        }
        try:
            _append(self.path, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            self.trouble = f"{NAME}: {error.strerror or error}"
            return False
        self.trouble = ""
        self._told = causes
        return True


def last_line(folder: Path) -> dict[str, Any] | None:
    """The last whole line of a campaign's `stats.jsonl`; None where there is none."""
    try:
        with (folder / NAME).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            whole = file.read().rpartition(b"\n")[0]
        values = json.loads(whole.rpartition(b"\n")[2])
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _append(path: Path, line: bytes) -> None:
    """All of the line, or nothing. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        before = os.fstat(handle).st_size
        written = os.write(handle, line)
        if written < len(line):
            os.ftruncate(handle, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(handle)


def _last_line(handle: int) -> tuple[int, bytes]:
    """Where what follows the last line feed begins, and what it is."""
    at, tail = os.fstat(handle).st_size, b""
    while at:
        size = min(at, 1 << 16)
        at -= size
        piece = os.pread(handle, size, at)
        end = piece.rfind(b"\n")
        tail = piece[end + 1 :] + tail
        if end >= 0:
            return at + end + 1, tail
    return 0, tail


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
