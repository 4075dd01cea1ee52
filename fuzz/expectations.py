"""What to expect of a crasher: its outcome under each design, as `crashers.summary` keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz import lives
from fuzz.crashers import summary
from model import REFERENCE, judge_stages, stages_of
from model.schedule import EMPTY_SCHEDULE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fuzz.crashers import Expectation
    from model import Design, Machine, Stage
    from model.schedule import Schedule


class Trial:
    """A stream and its schedule under one design after the other, each judged against the reference.

    `loadvm`: as a snapshot. `beyond`: the lives beyond the load whose findings are expected as well (`model.session`).
    What the reference does is looked at once, when it is asked for. The machine is pristine before and after each
    design, but for a load that raised: of what that left behind nothing is known, and it is to be thrown away.
    """

    def __init__(
        self,
        machine: Machine,
        data: bytes,
        schedule: Schedule = EMPTY_SCHEDULE,
        *,
        loadvm: bool = False,
        beyond: Sequence[str] = (),
    ) -> None:
        self._machine = machine
        self._data = data
        self._schedule = schedule
        self._loadvm = loadvm
        self._beyond = tuple(beyond)
        self._known: tuple[tuple[Stage, ...], lives.Lives] | None = None

    def under(self, design: type[Design]) -> Expectation:
        """What is to be expected under a design. Raises what the model raises."""
        try:
            self._known = self._known or self._lived(REFERENCE)
            reference, life = self._known
            if design is REFERENCE:
                return summary(reference[0].outcome, reference[0].outcome.findings)
            stages, own = self._lived(design)
            found = (*judge_stages(reference, stages, loadvm=self._loadvm), *lives.judged(life, own))
            return summary(stages[0].outcome, found)
        finally:
            self._machine.reset()

    def _lived(self, design: type[Design]) -> tuple[tuple[Stage, ...], lives.Lives]:
        machine, data, schedule = self._machine, self._data, self._schedule
        stages = stages_of(machine, data, design, loadvm=self._loadvm, schedule=schedule)
        return stages, lives.lived(machine, data, design, self._beyond, loadvm=self._loadvm, schedule=schedule)


def expectations(
    machine: Machine,
    data: bytes,
    schedule: Schedule = EMPTY_SCHEDULE,
    designs: Iterable[type[Design]] = (),
    *,
    loadvm: bool = False,
    beyond: Sequence[str] = (),
) -> dict[str, Expectation]:
    """What is to be expected under each of the designs. Raises what the model raises: then nothing is."""
    trial = Trial(machine, data, schedule, loadvm=loadvm, beyond=beyond)
    return {design.name: trial.under(design) for design in designs}
