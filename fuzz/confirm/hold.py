"""Hold a stream: load it in the model and in real programs, and compare each pair that was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fuzz import qemu
from fuzz.confirm.side import compare
from fuzz.confirm.sides import IMPATIENCE, both_saved, of_model, of_program

if TYPE_CHECKING:
    from fuzz.confirm.side import Comparison, Disagreement
    from fuzz.confirm.sides import Modelled
    from model import Design, Machine, Outcome

REAL: Final = "qemu"
"""How the program that the model is held against is called in comparisons."""


@dataclass(frozen=True, slots=True)
class Against:
    """What a stream is held against: a program, a second one to hold the first against, and the model's design.

    `timeout`: seconds for a load to end.
    """

    design: type[Design]
    binary: str = qemu.DEFAULT_BINARY
    second: str | None = None
    timeout: float = qemu.PATIENCE
    save: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """One stream: the model's outcome, and the comparisons (model with program first)."""

    outcome: Outcome
    comparisons: tuple[Comparison, ...]
    stream: bytes = field(repr=False)

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not any(one.disagreements for one in self.comparisons)

    def explanation(self, found: Disagreement) -> str:
        """What the model says itself that it does not follow of the device concerned; "" for no explanation."""
        head, _, tail = found.section.rpartition("/")
        kind = head.rpartition("/")[2] if tail.isdecimal() and head else tail  # `PCIBUS/1` is instance 1
        about = ("postcopy: ", *([f"{kind}: "] if kind else []))  # two threads may do anything to anything
        return next((what for what in self.outcome.not_modelled if what.startswith(about)), "")

    @property
    def unexplained(self) -> bool:
        """Whether something differs and the model did not say that it would not know."""
        return any(not self.explanation(found) for one in self.comparisons for found in one.disagreements)

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each disagreement, with its explanation if there is one."""
        told = ((found, self.explanation(found)) for one in self.comparisons for found in one.disagreements)
        return tuple(f"{found}  (not modelled: {why})" if why else str(found) for found, why in told)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        first = self.comparisons[0]
        return {
            "agrees": self.agrees,
            "unexplained": self.unexplained,
            "verdict": {side.name: side.verdict for side in (first.one, *(c.other for c in self.comparisons))},
            "rebuilds": {side.name: side.rebuilds for side in (first.one, *(c.other for c in self.comparisons))},
            "compared": [category.value for category in first.compared],
            "disagreements": [
                {"category": found.category.value, "text": found.text, "explanation": self.explanation(found)}
                for one in self.comparisons
                for found in one.disagreements
            ],
            "not_modelled": list(self.outcome.not_modelled),
        }


def in_model(machine: Machine, data: bytes, against: Against) -> Modelled:
    """The model's part: quick, and not to be run by two threads at once."""
    return of_model(machine, data, against.design)


def in_programs(machine: Machine, data: bytes, modelled: Modelled, against: Against) -> Held:
    """The programs' part, in processes of their own: any number of threads may run it. Raises QemuError."""
    ends = modelled.side.verdict not in {"waiting", "hung"}
    timeout = against.timeout if ends else min(IMPATIENCE, against.timeout)
    program, saved = of_program(
        machine, data, binary=against.binary, name=REAL, timeout=timeout, save=against.save and ends
    )
    comparisons = [compare(*modelled.with_saved(program, saved))]
    if against.second is not None:
        name = Path(against.second).name
        name = name if name != REAL else f"{name} (2)"
        other, other_saved = of_program(
            machine, data, binary=against.second, name=name, timeout=timeout, save=against.save and ends
        )
        comparisons.append(compare(*both_saved(machine, program, saved, other, other_saved)))
    return Held(modelled.outcome, tuple(comparisons), data)


def hold(machine: Machine, data: bytes, against: Against) -> Held:
    """Both parts, one after the other. Raises QemuError."""
    return in_programs(machine, data, in_model(machine, data, against), against)
