"""From groups of inputs to what is kept of them: measure, look again, choose, and hold the choice against a new look.

Everything measured goes into the control file at once, so work that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.designs import UsageError
from fuzz.engine.features import PROBES
from fuzz.minimize.control import AGAIN, FIRST
from fuzz.minimize.cover import EFFORT, Candidate, Cover, cover
from fuzz.minimize.measurement import numbers_of
from fuzz.minimize.pool import Input, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fuzz.engine.target import Found
    from fuzz.minimize.control import Control
    from fuzz.minimize.measurement import Features, Measurement
    from fuzz.minimize.pool import Ready
    from fuzz.minimize.sources import Group

TOGETHER: Final = 25
"""Inputs that one process runs one after the other when they are looked at again."""
HURRIED: Final = 30
"""The part of the effort that a choice takes after Ctrl-C."""
NAMED: Final = 8
"""Features that are told by name in a line."""


NOTHING: Final = Cover((), least=False)
"""Before anything was chosen."""


@dataclass(slots=True)
class Outcome:
    """A group, and what came of it so far."""

    group: Group
    key: str
    measured: dict[str, Measurement] = field(default_factory=dict)
    """By SHA-1, the first look."""
    again: dict[str, Measurement] = field(default_factory=dict)
    baseline: list[Measurement] = field(default_factory=list)
    """What the seeds and the empty input show."""
    unsteady: dict[str, str] = field(default_factory=dict)
    """By SHA-1, what an input showed at one look and not at another."""
    names: dict[int, str] = field(default_factory=dict)
    """Of features."""
    longest: int = 0
    """Bytes of the longest mutant; 0 where no measuring process has said."""
    choice: Cover = NOTHING
    checked: bool = False
    """Whether the choice was held against a new look in a fresh process."""
    lost: Features = 0
    """What no input shows any more since it was looked at anew."""

    @property
    def features(self) -> Features:
        """All that was seen at the first look."""
        return union(self.measured.values())

    @property
    def found(self) -> dict[str, tuple[Found, Input]]:
        """By cause, a finding and the smallest input that showed it; one that was set aside only if no other did."""
        result: dict[str, tuple[Found, Input]] = {}
        order = sorted(self.measured, key=lambda sha1: (self.aside(sha1), self.group.inputs[sha1].size, sha1))
        for sha1 in order:
            for found in self.measured[sha1].found:
                result.setdefault(found.cause, (found, self.group.inputs[sha1]))
        return dict(sorted(result.items()))

    def aside(self, sha1: str) -> bool:
        """Whether an input was set aside, and its features are not counted."""
        return bool(self.measured[sha1].failed)

    def call(self, features: Features, most: int = 0) -> list[str]:
        """The names of features, findings first, then other facts, then probes; `most` of them at most, 0 for all."""
        findings: list[str] = []
        facts: list[str] = []
        probes: list[str] = []
        for number in numbers_of(features):
            name = self.names.get(number, f"counter {number}")
            (probes if number < PROBES else findings if name.startswith("finding ") else facts).append(name)
        names = findings + facts + probes
        return names[:most] if most else names


def union(measured: Iterable[Measurement]) -> Features:
    """All that these show."""
    every = 0
    for one in measured:
        every |= one.features
    return every


class Work:
    """One call of `minimize`. `say` is told how far it is."""

    def __init__(
        self, control: Control, jobs: int, seconds: float, say: Callable[[Callable[[], str]], None], *, twice: bool
    ) -> None:
        self._control = control
        self._jobs = jobs
        self._seconds = seconds
        self._say = say
        self._twice = twice
        self.reused = 0
        """Measurements that an earlier call had made."""

    def measure(self, outcome: Outcome) -> None:
        """Look at all inputs of a group, and look again. Raises CannotMeasure, OSError; may be interrupted."""
        group = outcome.group
        with Pool(group.how, self._jobs, self._seconds) as pool:
            inputs = sorted(group.inputs.values(), key=lambda one: one.sha1)
            self._look(pool, outcome, inputs, FIRST, outcome.measured)
            if self._twice:
                good = [one for one in reversed(inputs) if not outcome.measured[one.sha1].failed]
                self._look(pool, outcome, good, AGAIN, outcome.again, TOGETHER)
                _compare(outcome)
            seeds: dict[str, Measurement] = {}
            self._look(pool, outcome, _seeds(group), FIRST, seeds)
            outcome.baseline = [*seeds.values()]
            self._heard(outcome, pool.ready)

    def _look(
        self,
        pool: Pool,
        outcome: Outcome,
        inputs: list[Input],
        look: int,
        into: dict[str, Measurement],
        together: int = 1,
    ) -> None:
        control, key = self._control, outcome.key
        known = {one.sha1: control.known.get((key, look, one.sha1)) for one in inputs}
        into.update((sha1, one) for sha1, one in known.items() if one is not None)
        self.reused += len(into)
        same: dict[Features, Features] = {one.features: one.features for one in into.values()}
        left = [one for one in inputs if known[one.sha1] is None]
        done, what = len(inputs) - len(left), "measured" if look == FIRST else "looked at again"
        for one, measured, names in pool.measure(left, together):
            control.name(key, names)
            features = same.setdefault(measured.features, measured.features)
            into[one.sha1] = replace(measured, features=features)  # many show the same: it is held once
            control.add(key, look, into[one.sha1])
            done += 1
            self._progress(outcome, done, len(inputs), f"inputs {what}")
        self._heard(outcome, pool.ready)

    def _progress(self, outcome: Outcome, done: int, of: int, what: str) -> None:
        self._say(lambda: f"{outcome.group.name}: {done} of {of} {what}")

    def _heard(self, outcome: Outcome, ready: Ready | None) -> None:
        if ready is not None:
            outcome.names.update(ready.places)
            outcome.longest = ready.longest
        outcome.names.update(self._control.names.get(outcome.key, {}))

    def choose(self, outcome: Outcome, *, hurried: bool = False) -> None:
        """The least of what was measured so far; `hurried`: somebody waits for the end, who will go on later."""
        self._say(lambda: f"{outcome.group.name}: choosing")
        candidates = (
            Candidate(sha1, outcome.group.inputs[sha1].size, one.features)
            for sha1, one in outcome.measured.items()
            if not one.failed
        )
        outcome.choice = cover(candidates, EFFORT // HURRIED if hurried else EFFORT)

    def check(self, outcome: Outcome) -> None:
        """Look at what was chosen in new processes; what does not show again is not counted, and chosen anew.

        Raises CannotMeasure, OSError, and UsageError if the code is another one by now; may be interrupted.
        """
        if outcome.group.how.key() != outcome.key:
            raise UsageError(f"group {outcome.group.name}: its code or machine was altered meanwhile; begin anew")
        seen = outcome.features
        checked: set[str] = set()
        with Pool(outcome.group.how, self._jobs, self._seconds) as pool:
            while True:
                left = [outcome.group.inputs[one.name] for one in outcome.choice.kept if one.name not in checked]
                if not left:
                    break
                altered = False
                for one, measured, names in pool.measure(left):
                    self._control.name(outcome.key, names)
                    checked.add(one.sha1)
                    altered |= self._hold(outcome, one, measured)
                    self._progress(outcome, len(checked), len(outcome.choice.kept), "files checked")
                if altered:
                    self.choose(outcome)
            self._heard(outcome, pool.ready)
        outcome.lost = seen & ~outcome.features
        outcome.checked = True

    @staticmethod
    def _hold(outcome: Outcome, one: Input, measured: Measurement) -> bool:
        before = outcome.measured[one.sha1]
        if measured.features == before.features and not measured.failed:
            return False
        differ = outcome.call(before.features ^ measured.features, NAMED)
        outcome.unsteady[one.sha1] = measured.failed or "; ".join(differ)
        outcome.measured[one.sha1] = replace(
            before, features=before.features & measured.features, failed=measured.failed
        )
        return True


def _seeds(group: Group) -> list[Input]:
    """What a campaign of this kind begins with, and the empty input."""
    found = []
    for path in (*map(Path, group.how.seeds), Path(os.devnull)):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        found.append(Input(path, hashlib.sha1(data, usedforsecurity=False).hexdigest(), len(data)))
    return [*{one.sha1: one for one in found}.values()]


def _compare(outcome: Outcome) -> None:
    """Facts depend on the input alone: where they came out otherwise behind other inputs, the entry is unsteady."""
    for sha1, again in outcome.again.items():
        first = outcome.measured[sha1]
        if again.failed:
            outcome.unsteady[sha1] = f"{again.failed}, when run behind others"
        elif again.facts != first.facts:
            differ = outcome.call(again.facts ^ first.facts, NAMED)
            outcome.unsteady[sha1] = "; ".join(differ)


def outcomes(groups: Iterable[Group]) -> Mapping[str, Outcome]:
    """Nothing yet, by group. Raises OSError."""
    return {group.name: Outcome(group, group.how.key()) for group in groups}
