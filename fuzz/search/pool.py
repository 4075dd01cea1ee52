"""Searches in processes of their own, a few at a time, each within its time; nothing that one does ends the others."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.search.asked import DIED, LATE, LOG, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fuzz.search.asked import Search

START: Final = 120.0
"""Seconds beyond its own time that a search may take to begin, and to look at its witness."""
_PAUSE: Final = 0.05
_OUT: Final = "out"
_SAID: Final = "said"


@dataclass(slots=True)
class _Running:
    search: Search
    process: subprocess.Popen[bytes]
    scratch: tempfile.TemporaryDirectory[str]
    started: float

    def kill(self) -> None:
        """End it with all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def file(self, name: str) -> bytes:
        """What it has written under that name."""
        with contextlib.suppress(OSError):
            return (Path(self.scratch.name) / name).read_bytes()
        return b""


def run(
    searches: Iterable[Search], jobs: int, deadline: float | None = None, tick: Callable[[int], None] = lambda _n: None
) -> Iterator[tuple[Search, Result]]:
    """What they come to, as they end. `deadline`: of the monotonic clock, at which all that is left is dropped.

    `tick` is called several times a second with how many are under way. However this is left, no process stays behind.
    """
    waiting = deque(searches)
    running: list[_Running] = []
    try:
        while waiting or running:
            if deadline is not None and time.monotonic() >= deadline:
                return
            while waiting and len(running) < jobs:
                running.append(_start(waiting.popleft()))
            for one in list(running):
                result = _look(one)
                if result is not None:
                    running.remove(one)
                    one.scratch.cleanup()
                    yield one.search, result
            tick(len(running))
            time.sleep(_PAUSE)
    finally:
        for one in running:
            one.kill()
            one.scratch.cleanup()


def _start(search: Search) -> _Running:
    scratch = tempfile.TemporaryDirectory(prefix="vmfuzz-search-")
    with (Path(scratch.name) / _OUT).open("wb") as out, (Path(scratch.name) / _SAID).open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "fuzz.search.process", search.to_json(), scratch.name, str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=said,
            start_new_session=True,  # Ctrl-C comes to us only, and its children can be ended with it
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
    return _Running(search, process, scratch, time.monotonic())


def _look(one: _Running) -> Result | None:
    """What it came to; None while it is under way."""
    status = one.process.poll()
    if status is None:
        spent = time.monotonic() - one.started
        if spent < one.search.seconds + START:
            return None
        one.kill()
        return Result(LATE, 0, round(spent, 3), why="it did not end in time and was killed; executions are not known")
    try:
        return Result(**json.loads(one.file(_OUT).splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        return Result(DIED, 0, 0.0, why=f"status {status}: {_last_line(one)}")


def _last_line(one: _Running) -> str:
    lines = (one.file(LOG) + b"\n" + one.file(_SAID)).decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
