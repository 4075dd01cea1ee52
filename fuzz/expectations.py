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
    from model import Design, Machine
    from model.schedule import Schedule


def expectations(
    machine: Machine,
    data: bytes,
    schedule: Schedule = EMPTY_SCHEDULE,
    designs: Iterable[type[Design]] = (),
    *,
    loadvm: bool = False,
    beyond: Sequence[str] = (),
) -> dict[str, Expectation]:
    """What is to be expected of a stream and its schedule under each of the designs, judged against the reference.

    `loadvm`: as a snapshot. `beyond`: the lives beyond the load whose findings are expected as well (`model.session`).
    The machine is pristine before and after. Raises what the model raises: then nothing is to be expected.
    """
    expected: dict[str, Expectation] = {}
    try:
        reference = stages_of(machine, data, REFERENCE, loadvm=loadvm, schedule=schedule)
        life = lives.lived(machine, data, REFERENCE, beyond, loadvm=loadvm, schedule=schedule)
        for design in designs:
            stages = reference
            found = reference[0].outcome.findings
            if design is not REFERENCE:
                stages = stages_of(machine, data, design, loadvm=loadvm, schedule=schedule)
                own = lives.lived(machine, data, design, beyond, loadvm=loadvm, schedule=schedule)
                found = (*judge_stages(reference, stages, loadvm=loadvm), *lives.judged(life, own))
            expected[design.name] = summary(stages[0].outcome, found)
    finally:
        machine.reset()
    return expected
