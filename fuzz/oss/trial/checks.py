"""What a service does with a fuzz target, one check each, in the order in which it would happen.

Each check is a function that returns a line about what it saw, and raises Failed with one about what is wrong. A
target is run as OSS-Fuzz's `run_fuzzer` does it: in the folder of the built files, with the limits, then the arguments,
then the corpus, then the options from its file, then its dictionary.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.oss.entry import PLANT, PLANTED
from fuzz.oss.raising import function_names
from fuzz.oss.trial import ready
from fuzz.oss.trial.engine import CRASHED, CUSTOM, Said
from fuzz.oss.trial.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fuzz.oss.trial.place import Place

LIMITS: Final = ("-rss_limit_mb=2560", "-timeout=25")
FEW: Final = 4
SEED: Final = 1337
"""What OSS-Fuzz asks of a new build: so many executions, with that seed."""


SLACK: Final = 100
"""A merge may miss one feature of so many. It misses none, unless what an input lights depends on what ran before; it
misses many where the numbers of features differ between processes."""


class Failed(Exception):
    """A check that did not pass, in a line."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check that was made."""

    name: str
    passed: bool
    text: str


class Trial:
    """The checks of one target."""

    def __init__(self, place: Place, name: str, budget: str, tell: Callable[[str, float], None]) -> None:
        """`budget`: libFuzzer's option that ends the search."""
        self._place = place
        self._name = name
        self._budget = budget
        self._tell = tell
        self._folder = place.run(name).resolve()
        self._corpus = self._folder / "corpus"
        self._options: dict[str, str] = {}
        self._seeds: tuple[str, ...] = ()

    def checks(self) -> Iterator[Check]:
        """All checks; those behind one that fails are made as well, unless nothing would run."""
        for name, check in (
            ("files", self.files),
            ("starts", self.starts),
            ("seeds", self.seeds),
            ("search", self.search),
            ("merge", self.merge),
            ("crash", self.crash),
        ):
            try:
                yield Check(name, passed=True, text=check())
            except (Failed, ValueError, OSError) as error:
                yield Check(name, passed=False, text=str(error))
                if name in {"files", "starts"}:
                    return

    def files(self) -> str:
        """Options, dictionary and seed corpus can be read, and no seed is longer than an input may be."""
        built = self._place.built
        self._options = ready.options(built / f"{self._name}.options")
        words = ready.dictionary(built / f"{self._name}.dict")
        seeds = ready.seed_corpus(built / f"{self._name}_seed_corpus.zip")
        longest = max(map(len, seeds.values()), default=0)
        limit = int(self._options.get("max_len", longest))
        if not seeds or longest > limit:
            raise Failed(f"{len(seeds)} seeds, the longest of {longest} bytes; max_len is {limit}")
        self._corpus.mkdir(parents=True)
        for name, data in seeds.items():
            (self._corpus / name).write_bytes(data)
        self._seeds = tuple(seeds)
        return f"{words} words, {len(seeds)} seeds"

    def starts(self) -> str:
        """It does a few executions from nothing, has feedback, and takes the mutator that is written in Python."""
        status, said = self._run("starts", f"-seed={SEED}", f"-runs={FEW}")
        if status != 0 or said.done is None or said.done < FEW:
            raise Failed(f"status {status}: {said.raised or said.last}")
        first = said.step("INITED")
        if first is None or "no interesting inputs" in said.text or first.features < 2:
            raise Failed("no feedback: nothing under test has probes")
        if CUSTOM not in said.text:
            raise Failed("libFuzzer does not see the custom mutator")
        return f"{first.features} features"

    def seeds(self) -> str:
        """The seed corpus ends no execution."""
        status, said = self._run("seeds", "-runs=0", str(self._corpus))
        first = said.step("INITED")
        if status != 0 or first is None:
            raise Failed(f"status {status}: {said.raised or said.last}")
        return f"{first.features} features"

    def search(self) -> str:
        """A short search finds something to keep, and no new cause."""
        status, said = self._run("search", self._budget, f"-seed={SEED}", str(self._corpus))
        first, last = said.step("INITED"), said.step("DONE")
        if said.raised:
            raise Failed(f"{said.raised}; input in {said.left}")
        if status != 0 or first is None or last is None:
            raise Failed(f"status {status}: {said.last}")
        if last.features <= first.features:
            raise Failed(f"{last.executions} executions, and nothing new beyond {first.features} features")
        return f"{first.features} to {last.features} features"

    def merge(self) -> str:
        """A merge, which starts the target again, keeps every feature in fewer files."""
        merged = self._folder / "merged"
        merged.mkdir()
        status, said = self._run("merge", "-merge=1", str(merged), str(self._corpus))
        files, features = said.merged
        if status != 0 or not files or files != sum(1 for _ in merged.iterdir()):
            raise Failed(f"status {status}, {files} files kept: {said.raised or said.last}")
        _, again = self._run("merged", "-runs=0", str(merged))
        step = again.step("INITED")
        if step is None or step.features * SLACK < features * (SLACK - 1):
            raise Failed(f"{step.features if step else 0} features kept of {features}")
        return f"{sum(1 for _ in self._corpus.iterdir())} to {files} files"

    def crash(self) -> str:
        """A planted finding ends it, leaves its input behind, shows its cause, and ends it again when it is replayed.

        The input is a seed, which ends nothing by itself: the check of the seeds is the control.
        """
        planted = self._corpus / min(self._seeds)
        digest = hashlib.sha1(planted.read_bytes(), usedforsecurity=False).hexdigest()
        alone = self._folder / "planted"
        alone.mkdir()
        shutil.copy(planted, alone)
        status, said = self._run("crash", "-runs=0", str(alone), plant=digest)
        if status != CRASHED or not said.left or Path(said.left).read_bytes() != planted.read_bytes():
            raise Failed(f"status {status} where {CRASHED} was expected, {said.left or 'no file'} left")
        if said.state != tuple(reversed(function_names(PLANTED))):
            raise Failed(f"would be filed under {', '.join(said.state)}")
        status, _ = self._run("replay", said.left, plant=digest)
        if status != CRASHED:
            raise Failed(f"replay: status {status} where {CRASHED} was expected")
        return f"status {CRASHED}, and again"

    def _run(self, check: str, *arguments: str, plant: str = "") -> tuple[int, Said]:
        variables = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "OUT", "SRC"}}
        # As python3: the one of the build, if it was built without a bundle.
        variables["PATH"] = os.pathsep.join((str(self._place.commands.resolve()), variables.get("PATH", "")))
        if plant:
            variables[PLANT] = plant
        command = [
            str(self._place.built.resolve() / self._name),
            *LIMITS,
            f"-artifact_prefix={self._folder}{os.sep}",
            *arguments,
            *(f"-{name}={value}" for name, value in self._options.items()),
        ]
        if "dict" not in self._options:
            command.append(f"-dict={self._name}.dict")
        log = self._place.log(f"{self._name}.{check}")
        ended = run(command, log, self._place.built, variables, lambda now: self._tell(check, now))
        return ended.status, Said(ended.said)
