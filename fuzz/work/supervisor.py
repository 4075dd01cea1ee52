"""The supervisor: worker processes started, watched, started again when they die, ended in good order.

It never touches the corpus, and the findings only for an input that killed its worker; all else it knows it reads from
the workers' statistics, and from a pipe on which they say what a full disk would not take. So it can be killed at any
moment; the workers notice within a second and end too.

Where there are more workers than `jobs`, they take turns: a turn ends after a number of executions, so that with one
job the order of all executions is the same each time, or after its part of the time that there is.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.campaign.findings import FindingStore, Origin
from fuzz.campaign.folder import BOX, LOG
from fuzz.campaign.slots import take
from fuzz.campaign.stats import read_stats, write_stats
from fuzz.work.blackbox import forget, progress, read_box
from fuzz.work.deaths import FROM_OUTSIDE, death_of, last_function, stuck_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from fuzz.campaign.folder import Campaign
    from fuzz.campaign.spec import Spec
    from fuzz.campaign.stats import Stats
    from fuzz.engine import Found

GRACE: Final = 1.2
"""Seconds between asking a worker to end and killing it."""
HOPELESS: Final = 3
"""Deaths in a row without one execution after which a worker is given up."""
LOG_LIMIT: Final = 4 << 20
"""Bytes a worker's log may have before it is put aside (one older log is kept)."""
TURN: Final = 5_000
"""Executions in a turn."""
LATER: Final = 5.0
"""Seconds until a worker that could not be started, on a full disk, is tried again."""
STUCK: Final = 2.0
"""How many times its time limit, by the clock, a worker may stand still before it is killed."""
SLACK: Final = 15.0
"""And so many seconds more."""
NEXT_SEED: Final = 1_000_003
"""Each start of a worker explores with another random sequence, so that it does not walk into the same death."""


@dataclass(slots=True)
class _Job:
    """A worker, over all its processes."""

    spec: Spec
    starts: int = 0
    hopeless: int = 0
    not_before: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    executions_at_start: int = 0
    budget: int | None = None
    """Executions, of all runs, at which its present turn ends."""
    moved: float = 0.0
    """When it was last seen to come on."""
    at: tuple[int, bool] | None = None
    stuck: float = 0.0
    """Seconds that it had stood still when it was killed for it."""
    looked: float = 0.0


@dataclass(slots=True)
class _Pipe:
    """Lines that workers say."""

    read: int
    write: int
    rest: bytes = field(default=b"")

    def lines(self) -> list[str]:
        with suppress(BlockingIOError):
            while piece := os.read(self.read, 65536):
                self.rest += piece
        *whole, self.rest = self.rest.split(b"\n")
        return [line.decode(errors="replace") for line in whole]

    def close(self) -> None:
        os.close(self.read)
        os.close(self.write)


def _pipe() -> _Pipe:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    return _Pipe(read, write)


class Supervisor:
    """Runs workers until a deadline or a signal. `show` is called several times a second.

    `jobs`: processes at a time, all of them if not given. Specs name workers that nobody else holds.
    """

    def __init__(
        self,
        campaign: Campaign,
        specs: Sequence[Spec],
        seconds: float | None,
        show: Callable[[float], None],
        say: Callable[[str], None],
        command: Sequence[str] = (sys.executable, "-m", "fuzz.work.worker"),
        *,
        jobs: int | None = None,
    ) -> None:
        self._campaign = campaign
        self._seconds = seconds
        self._show = show
        self._say = say
        self._command = tuple(command)
        self._jobs = len(specs) if jobs is None else jobs
        self._turns = self._jobs < len(specs)
        self._waiting = deque(_Job(spec) for spec in specs)
        self._working: list[_Job] = []
        self._pipe = _pipe()
        self._locks: dict[str, int] = {}
        self._stop = ""
        self._started = 0.0

    def run(self) -> str:
        """Run to the end; returns why it ended: "time", "signal", "workers"."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        handlers = {number: signal.signal(number, self._on_signal) for number in numbers}
        self._started = time.monotonic()
        try:
            while not self._stop:
                elapsed = time.monotonic() - self._started
                if self._seconds is not None and elapsed >= self._seconds:
                    self._stop = "time"
                    break
                self._fill()
                for job in list(self._working):
                    self._watch(job)
                self._hear()
                if not self._working and not self._waiting:
                    self._stop = self._stop or "workers"
                self._show(elapsed)
                if not self._stop:
                    time.sleep(0.1)
        finally:
            self._end()
            self._hear()
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for lock in self._locks.values():
                os.close(lock)
            self._pipe.close()
        self._show(time.monotonic() - self._started)
        return self._stop

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = "signal"

    def _hear(self) -> None:
        for line in self._pipe.lines():
            self._say(line)

    def _folder(self, job: _Job) -> Path:
        return self._campaign.worker(job.spec.worker)

    def _fill(self) -> None:
        """Start those whose turn it is."""
        for _ in range(len(self._waiting)):
            if len(self._working) >= self._jobs or self._stop:
                return
            job = self._waiting.popleft()
            if time.monotonic() < job.not_before:
                self._waiting.append(job)
                continue
            try:
                self._start(job)
            except OSError as error:
                if not job.not_before:
                    self._say(f"worker {job.spec.worker}: cannot start: {error.strerror or error}; tried again")
                job.not_before = time.monotonic() + LATER
                self._waiting.append(job)
                continue
            job.not_before = 0.0
            self._working.append(job)

    def _start(self, job: _Job) -> None:
        worker = job.spec.worker
        self._campaign.prepare(worker, job.spec.shared)
        if worker not in self._locks:
            lock = take(self._campaign, worker)
            if lock is None:
                raise OSError(0, "another run has a worker of this name")
            self._locks[worker] = lock
        folder = self._folder(job)
        before = read_stats(folder / "stats.json")
        job.executions_at_start = before.executions if before else 0
        job.budget = job.spec.executions
        if self._turns:
            job.budget = min(job.executions_at_start + TURN, job.budget or sys.maxsize)
        spec = replace(
            job.spec,
            seed=job.spec.seed + NEXT_SEED * job.starts,
            seconds=self._time_left(),
            executions=job.budget,
            supervisor=os.getpid(),
        )
        path = folder / "spec.json"
        path.write_text(spec.to_json())
        log = folder / LOG
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            shutil.move(log, folder / "log.old.txt")
        with log.open("ab") as output:
            job.process = subprocess.Popen(
                [*self._command, str(path), str(self._pipe.write)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's Ctrl-C comes to the supervisor only
                pass_fds=(self._pipe.write, self._locks[worker]),
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )
        job.starts += 1
        job.at, job.stuck = None, 0.0
        job.moved = job.looked = time.monotonic()

    def _time_left(self) -> float | None:
        """Seconds for a worker that starts now."""
        if self._seconds is None:
            return None
        left = max(0.0, self._seconds - (time.monotonic() - self._started))
        everybody = len(self._waiting) + len(self._working) + 1
        return min(left, self._seconds * self._jobs / (2 * everybody)) if self._turns else left

    def _watch(self, job: _Job) -> None:
        process = job.process
        if process is None:
            return
        status = process.poll()
        if status is None:
            self._look(job, process)
            return
        self._hear()  # its last words come before ours
        self._working.remove(job)
        if status == 0 and not job.stuck:
            self._ended(job)
        else:
            self._died(job, status)

    def _look(self, job: _Job, process: subprocess.Popen[bytes]) -> None:
        """Kill a worker that stands still: an exception could not end what it does."""
        now = time.monotonic()
        if now - job.looked < 1.0:
            return
        job.looked = now
        at = progress(self._folder(job) / BOX)
        if at is None or at != job.at or _halted(process.pid):
            job.at, job.moved = at, now
        elif now - job.moved > STUCK * job.spec.timeout + SLACK:
            job.stuck = now - job.moved
            process.send_signal(signal.SIGUSR1)  # the stack goes to the log
            time.sleep(0.3)
            process.kill()

    def _ended(self, job: _Job) -> None:
        """It ended as it was told: it may have another turn."""
        stats = read_stats(self._folder(job) / "stats.json")
        reason = stats.state.partition(": ")[2] if stats is not None else ""
        if reason == "memory":
            self._say(f"worker {job.spec.worker}: started anew, it had grown to {_mib(stats)} MiB")
            self._waiting.appendleft(job)
        elif self._turns and reason in {"executions", "time"} and not _spent(job.spec, stats):
            self._waiting.append(job)

    def _died(self, job: _Job, status: int) -> None:
        folder = self._folder(job)
        number = -status if status < 0 else 0
        how = signal.Signals(number).name if number else f"exit status {status}"
        last = read_box(folder / BOX)
        stats = read_stats(folder / "stats.json")
        found: Found | None = None
        if job.stuck and last is not None:
            found = stuck_in(last_function(folder / LOG), job.stuck)
        elif last is not None and number not in FROM_OUTSIDE:
            found = death_of(how, last_function(folder / LOG))
        why = f"stood still for {job.stuck:.0f} s" if job.stuck else how
        executed = stats is not None and stats.executions > job.executions_at_start
        if stats is not None:
            stats.deaths += 1
            stats.state = f"died: {why}"
            if last is not None:
                stats.executions = max(stats.executions, job.executions_at_start + last.execution)
                executed = True
            if found is not None:
                stats.saw(found.cause, found.kind, stats.executions, stats.seconds)
            with suppress(OSError):
                write_stats(folder / "stats.json", stats)
        if found is not None and last is not None:
            self._keep(job, found, last.data, job.executions_at_start + last.execution)
            why += ", its input is kept as a finding"
        job.hopeless = 0 if executed else job.hopeless + 1
        if job.hopeless >= HOPELESS:
            self._say(f"worker {job.spec.worker}: given up after {job.hopeless} deaths ({why}); see {folder / LOG}")
            return
        self._say(f"worker {job.spec.worker}: died ({why}), started again; log in {folder / LOG}")
        self._waiting.appendleft(job)

    def _keep(self, job: _Job, found: Found, data: bytes, execution: int) -> None:
        """Keep the input that killed a worker; the black box has it until that is done."""
        spec = job.spec
        try:
            origin = Origin(spec.machine, spec.target, execution, spec.loadvm)
            FindingStore(self._campaign.findings).keep(found, data, origin)
            forget(self._folder(job) / BOX)
        except OSError as error:
            self._say(f"worker {spec.worker}: its last input could not be kept yet: {error.strerror or error}")

    def _end(self) -> None:
        alive = [job.process for job in self._working if job.process is not None and job.process.poll() is None]
        for process in alive:
            process.terminate()
        deadline = time.monotonic() + GRACE
        for process in alive:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _spent(spec: Spec, stats: Stats | None) -> bool:
    """Whether a worker has done all that it was asked for."""
    return spec.executions is not None and stats is not None and stats.executions >= spec.executions


def _mib(stats: Stats | None) -> int:
    return stats.rss >> 20 if stats is not None else 0


def _halted(process: int) -> bool:
    """Whether somebody has stopped it (SIGSTOP, a debugger)."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in {"T", "t"}
