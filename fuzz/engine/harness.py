"""One worker's life inside the engine: run, catch, mark, report, stop.

The engine calls `Harness.__call__` for each input. An exception that reaches libFuzzer would end the process with one
finding; so everything is caught here, turned into a finding and the engine goes on. What an execution lit for the first
time is told at its end, so that the campaign has the input on disk, whole, before the engine even knows that it keeps
it; libFuzzer itself is given no folder and writes nothing. Stopping is a flag that is looked at between two executions:
signal handlers only set it. The process then ends by `os._exit`, after the report's last flush, since libFuzzer's own
ways out skip `finally` and atexit.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from fuzz.engine.counters import stabilise
from fuzz.engine.target import RAISED, exception_found
from fuzz.engine.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from fuzz.engine.features import FeatureMap
    from fuzz.engine.target import Found, Target

    Mutator = Callable[[bytes, int, int], bytes]
    Crossover = Callable[[bytes, bytes, int, int], bytes]


NEVER: Final = 1 << 30
"""Seconds; libFuzzer would else leave files about slow inputs in the working directory."""


class Report(Protocol):
    """Who hears about executions and findings: the campaign."""

    def began(self, data: bytes, execution: int) -> None:
        """An execution begins; should the process not live to its end, this was the input."""
        ...

    def ended(self, data: bytes, execution: int, fresh: int) -> None:
        """It has ended, what it found is told, and it lit `fresh` counters that no earlier one had."""
        ...

    def found(self, found: Found, data: bytes, execution: int) -> None:
        """An execution showed this finding. Called at the moment of discovery, each time it is seen."""
        ...

    def tick(self, executions: int, situations: int) -> str:
        """Called between executions about four times a second; a reason asks the worker to stop, "" to go on."""
        ...

    def stopped(self, executions: int, situations: int, reason: str) -> None:
        """The last words, before the process ends."""
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """How libFuzzer is run."""

    seed: int
    max_len: int = 1 << 20
    """Longest input, bytes. Always passed: libFuzzer's own default truncates at 1 MiB without a word."""

    def arguments(self) -> list[str]:
        """The command line for atheris.Setup. A seed of 0 would mean 'by the clock' to libFuzzer."""
        seed = self.seed * 0x9E3779B1 & 0xFFFFFFFF
        return [
            sys.argv[0] or "vmfuzz",
            f"-seed={seed or 1}",
            f"-max_len={self.max_len}",
            "-len_control=0",
            "-reload=0",
            "-reduce_inputs=0",
            # Time and memory are watched by us, and a signal shall end the process as what it is.
            "-timeout=0",
            "-rss_limit_mb=0",
            f"-report_slow_units={NEVER}",
            *(f"-handle_{name}=0" for name in ("segv", "bus", "abrt", "ill", "fpe", "xfsz")),
            "-verbosity=0",
        ]


class Harness:
    """Runs a target in the engine until a deadline, a budget of executions, or a signal."""

    TICK = 0.25

    def __init__(
        self,
        target: Target,
        report: Report,
        features: FeatureMap,
        *,
        seconds: float | None = None,
        executions: int | None = None,
        watchdog: Watchdog | None = None,
        leave: Callable[[int], None] = os._exit,
        learn: Callable[[int, str | None], None] | None = None,
    ) -> None:
        self._target = target
        self._report = report
        self._features = features
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._budget = executions
        self._watchdog = watchdog or Watchdog(float("inf"))
        self._leave = leave
        self._learn = learn
        """Told at the end of each execution what it lit for the first time, and `Execution.stopped`."""
        self._stopped: str | None = None
        self._next_tick = 0.0
        self._stop = ""
        self.executions = 0

    def stop(self, reason: str) -> None:
        """Ask for the end after the current execution. Safe to call from a signal handler."""
        self._stop = reason

    def __call__(self, data: bytes) -> None:
        """One execution, for the engine."""
        if not self._features.registered:
            self._features.register()
        self.execute(data)

    def execute(self, data: bytes) -> None:
        """One execution: budget and signals first, then the target, then what it showed."""
        self._between()
        self.executions += 1
        self._features.clear()
        self._report.began(data, self.executions)
        all_found = self._run(data)
        for found in all_found:
            self._report.found(found, data, self.executions)
        fresh = self._features.fold()
        self._report.ended(data, self.executions, fresh)
        if self._learn is not None:
            self._learn(fresh, self._stopped)

    def _run(self, data: bytes) -> tuple[Found, ...]:
        self._stopped = None
        try:
            self._watchdog.begin()
            execution = self._target.run(data)
            self._watchdog.end()
        except RAISED as error:
            self._watchdog.end()
            found = exception_found("any", error)
            self._features.mark([("exception", found.cause)])
            return (found,)
        self._features.mark(execution.features)
        self._stopped = execution.stopped
        return execution.found

    def _between(self) -> None:
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + self.TICK
            asked = self._report.tick(self.executions, self._features.situations)
            if asked:
                self.stop(asked)
        if self._deadline is not None and now >= self._deadline:
            self.stop("time")
        if self._budget is not None and self.executions >= self._budget:
            self.stop("executions")
        if self._stop:
            self._report.stopped(self.executions, self._features.situations, self._stop)
            with suppress(OSError):  # a full disk
                sys.stdout.flush()
                sys.stderr.flush()
            self._leave(0)

    def fuzz(self, engine: Engine, mutator: Mutator | None, crossover: Crossover | None) -> None:
        """Run until told to stop. Does not return: the process ends.

        Raises ImportError where there is no atheris.
        """
        stabilise()
        import atheris  # noqa: PLC0415 - optional

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self.stop("signal")

        # Set before Fuzz(): libFuzzer leaves handlers alone that are already there.
        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
        hooks: dict[str, Mutator | Crossover] = {}
        if mutator is not None:
            hooks["custom_mutator"] = mutator
        if crossover is not None:
            hooks["custom_crossover"] = crossover
        # The command line is complete: sys.argv must not be read as folders.
        self._watchdog.start()
        atheris.Setup(engine.arguments(), self, **hooks)
        atheris.Fuzz()
        self._report.stopped(self.executions, self._features.situations, "engine")


def available() -> str:
    """Empty when the engine can run here, else one line that says why not."""
    try:
        import atheris  # noqa: F401, PLC0415 - optional
    except ImportError as error:
        return f"run: atheris, the fuzzing engine, is not installed for this Python ({error}); other commands work"
    return ""


def bytes_mutator() -> Callable[[bytes, int], bytes]:
    """libFuzzer's own byte mutations, usable inside a custom mutator only (never from a crossover)."""
    import atheris  # noqa: PLC0415 - optional

    def mutate(data: bytes, max_size: int) -> bytes:
        return bytes(atheris.Mutate(data, max_size))

    return mutate
