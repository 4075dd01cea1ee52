"""What a worker does with what the harness tells it: keep inputs and findings at once, statistics once a second.

A disk that is full costs nothing that was found: what could not be written is held in memory and tried again each
second, and the supervisor is told by a pipe, since a file would not do.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import deque
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.campaign.findings import Origin, cause_id
from fuzz.campaign.shelf import name_of
from fuzz.campaign.stats import Stats, now, read_stats, write_stats
from fuzz.work.feed import Waiting
from fuzz.work.limits import memory_of_this_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.campaign.findings import FindingStore
    from fuzz.campaign.shelf import Shelf
    from fuzz.campaign.spec import Spec
    from fuzz.engine import FeatureMap, Found
    from fuzz.work.blackbox import BlackBox
    from fuzz.work.feed import Feed, Mutator

HELD: Final = 64 << 20
"""Bytes of corpus entries held while the disk is full. Of findings one input for each cause is, whatever that takes."""

_PATIENCE: Final = 0.5
"""Seconds in which the last entries are brought onto the disk before the process ends; they are written either way."""


class WorkerReport:
    """Keeps findings and entries at once and statistics once a second."""

    PERIOD = 1.0

    def __init__(
        self,
        spec: Spec,
        folder: Path,
        store: FindingStore,
        shelf: Shelf,
        feed: Feed,
        features: FeatureMap,
        mutator: Mutator,
        *,
        voice: int | None = None,
    ) -> None:
        self._spec = spec
        self._path = folder / "stats.json"
        self._store = store
        self._shelf = shelf
        self._feed = feed
        self._features = features
        self._mutator = mutator
        self.box: BlackBox | None = None
        self.enough: Callable[[], None] = lambda: None
        """Called when what the spec waits for is found and kept."""
        self._voice = voice
        before = read_stats(self._path)
        self.stats = before or Stats(spec.worker, spec.machine, spec.target)
        self.stats.machine, self.stats.target, self.stats.seed = spec.machine, spec.target, spec.seed
        self.stats.group = spec.shared
        self.stats.pid = os.getpid()
        self.stats.runs += 1
        self.stats.state = "running"
        self.stats.trouble = ""
        self._executions_before = self.stats.executions
        self._seconds_before = self.stats.seconds
        self._arms_before = self.stats.arms
        self._yields: dict[str, list[int]] = {}
        """Per arm: executions of what it made, entries of the corpus from them, causes that they showed first."""
        self._started = time.monotonic()
        self._written = 0.0
        self._recent: deque[tuple[float, int]] = deque(maxlen=6)
        self._unkept: dict[str, tuple[Found, bytes, Origin]] = {}
        self._unshelved: dict[bytes, None] = {}
        self._unshelved_bytes = 0
        self.lost = 0
        """Corpus entries that found no room in memory either. Another execution may find them again."""

    def began(self, data: bytes, execution: int) -> None:
        """Put the input into the black box."""
        if self.box is not None:
            current = self._feed.current
            self.box.begin(data, execution, current.deaths if current is not None else 0)

    def ended(self, data: bytes, execution: int, fresh: int) -> None:
        """Keep the input if it lit something new and is on disk nowhere yet; then the black box may forget it."""
        self._kept(data, fresh)
        if self.box is not None:
            self.box.end()

    def _kept(self, data: bytes, fresh: int) -> None:
        arms = self._feed.arms
        for name in arms:
            self._yield(name)[0] += 1
        current = self._feed.current
        if not fresh or not data or not self._feed.asked or (current is not None and current.kept):
            return
        for name in arms:
            self._yield(name)[1] += 1
        self.stats.newest = now()
        self._put(data)

    def _yield(self, arm: str) -> list[int]:
        return self._yields.setdefault(arm, [0, 0, 0])

    def _put(self, data: bytes) -> bool:
        try:
            self._shelf.keep(data)
        except OSError as error:
            if data not in self._unshelved:
                if self._unshelved_bytes + len(data) > HELD:
                    self.lost += 1
                else:
                    self._unshelved[data] = None
                    self._unshelved_bytes += len(data)
            self._trouble(error)
            return False
        return True

    def found(self, found: Found, data: bytes, execution: int) -> None:
        """Count a finding and keep its input if it is the first or the smallest of its cause."""
        number = self._executions_before + execution
        seconds = self._seconds_before + time.monotonic() - self._started
        if found.kind == "hang":
            self.stats.hangs += 1
        current = self._feed.current
        repeat = current is not None and current.kept
        if self.stats.saw(found.cause, found.kind, number, seconds, repeat=repeat):
            for name in self._feed.arms:
                self._yield(name)[2] += 1
        self._keep(found, data, Origin(self._spec.machine, self._spec.target, number, self._spec.loadvm))
        if found.design in self._spec.until:
            self.enough()

    def _keep(self, found: Found, data: bytes, origin: Origin) -> bool:
        try:
            self._store.keep(found, data, origin)
        except OSError as error:  # a full disk: hold on to one input per cause
            held = self._unkept.get(found.cause)
            if held is None or len(data) < len(held[1]):
                self._unkept[found.cause] = (found, data, origin)
            self._trouble(error)
            return False
        self._unkept.pop(found.cause, None)
        return True

    def _trouble(self, error: OSError) -> None:
        """Say once that the disk refuses."""
        if not self.stats.trouble:
            self.stats.trouble = f"cannot write: {error.strerror or error}"
            self._say(f"{self.stats.trouble}; what is found is held in memory and written when there is room")

    def _say(self, line: str) -> None:
        """A line for the supervisor; nothing waits for it."""
        if self._voice is not None:
            with suppress(OSError):
                os.write(self._voice, f"worker {self._spec.worker}: {line}\n".encode()[:4000])

    def _again(self) -> None:
        """Write what is held, as far as there is room."""
        if not self._unkept and not self._unshelved:
            return
        findings, entries = len(self._unkept), len(self._unshelved)
        for found, data, origin in list(self._unkept.values()):
            if not self._keep(found, data, origin):
                return
        for data in list(self._unshelved):
            if not self._put(data):
                return
            del self._unshelved[data]
            self._unshelved_bytes -= len(data)
        lost = f", {self.lost} corpus entries did not fit into memory" if self.lost else ""
        self._say(f"writes again: {findings} findings and {entries} corpus entries were held{lost}")
        self.stats.trouble, self.lost = "", 0

    def tick(self, executions: int, situations: int) -> str:
        """Write the statistics when a second has passed, and look what peers found; why to stop, "" to go on."""
        moment = time.monotonic()
        if moment - self._written < self.PERIOD:
            return ""
        self._written = moment
        self._again()
        for error in self._shelf.settle(0.0):
            self._say(f"{error.filename or 'the disk'}: {error.strerror}; an entry might not outlive a loss of power")
        with suppress(OSError):
            self._feed.add(Waiting(path) for path in self._shelf.unseen())
        for line in self._feed.trouble:
            self._say(line)
        self._feed.trouble.clear()
        self._write(executions, situations)
        if self._spec.supervisor != 0 and os.getppid() != self._spec.supervisor:
            return "alone"
        if self._spec.recycle and self.stats.rss > self._spec.recycle:
            return "memory"
        return ""

    def stopped(self, executions: int, situations: int, reason: str) -> None:
        """Last words: what is held, if it can be written, and statistics with the reason."""
        self._again()
        self._rescue()
        self._shelf.settle(_PATIENCE)
        self.stats.state = f"stopped: {reason}"
        self._write(executions, situations)

    def _rescue(self) -> None:
        """What the campaign's disk does not take goes where temporary files go, as inputs, and is said.

        In plain files: there is a second for it before the supervisor loses patience.
        """
        if not self._unkept and not self._unshelved:
            return
        place = Path(tempfile.gettempdir()) / f"vmfuzz-held-{os.getpid()}"
        try:
            place.mkdir(exist_ok=True)
            for found, data, _ in self._unkept.values():
                (place / cause_id(found.cause)).write_bytes(data)
            for data in self._unshelved:
                (place / name_of(data)).write_bytes(data)
        except OSError as error:
            self._say(f"what was held could not be written anywhere ({place}: {error.strerror})")
        else:
            many = f"{len(self._unkept)} findings and {len(self._unshelved)} corpus entries"
            self._say(f"{many} that were held are inputs in {place}; in {self._shelf.folder} they take part again")

    def _write(self, executions: int, situations: int) -> None:
        moment = time.monotonic()
        stats = self.stats
        stats.executions = self._executions_before + executions
        stats.seconds = round(self._seconds_before + moment - self._started, 3)
        self._recent.append((moment, executions))
        span = moment - self._recent[0][0]
        if span > 0:
            stats.rate = round((executions - self._recent[0][1]) / span, 1)
        stats.situations = situations
        stats.features, stats.once, stats.twice = self._features.tally
        stats.lit, stats.probes = self._features.coverage
        stats.sampled = executions
        stats.corpus = len(self._shelf)
        stats.rss = memory_of_this_process()[1]
        stats.arms = self._arms()
        stats.weights = {name: round(weight, 2) for name, weight in self._mutator.weights().items()}
        with suppress(OSError):  # said already, by what matters more
            write_stats(self._path, stats)

    def _arms(self) -> dict[str, list[int]]:
        made = {name: [*counts, *self._yields.get(name, (0, 0, 0))] for name, counts in self._mutator.counts().items()}
        return {
            name: [more + old for more, old in zip_longest(counts, self._arms_before.get(name, ()), fillvalue=0)]
            for name, counts in made.items()
        }
