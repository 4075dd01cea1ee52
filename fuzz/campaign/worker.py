"""A worker: one process, one machine, one target, run by the supervisor as `python -m fuzz.campaign.worker SPEC`.

Order matters here. Probes are installed before anything of the code under test is imported, so this module imports
neither the model nor the targets at its top; and nothing touches atheris's native module before `Fuzz()` (see
`fuzz.engine.features`).

The worker ends by itself when its time is over, when told by a signal, or when the supervisor has died.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.campaign.findings import FindingStore, Origin
from fuzz.campaign.spec import Spec
from fuzz.campaign.stats import Stats, read_stats, write_stats
from fuzz.engine import PROBES, Engine, FeatureMap, Harness, bytes_mutator
from fuzz.engine.probes import install

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.engine import Found, Target
    from fuzz.mutate.mutator import Mutator
    from fuzz.mutate.programs import ProgramMutator

INSTRUMENTED: Final = ("model", "vmformat.plan", "vmformat.reader", "vmformat._steps", "vmformat.ram.records")
"""What is under test: the model, and the parts of vmformat that its loader walks."""

UNDER_TEST: Final = {"roundtrip": ("vmformat",), "memory": ("model.memory", "model.designs")}
"""What is under test where streams are only read, and where programs run."""

WITHOUT: Final = ("model.memory.changes", "model.memory.rendering")
"""Not these: renderings are remembered, so what runs here tells of earlier inputs, not of this one."""


class WorkerReport:
    """Keeps findings at once and statistics once a second."""

    PERIOD = 1.0

    def __init__(
        self, spec: Spec, folder: Path, store: FindingStore, corpus: Path, arms: Callable[[], dict[str, list[int]]]
    ) -> None:
        self._spec = spec
        self._path = folder / "stats.json"
        self._store = store
        self._corpus = corpus
        self._arms = arms
        before = read_stats(self._path)
        self.stats = before or Stats(spec.worker, spec.machine, spec.target)
        self.stats.machine, self.stats.target, self.stats.seed = spec.machine, spec.target, spec.seed
        self.stats.group = spec.shared
        self.stats.pid = os.getpid()
        self.stats.runs += 1
        self.stats.state = "running"
        self._executions_before = self.stats.executions
        self._seconds_before = self.stats.seconds
        self._arms_before = self.stats.arms
        self._started = time.monotonic()
        self._written = 0.0
        self._recent: list[tuple[float, int]] = []
        self._unkept: dict[str, tuple[Found, bytes, Origin]] = {}

    def found(self, found: Found, data: bytes, execution: int) -> None:
        """Count a finding and keep its input if it is the first or the smallest of its cause."""
        number = self._executions_before + execution
        seconds = self._seconds_before + time.monotonic() - self._started
        self.stats.saw(found.cause, found.kind, number, seconds)
        self._keep(found, data, Origin(self._spec.machine, self._spec.target, number, self._spec.loadvm))

    def _keep(self, found: Found, data: bytes, origin: Origin) -> None:
        try:
            self._store.keep(found, data, origin)
        except OSError as error:  # a full disk: hold on to one input per cause and try again each second
            self.stats.trouble = f"findings: {error.strerror or error}"
            held = self._unkept.get(found.cause)
            if held is None or len(data) < len(held[1]):
                self._unkept[found.cause] = (found, data, origin)
        else:
            if self._unkept.pop(found.cause, None) is not None and not self._unkept:
                self.stats.trouble = ""

    def tick(self, executions: int, situations: int) -> bool:
        """Write the statistics when a second has passed; True when the supervisor is gone."""
        now = time.monotonic()
        if now - self._written >= self.PERIOD:
            self._written = now
            self._write(executions, situations)
            for found, data, origin in list(self._unkept.values()):
                self._keep(found, data, origin)
            return self._spec.supervisor != 0 and os.getppid() != self._spec.supervisor
        return False

    def stopped(self, executions: int, situations: int, reason: str) -> None:
        """Last words: statistics with the reason."""
        self.stats.state = f"stopped: {reason}"
        self._write(executions, situations)

    def _write(self, executions: int, situations: int) -> None:
        now = time.monotonic()
        stats = self.stats
        stats.executions = self._executions_before + executions
        stats.seconds = round(self._seconds_before + now - self._started, 3)
        self._recent = [*self._recent[-5:], (now, executions)]
        span = now - self._recent[0][0]
        if span > 0:
            stats.rate = round((executions - self._recent[0][1]) / span, 1)
        stats.situations = situations
        stats.arms = {
            name: [used + old for used, old in zip_longest(counts, self._arms_before.get(name, []), fillvalue=0)]
            for name, counts in self._arms().items()
        }
        try:
            stats.corpus = sum(1 for _ in os.scandir(self._corpus))
            write_stats(self._path, stats)
        except OSError as error:
            stats.trouble = f"statistics: {error.strerror or error}"


def main(argv: list[str]) -> None:
    """Run the worker that the spec file describes. Does not return."""
    spec = Spec.from_json(Path(argv[1]).read_text())
    features = FeatureMap()
    if spec.probes:
        under_test = UNDER_TEST.get(spec.target, INSTRUMENTED)
        # Programs forget what was rendered for others.
        install(under_test, features.counters, PROBES, () if spec.target == "memory" else WITHOUT)
    # Only now: importing these imports the code under test.
    from fuzz.campaign.build import build_mutator, build_target  # noqa: PLC0415

    target: Target = build_target(spec)
    mutator = build_mutator(spec)
    run(spec, target, mutator, features)


def run(spec: Spec, target: Target, mutator: Mutator | ProgramMutator, features: FeatureMap) -> None:
    """Fuzz `target` with `mutator` as the spec says. Does not return."""
    campaign = Path(spec.campaign)
    folder = campaign / "workers" / spec.worker
    corpus = campaign / "corpus" / spec.shared
    report = WorkerReport(spec, folder, FindingStore(campaign / "findings"), corpus, mutator.counts)
    left = None if spec.executions is None else max(0, spec.executions - report.stats.executions)
    harness = Harness(target, report, features, seconds=spec.seconds, executions=left)
    if spec.profile:
        from fuzz.campaign.profile import start  # noqa: PLC0415 - bench only

        start(Path(spec.profile))
    mutator.engine = bytes_mutator()
    # What was built so far lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    seeds = tuple(sorted({Path(seed).parent for seed in spec.seeds}))
    engine = Engine(spec.seed, corpus, seeds, folder / "stuck", max_len=mutator.max_size)
    harness.fuzz(engine, mutator.mutate, mutator.crossover)


if __name__ == "__main__":
    main(sys.argv)
