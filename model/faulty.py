"""A machine for loads with a seeded bug: what the bug leaves behind is noticed, and remembered by nobody.

A fault may change the tree behind the journal's back, so that undoing does not bring all of it back. After each load
the tree is held against what it was; if it differs, the next load gets a machine newly built, by the sound program.

What a load remembers for the next (renderings, above all) is right only if a function gives the same answer each time.
A bug that keeps something on `self` may not: then nothing is remembered. So the outcome depends on the stream alone.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from model.machine import Machine
from model.schedule import EMPTY_SCHEDULE
from model.seeded.bug import keeps_nothing
from model.session import live, stages_of

if TYPE_CHECKING:
    from model.description import Description
    from model.designs import Design
    from model.outcome import Layout
    from model.schedule import Schedule
    from model.session import Stage

_FIELDS: Final = attrgetter(
    "addr",
    "size",
    "priority",
    "enabled",
    "inherit",
    "romd_mode",
    "terminates",
    "container",
    "subregions",
    "alias",
    "alias_offset",
    "aliases",
    "mapped_via_alias",
    "eventfds",
)


class FaultyMachine:
    """As `Machine`, for designs with a bug; a machine of its own for each bug."""

    def __init__(self, description: Description) -> None:
        self._description = description
        self._machines: dict[type[object], tuple[Machine, list[tuple[Any, ...]], Layout]] = {}

    def machine(self, bug: type[object]) -> Machine:
        """The machine for loads with `bug`, pristine. Its layout after a load is there until the next call."""
        known = self._machines.get(bug)
        if known is not None:
            machine, pristine, layout = known
            machine.reset()
            if _fields(machine) == pristine and machine.layout() == layout:
                if not keeps_nothing(bug):
                    machine.memory.forget_nodes()
                return machine
        machine = Machine(self._description)
        machine.remembers = False
        self._machines[bug] = machine, _fields(machine), machine.layout()
        return machine

    def stages(
        self, data: bytes, design: type[Design], schedule: Schedule = EMPTY_SCHEDULE, *, loadvm: bool = False
    ) -> tuple[Stage, ...]:
        """As `model.stages_of`, for a design with a bug."""
        return stages_of(self._of(design), data, design, loadvm=loadvm, schedule=schedule)

    def live(
        self, data: bytes, design: type[Design], life: str, schedule: Schedule = EMPTY_SCHEDULE, *, loadvm: bool = False
    ) -> tuple[Stage, ...]:
        """As `model.live`, for a design with a bug."""
        return live(self._of(design), data, design, life, loadvm=loadvm, schedule=schedule)

    def _of(self, design: type[Design]) -> Machine:
        if design.bug is None:
            msg = f"{design.name} has no bug"
            raise ValueError(msg)
        return self.machine(design.bug)


def _fields(machine: Machine) -> list[tuple[Any, ...]]:
    return list(map(_FIELDS, machine.regions.values()))
