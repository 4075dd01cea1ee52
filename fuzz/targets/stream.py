"""The target `stream`: load one input under the reference design and under each chosen one, and compare.

The machine is built once and returned to its pristine state after each load. What the reference does is looked at
once per input. An input that ends with a schedule (`model.schedule`) is a stream loaded under that schedule. An
exception from the model is a finding of the design that was loading; the machine is then rebuilt, since nothing is
known of its state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from fuzz.engine.target import RAISED, Execution, Feature, Found, exception_found
from fuzz.targets.situations import Situations, of_end, of_life
from model.aftermath import judge_life, judge_stages
from model.schedule import split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model.designs import Design
    from model.outcome import Finding
    from model.schedule import Schedule
    from model.session import Stage

NAME: Final = "stream"


class Destination(Protocol):
    """A machine that can load a stream: `model.machine` behind the two calls that a target needs."""

    def stages(self, data: bytes, design: type[Design], schedule: Schedule, *, loadvm: bool) -> tuple[Stage, ...]:
        """Load `data` under a design, while others do what `schedule` says; pristine before and after.

        `loadvm`: as a snapshot, and go on with the process (`model.session`).
        """
        ...

    def live(
        self, data: bytes, design: type[Design], life: str, schedule: Schedule, *, loadvm: bool
    ) -> tuple[Stage, ...]:
        """The same, and one of `model.LIVES` behind it."""
        ...


class StreamTarget:
    """Loads under designs side by side; the reference is never among `designs`.

    A design with a seeded bug is held to the same design without it, which is loaded unjudged if it is not asked for.
    `loadvm`: as snapshots. `beyond`: lives that each input is made to live as well, which costs loads of their own.
    """

    name = NAME

    def __init__(
        self,
        build: Callable[[], Destination],
        reference: type[Design],
        designs: Sequence[type[Design]],
        *,
        loadvm: bool = False,
        beyond: Sequence[str] = (),
    ) -> None:
        self._build = build
        self._machine = build()
        self._reference = reference
        self._loadvm = loadvm
        self._beyond = tuple(beyond)
        self._designs = tuple(design for design in designs if design.name != reference.name)
        sound = (design.sound for design in self._designs if design.sound not in {None, reference, *self._designs})
        self._situations = Situations()
        self._unjudged = tuple(dict.fromkeys(design for design in sound if design is not None))

    def run(self, data: bytes) -> Execution:
        """One input: an execution with what it showed."""
        features: list[Feature] = []
        found: dict[str, Found] = {}
        data, schedule = split(data)
        reference = self._load(data, self._reference, schedule, found)
        if reference is not None:
            outcome = reference[0].outcome
            features.extend(of_end(outcome))
            features.extend(of_life(reference))
            features += self._situations.of_outcome(outcome, lives_on=self._loadvm)
            self._take(outcome.findings, found, features)
        all_stages: dict[type[Design], tuple[Stage, ...] | None] = {self._reference: reference}
        for design in self._unjudged:
            all_stages[design] = self._load(data, design, schedule, found)
        for design in self._designs:
            all_stages[design] = stages = self._load(data, design, schedule, found)
            if stages is None:
                continue
            outcome = stages[0].outcome
            features.extend(of_end(outcome))
            features.extend(of_life(stages))
            # A program with a bug is held to the sound one, a design to the reference.
            expected = reference if design.sound is None else all_stages.get(design.sound)
            if expected is None:
                features += self._situations.of_outcome(outcome, lives_on=self._loadvm)
                self._take(outcome.findings, found, features)
            else:
                features += self._situations.of_outcome(outcome, expected[0].outcome, lives_on=self._loadvm)
                self._take(judge_stages(expected, stages, loadvm=self._loadvm), found, features)
        for life in self._beyond:
            self._live(data, life, schedule, found, features)
        features.extend(("exception", one.cause) for one in found.values() if one.kind == "exception")
        return Execution(features, tuple(found.values()), _stopped(reference))

    def _live(
        self, data: bytes, life: str, schedule: Schedule, found: dict[str, Found], features: list[Feature]
    ) -> None:
        """One life of the input under the reference, and of each design if the process lives beyond the load at all."""
        reference = self._load(data, self._reference, schedule, found, life)
        if reference is None or len(reference) < 2:
            return
        features.extend(of_life(reference))
        all_stages: dict[type[Design], tuple[Stage, ...] | None] = {self._reference: reference}
        for design in (*self._unjudged, *self._designs):
            all_stages[design] = stages = self._load(data, design, schedule, found, life)
            expected = reference if design.sound is None else all_stages.get(design.sound)
            if stages is not None and expected is not None and design not in self._unjudged:
                features.extend(of_life(stages))
                self._take(judge_life(expected, stages), found, features)

    def _load(
        self, data: bytes, design: type[Design], schedule: Schedule, found: dict[str, Found], life: str = ""
    ) -> tuple[Stage, ...] | None:
        try:
            if life:
                return self._machine.live(data, design, life, schedule, loadvm=self._loadvm)
            return self._machine.stages(data, design, schedule, loadvm=self._loadvm)
        except RAISED as error:  # whatever the model raises is a finding
            one = exception_found(design.name, error)
            found[one.cause] = one
            self._machine = self._build()
            return None

    @staticmethod
    def _take(findings: tuple[Finding, ...], found: dict[str, Found], features: list[Feature]) -> None:
        for finding in findings:
            cause = str(finding.cause)
            if cause not in found:
                found[cause] = Found(finding.kind, cause, finding.text, severity=str(finding.severity))
                features.append(("finding", cause))
                of = finding.cause
                features.append(("differs", of.design, of.oracle, of.reader))
                features.append(("differs", of.design, of.oracle, of.reader, of.device))


def _stopped(reference: tuple[Stage, ...] | None) -> str | None:
    """Where the load ended too early, as `Execution.stopped` has it."""
    if reference is None:
        return None
    outcome = reference[0].outcome
    if outcome.at is not None:
        return f"{outcome.at.section}/{outcome.at.instance}"
    return "" if outcome.verdict in {"accepted", "waiting"} else outcome.verdict
