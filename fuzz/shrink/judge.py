"""What a stream shows under one design: its causes, asked again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.engine.target import exception_found
from model import REFERENCE, Machine, judge_life, judge_stages, live, stages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.shrink.work import Case
    from model import Description, Design, Finding, Stage


class Judge:
    """Loads under the reference and under one design. The machine is built once and pristine between two loads.

    `lives`: those of `model.LIVES` that are looked at beyond the load, each of which costs loads of its own.
    `verdict`: what the reference said of the case that was looked at last, "" where it raised.
    """

    def __init__(
        self, description: Description, design: type[Design], *, loadvm: bool = False, lives: Sequence[str] = ()
    ) -> None:
        self.description = description
        self.design = design
        self.loadvm = loadvm
        self.lives = tuple(lives)
        self.machine = Machine(description)
        self.verdict = ""

    def causes(self, case: Case) -> tuple[str, ...]:
        """The causes that it shows, as text, sorted. An exception that leaves the model is a cause too."""
        found: set[str] = set()
        reference = self._load(case, REFERENCE, found)
        self.verdict = reference[0].outcome.verdict if reference is not None else ""
        if self.design is REFERENCE:
            found |= _texts(reference[0].outcome.findings) if reference is not None else set()
            return tuple(sorted(found))
        found.clear()  # what the reference dies of is not the design's
        stages = self._load(case, self.design, found)
        if stages is not None and reference is not None:
            found |= _texts(judge_stages(reference, stages, loadvm=self.loadvm))
        elif stages is not None:
            found |= _texts(stages[0].outcome.findings)
        for life in self.lives:
            old, new = self._load(case, REFERENCE, set(), life), self._load(case, self.design, found, life)
            if old is not None and new is not None:
                found |= _texts(judge_life(old, new))
        return tuple(sorted(found))

    def _load(self, case: Case, design: type[Design], found: set[str], life: str = "") -> tuple[Stage, ...] | None:
        try:
            if life:
                return live(self.machine, case.data, design, life, loadvm=self.loadvm, schedule=case.schedule)
            return stages_of(self.machine, case.data, design, loadvm=self.loadvm, schedule=case.schedule)
        except Exception as error:  # noqa: BLE001 - whatever the model raises is a finding, as in a campaign
            found.add(exception_found(design.name, error).cause)
            self.renew()
            return None

    def renew(self) -> None:
        """Build the machine anew: nothing is known of the state of one that a load did not leave by itself."""
        self.machine = Machine(self.description)


def _texts(findings: tuple[Finding, ...]) -> set[str]:
    return {str(finding.cause) for finding in findings}
