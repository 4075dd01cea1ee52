"""The target `stream`: load one input under the reference design and under each chosen one, and compare.

The machine is built once and returned to its pristine state after each load. What the reference does is looked at
once per input. An input that ends with a schedule (`model.schedule`) is a stream loaded under that schedule. An
exception from the model is a finding of the design that was loading; the machine is then rebuilt, since nothing is
known of its state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from fuzz.engine.target import Execution, Feature, Found, exception_found
from fuzz.targets import situations
from model.compare import judge
from model.schedule import split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model.designs import Design
    from model.outcome import Finding, Outcome
    from model.schedule import Schedule

NAME: Final = "stream"


class Destination(Protocol):
    """A machine that can load a stream: `model.machine` behind the two calls a target needs."""

    def load(self, data: bytes, design: Design, schedule: Schedule) -> Outcome:
        """Load `data` from the pristine state under a fresh design object, while others do what `schedule` says."""
        ...

    def reset(self) -> None:
        """Return to the pristine state."""
        ...


class StreamTarget:
    """Loads under designs side by side. `designs` maps names to classes; the reference is never among them."""

    name = NAME

    def __init__(
        self,
        build: Callable[[], Destination],
        reference: type[Design],
        designs: Sequence[type[Design]],
    ) -> None:
        self._build = build
        self._machine = build()
        self._reference = reference
        self._designs = tuple(design for design in designs if design.name != reference.name)

    def run(self, data: bytes) -> Execution:
        """One input: an execution with what it showed."""
        features: list[Feature] = []
        found: dict[str, Found] = {}
        data, schedule = split(data)
        reference = self._load(data, self._reference, schedule, found)
        if reference is not None:
            features.extend(situations.of_outcome(reference))
            features.extend(situations.of_devices(reference.devices))
            features.extend(situations.of_layout(reference))
            self._take(reference.findings, found, features)
        for design in self._designs:
            outcome = self._load(data, design, schedule, found)
            if outcome is None:
                continue
            features.extend(situations.of_outcome(outcome))
            if reference is None:
                self._take(outcome.findings, found, features)
            else:
                if outcome.devices != reference.devices:
                    features.extend(situations.of_devices(outcome.devices))
                self._take(judge(reference, outcome), found, features)
        features.extend(("exception", one.cause) for one in found.values() if one.kind == "exception")
        return Execution(features, tuple(found.values()))

    def _load(self, data: bytes, design: type[Design], schedule: Schedule, found: dict[str, Found]) -> Outcome | None:
        try:
            outcome = self._machine.load(data, design(), schedule)
            self._machine.reset()
        except Exception as error:  # noqa: BLE001 - whatever the model raises is a finding
            one = exception_found(design.name, error)
            found[one.cause] = one
            self._machine = self._build()
            return None
        return outcome

    @staticmethod
    def _take(findings: tuple[Finding, ...], found: dict[str, Found], features: list[Feature]) -> None:
        for finding in findings:
            cause = str(finding.cause)
            if cause not in found:
                found[cause] = Found(finding.kind, cause, finding.text)
                features.append(("finding", cause))
