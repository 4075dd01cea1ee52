"""Measuring processes side by side (`measurer`), each fed by a thread; what they answer comes in any order.

A measuring process that dies, or does not come up, is started once more for the request that it died of, and then the
inputs of that request are said to have failed: nothing that an input does ends the whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, Final, Self, TypeAlias

from fuzz.lines import to_line
from fuzz.minimize.measurement import Measurement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from fuzz.minimize.how import How

SECONDS: Final = 60.0
"""Processor time that one input may take."""
_TRIES: Final = 2


class CannotMeasure(Exception):
    """The target cannot be built, in one line that says why."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file with an input and the SHA-1 of what is in it, schedule beside it included."""

    path: Path
    sha1: str
    size: int


@dataclass(frozen=True, slots=True)
class Ready:
    """What a measuring process says once it is up."""

    longest: int
    """The longest input that a campaign's mutator makes, bytes."""
    places: Mapping[int, str]
    """By number of a probe, MODULE:LINE."""


Answer: TypeAlias = "tuple[Input, Measurement, Mapping[int, str]]"
"""An input, what it showed, and the names of facts that were new to its process."""


class Pool:
    """`jobs` processes at most, started when there is something to do. Used with `with`."""

    def __init__(self, how: How, jobs: int, seconds: float = SECONDS) -> None:
        self._how = how
        self._jobs = jobs
        self._seconds = seconds
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self.ready: Ready | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        with self._lock:
            for process in self._processes.values():
                _kill(process)

    def measure(self, inputs: Sequence[Input], together: int = 1) -> Iterator[Answer]:
        """Measure; `together`: so many one after the other in one process. Raises CannotMeasure."""
        requests: queue.SimpleQueue[Sequence[Input]] = queue.SimpleQueue()
        for at in range(0, len(inputs), together):
            requests.put(inputs[at : at + together])
        answers: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
        threads = [
            threading.Thread(target=self._work, args=(number, requests, together > 1, answers), daemon=True)
            for number in range(min(self._jobs, (len(inputs) + together - 1) // together))
        ]
        for thread in threads:
            thread.start()
        for _ in inputs:
            answer = answers.get()
            if isinstance(answer, Exception):
                raise answer
            yield answer
        for thread in threads:
            thread.join()

    def _work(
        self,
        number: int,
        requests: queue.SimpleQueue[Sequence[Input]],
        together: bool,
        answers: queue.SimpleQueue[Answer | Exception],
    ) -> None:
        try:
            while not self._closed:
                try:
                    asked = requests.get_nowait()
                except queue.Empty:
                    return
                self._ask(number, asked, together, answers)
        except Exception as error:  # noqa: BLE001 - it is raised where the answers are waited for
            answers.put(error)

    def _ask(
        self, number: int, asked: Sequence[Input], together: bool, answers: queue.SimpleQueue[Answer | Exception]
    ) -> None:
        left = list(asked)
        tries = 0
        while left and tries < _TRIES and not self._closed:
            process = self._process(number)
            tries += 1
            try:
                for answer in _answers(process, left, together):
                    answers.put(answer)
                    left.remove(answer[0])
            except (OSError, ValueError):
                self._drop(number)
        for one in left:
            if not self._closed:
                answers.put((one, Measurement(one.sha1, failed="its measuring process died"), {}))

    def _process(self, number: int) -> subprocess.Popen[bytes]:
        """The process of a thread, started if there is none. Raises CannotMeasure."""
        with self._lock:
            process = self._processes.get(number)
        if process is not None:
            return process
        asked = json.dumps({"how": self._how.to_json(), "seconds": self._seconds})
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "fuzz.minimize.measurer", asked],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,  # Ctrl-C comes to us only, and its children can be ended with it
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )
            with self._lock:
                self._processes[number] = process
                if self._closed:
                    _kill(process)
            line = _out(process).readline()
            if not line:
                process.wait()
                raise CannotMeasure(_last_line(said))
        values = json.loads(line)
        self.ready = Ready(values["longest"], {int(key): place for key, place in values["places"].items()})
        return process

    def _drop(self, number: int) -> None:
        with self._lock:
            process = self._processes.pop(number)
        _kill(process)


def _answers(process: subprocess.Popen[bytes], asked: Sequence[Input], together: bool) -> Iterator[Answer]:
    assert process.stdin is not None
    process.stdin.write(to_line({"paths": [str(one.path) for one in asked], "together": together}))
    process.stdin.flush()
    for one in list(asked):
        line = _out(process).readline()
        if not line.endswith(b"\n"):
            raise ValueError("died")
        values: dict[str, Any] = json.loads(line)
        measured = Measurement.from_json(values)
        if measured.sha1 and measured.sha1 != one.sha1:
            measured = Measurement(one.sha1, failed="was altered meanwhile")
        names = zip(values.get("numbers", ()), values.get("facts", ()), strict=True)
        yield one, replace(measured, sha1=one.sha1), {number: " ".join(map(str, fact)) for number, fact in names}


def _out(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process, and what it has forked."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
