"""A worker: one process, one machine, one target, run by the supervisor as `python -m fuzz.work.worker SPEC`.

Order matters here. Probes are installed before anything of the code under test is imported, so this module imports
neither the model nor the targets at its top; and nothing touches atheris's native module before `Fuzz()` (see
`fuzz.engine.features`).

The worker ends by itself when its time is over, when told by a signal, or when the supervisor has died.
"""

from __future__ import annotations

import faulthandler
import resource
import signal
import sys
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.campaign.findings import FindingStore
from fuzz.campaign.folder import BOX
from fuzz.campaign.shelf import Shelf
from fuzz.campaign.spec import Spec
from fuzz.campaign.stats import read_stats
from fuzz.engine import PROBES, Engine, FeatureMap, Harness, Watchdog, bytes_mutator
from fuzz.engine.collector import leave_alone
from fuzz.engine.counters import stabilise
from fuzz.engine.lights import ProbeLights
from fuzz.engine.probes import ProbeFinder, install
from fuzz.settling import Settling
from fuzz.work.blackbox import BlackBox, read_box
from fuzz.work.deaths import MOST_DEATHS, death_of
from fuzz.work.feed import Feed, Waiting
from fuzz.work.limits import keep_memory, limit, memory_of_this_process
from fuzz.work.reporting import WorkerReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fuzz.engine import Target
    from fuzz.work.blackbox import Last
    from fuzz.work.feed import Mutator

INSTRUMENTED: Final = ("model",)
"""What is under test. Reading fields is the same code for all of them: its probes told little, and cost a sixth."""

UNDER_TEST: Final = {"roundtrip": ("vmformat",), "memory": ("model.memory", "model.designs")}
"""What is under test where streams are only read, and where programs run."""

WITHOUT: Final = (
    # What runs here tells of earlier inputs, or of earlier loads of this one: it remembers.
    "model.devices.virtio.renewal",
    "model.devices.virtio.together",
    "model.listening",
    "model.lights",
    "model.memory.changes",
    "model.memory.pieces",
    "model.memory.publishing",
    "model.memory.rendering",
    "model.memory.series",
    "model.memory.spares",
    "model.quiet",
    "model.rehearsal",
    "model.situation",
    "model.devices.registers",
    "model.devices.checks.check:Watch.distances",
    "model.walks",
    "model.devices.bridge:Bridge._new_windows",
    "model.devices.handler:Handler._new_plan",
    "model.machine:Machine._new_bounds",
    # What is undone, or looked at in the end, is what was done in earnest.
    "model.machine:Machine.distances",
    "model.machine:Machine.reset",
    "model.memory.memory:Memory._new_content",
    "model.memory.memory:Memory._new_node",
    "model.memory.memory:Memory._new_series",
    "model.memory.region:Region.__init__",
    "model.memory.region:Region.is_direct",
    "model.session:_new_spare",
    "model.shelf",
    "model.turns:Turns.count",
    "model.turns:Turns.go_by",
    "model.turns:Turns.pass_by",
    "vmformat._layout.compile:_new_layout",
    "vmformat.leaves:_new_leaves",
    # What a seeded bug does is no part of the program, and no input lights it of its own accord.
    "model.seeded",
    # A rehearsed design dies of its own accord: a load would have asked this of it.
    "model.load_state:LoadState.abort",
)
"""Not these: what an input lights is to depend on that input alone. `fuzz.engine.probes` tells what a colon means."""


def main(argv: list[str]) -> None:
    """Run the worker that the spec file describes. Does not return."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=False)
    leave_alone()
    spec = Spec.from_json(Path(argv[1]).read_text())
    features = FeatureMap()
    with _instrumented(spec, features):
        # Only now: importing these imports the code under test.
        from fuzz.work.build import build_mutator, build_target  # noqa: PLC0415

    target: Target = build_target(spec, ProbeLights(features))
    before = read_stats(Path(spec.campaign) / "workers" / spec.worker / "stats.json")
    mutator = build_mutator(spec, 0 if before is None else before.executions)
    run(spec, target, mutator, features, int(argv[2]) if len(argv) > 2 else None)


@contextmanager
def _instrumented(spec: Spec, features: FeatureMap) -> Iterator[None]:
    """What is under test and imported within is instrumented as the spec says."""
    under_test = UNDER_TEST.get(spec.target, INSTRUMENTED)
    # Programs forget what was rendered for others.
    without = () if spec.target == "memory" else WITHOUT
    if spec.probes and spec.by_atheris:
        stabilise()
        import atheris  # noqa: PLC0415 - optional

        # Only whole modules can be left out: the engine itself then keeps a little more than it should.
        with atheris.instrument_imports([*under_test], ProbeFinder(under_test, features.counters, 1, without).others()):
            yield
        return
    if spec.probes:
        finder = install(under_test, features.counters, PROBES, without)
        features.written = lambda: finder.count
    yield


def run(spec: Spec, target: Target, mutator: Mutator, features: FeatureMap, voice: int | None = None) -> None:
    """Fuzz `target` with `mutator` as the spec says. Does not return.

    `voice`: a descriptor for lines to the supervisor.
    """
    campaign = Path(spec.campaign)
    folder = campaign / "workers" / spec.worker
    shelf = Shelf(campaign / "corpus" / spec.shared, Settling())
    store = FindingStore(campaign / "findings")
    killed_by = read_box(folder / BOX)
    feed = Feed(mutator, _waiting(spec, shelf, killed_by))
    report = _report(spec)(spec, folder, store, shelf, feed, features, mutator, voice=voice)
    if killed_by is not None and killed_by.deaths + 1 >= MOST_DEATHS:
        report.found(death_of("killed", "?", killed_by.deaths + 1), killed_by.data, 0)
        killed_by = None
    with suppress(OSError):  # a full disk: the report will tell
        report.box = BlackBox(folder / BOX, mutator.max_size, killed_by)
    left = None if spec.executions is None else max(0, spec.executions - report.stats.executions)
    watchdog = Watchdog(spec.timeout)
    harness = Harness(
        target, report, features, seconds=spec.seconds, executions=left, watchdog=watchdog, learn=feed.learned
    )
    report.enough = lambda: harness.stop("found")
    if spec.profile:
        from fuzz.work.profile import start  # noqa: PLC0415 - bench only
        from model import REFERENCE  # noqa: PLC0415 - as in `main`

        start(Path(spec.profile), REFERENCE.name)
    mutator.engine = bytes_mutator()
    keep_memory()
    leave_alone()
    if spec.memory:
        # Beyond that it gets a MemoryError, which is a finding.
        limit(resource.RLIMIT_AS, memory_of_this_process()[0] + spec.memory)
    harness.fuzz(Engine(spec.seed, max_len=mutator.max_size), feed.mutate, feed.crossover)


def _report(spec: Spec) -> Callable[..., WorkerReport]:
    """What hears of executions."""
    if not spec.strict:
        return WorkerReport
    from fuzz.work.build import read_description  # noqa: PLC0415 - as in `main`
    from fuzz.work.strict import StrictReport  # noqa: PLC0415 - bench only
    from model import section_schemas  # noqa: PLC0415

    schemas = section_schemas(read_description(Path(spec.description)))
    return partial(StrictReport, schemas=schemas, into=Path(spec.strict))


def _waiting(spec: Spec, shelf: Shelf, killed_by: Last | None) -> Iterator[Waiting]:
    """What is executed before the first mutant: the seeds, then the corpus, small ones first.

    Before all of them, once more, the input of which an earlier life may have died: if it was that, it will show.
    """
    if killed_by is not None and killed_by.deaths + 1 < MOST_DEATHS:
        yield Waiting(killed_by.data, kept=False, deaths=killed_by.deaths + 1)
    yield from (Waiting(Path(seed)) for seed in spec.seeds)
    yield from (Waiting(path) for path in shelf.unseen())


if __name__ == "__main__":
    main(sys.argv)
