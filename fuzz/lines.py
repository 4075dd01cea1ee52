"""Files of JSON lines that one process adds to, so that what is killed goes on where it was.

Lines are only ever added. A last line without its end was torn when the process died, and is cut off when the file is
opened again; a line that says nothing to its reader is passed over and stays.
"""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class BusyError(Exception):
    """Another process adds to this file."""


def to_line(values: Any) -> bytes:
    """A JSON object as one line, for pipes and such files."""
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


class Lines:
    """A file, made if it is not there; locked, mended, read, and open for adding. Raises OSError and BusyError.

    `take` is given what each whole line holds, in their order. Where it raises ValueError, KeyError, TypeError or
    AttributeError, the line is damaged: what it told of is to be done again.
    """

    def __init__(self, path: Path, take: Callable[[Any], None]) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND, 0o644)
        try:
            self._lock()
            self._read(take)
        except BaseException:
            self.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError from None

    def _read(self, take: Callable[[Any], None]) -> None:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(self._file, whole)
        for line in data[:whole].splitlines():
            try:
                take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue

    def add(self, values: Any, *, settled: bool = False) -> None:
        """One more line; `settled`: on the disk when this returns. Raises OSError."""
        line = to_line(values)
        done = 0
        while done < len(line):  # a disk that gets full takes a part, and says so at the next
            done += os.write(self._file, line[done:])
        if settled:
            os.fsync(self._file)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)
