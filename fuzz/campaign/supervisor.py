"""The supervisor: one worker process per machine, started, watched, restarted when it dies, ended in good order.

It never touches the corpus or the findings: those are the workers', and all it knows it reads from their statistics.
So it can be killed at any moment; the workers notice within a second and end too.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from fuzz.campaign.stats import read_stats, write_stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from fuzz.campaign.folder import Campaign
    from fuzz.campaign.stats import Stats
    from fuzz.campaign.spec import Spec

GRACE: Final = 1.5
"""Seconds between asking a worker to end and killing it."""
HOPELESS: Final = 3
"""Deaths in a row without one execution after which a worker is given up."""
LOG_LIMIT: Final = 4 << 20
"""Bytes a worker's log may have before it is put aside (one older log is kept)."""
ENDINGS: Final = {0: "", 70: "an input took too long", 71: "memory limit", 77: "crash in the engine"}


@dataclass(slots=True)
class _Running:
    spec: Spec
    process: subprocess.Popen[bytes]
    executions_at_start: int
    hopeless: int = 0
    done: bool = False


class Supervisor:
    """Runs workers until a deadline or a signal. `show` is called several times a second."""

    def __init__(
        self,
        campaign: Campaign,
        specs: Sequence[Spec],
        seconds: float | None,
        show: Callable[[float], None],
        say: Callable[[str], None],
        command: Sequence[str] = (sys.executable, "-m", "fuzz.campaign.worker"),
    ) -> None:
        self._campaign = campaign
        self._specs = specs
        self._seconds = seconds
        self._show = show
        self._say = say
        self._command = tuple(command)
        self._stop = ""

    def run(self) -> str:
        """Run to the end; returns why it ended: "time", "signal", "workers"."""
        handlers = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        started = time.monotonic()
        running: list[_Running] = []
        try:
            running = [self._start(spec, started) for spec in self._specs]
            while not self._stop:
                elapsed = time.monotonic() - started
                if self._seconds is not None and elapsed >= self._seconds:
                    self._stop = "time"
                for worker in running:
                    self._watch(worker, started)
                if all(worker.done for worker in running):
                    self._stop = self._stop or "workers"
                self._show(elapsed)
                if not self._stop:
                    time.sleep(0.1)
        finally:
            self._end(running)
            for number, handler in handlers.items():
                signal.signal(number, handler)
        self._show(time.monotonic() - started)
        return self._stop

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = "signal"

    def _start(self, spec: Spec, started: float) -> _Running:
        campaign = self._campaign
        campaign.prepare(spec.worker, spec.shared)
        folder = campaign.worker(spec.worker)
        left = None if self._seconds is None else max(0.0, self._seconds - (time.monotonic() - started))
        spec = replace(spec, seconds=left, supervisor=os.getpid())
        path = folder / "spec.json"
        path.write_text(spec.to_json())
        log = folder / "log.txt"
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            shutil.move(log, folder / "log.old.txt")
        before = read_stats(folder / "stats.json")
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*self._command, str(path)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's Ctrl-C comes to the supervisor only
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )
        return _Running(spec, process, before.executions if before else 0)

    def _watch(self, worker: _Running, started: float) -> None:
        status = worker.process.poll()
        if worker.done or status is None:
            return
        stats_path = self._campaign.worker(worker.spec.worker) / "stats.json"
        stats = read_stats(stats_path)
        if status == 0 and stats is not None and stats.state.startswith("stopped"):
            worker.done = True
            return
        reason = ENDINGS.get(status) or (signal.Signals(-status).name if status < 0 else f"exit status {status}")
        executed = stats is not None and stats.executions > worker.executions_at_start
        hopeless = 0 if executed else worker.hopeless + 1
        log = self._campaign.worker(worker.spec.worker) / "log.txt"
        if stats is not None:
            stats.deaths += 1
            stats.state = f"died: {reason}"
            write_stats(stats_path, stats)
        if hopeless >= HOPELESS:
            self._say(f"worker {worker.spec.worker}: given up after {hopeless} deaths ({reason}); see {log}")
            worker.done = True
            return
        self._say(f"worker {worker.spec.worker}: died ({reason}), started again; log in {log}")
        # Another random sequence, so that it does not walk into the same death.
        fresh = self._start(replace(worker.spec, seed=worker.spec.seed + 1_000_003), started)
        worker.spec, worker.process = fresh.spec, fresh.process
        worker.executions_at_start, worker.hopeless = fresh.executions_at_start, hopeless

    @staticmethod
    def _end(running: Sequence[_Running]) -> None:
        alive = [worker for worker in running if worker.process.poll() is None]
        for worker in alive:
            worker.process.terminate()
        deadline = time.monotonic() + GRACE
        for worker in alive:
            try:
                worker.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()


def all_stats(campaign: Campaign) -> tuple[Stats, ...]:
    """What each worker of a campaign last said, sorted by name."""
    found = (read_stats(campaign.worker(name) / "stats.json") for name in campaign.workers())
    return tuple(stats for stats in found if stats is not None)
