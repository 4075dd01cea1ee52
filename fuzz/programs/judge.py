"""A program under several designs: what each is to blame for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fuzz.programs.faulty import run_faulty, unlike
from fuzz.programs.result import ends
from fuzz.programs.run import run
from fuzz.programs.stage import Stage
from fuzz.programs.worlds import WORLDS
from model.designs import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.programs.program import Program
    from fuzz.programs.result import Result
    from model.designs import Design
    from model.outcome import Finding


@dataclass(frozen=True, slots=True)
class Judged:
    """What a program came to under one design, and the findings against it."""

    result: Result
    findings: tuple[Finding, ...]


class Judge:
    """Worlds that are built, and the designs that programs run under. The reference is always among them, first."""

    def __init__(self, designs: Sequence[type[Design]], reference: type[Design] = REFERENCE) -> None:
        self._reference = reference
        self._designs = tuple(design for design in designs if design is not reference)
        self._stages = _built()

    def judge(self, program: Program) -> tuple[Judged, ...]:
        """The reference with every invariant watched, then each design beside it: one with a bug beside the sound one.

        What is harmful without a batch too, inside a transaction of the program's own, is no design's fault; a guard is
        to notice it nevertheless. Raises what a design's own methods raise; the worlds are then built anew.
        """
        try:
            return self._judge(program)
        except BaseException:
            self._stages = _built()
            raise

    def _judge(self, program: Program) -> tuple[Judged, ...]:
        stage = self._stages[program.world]
        stage.memory.forget()  # what was rendered for other programs must not decide what happens in this one
        reference = run(stage, program, self._reference(), check=True)
        own = tuple(found for found in reference.findings if found.cause.oracle != "flat-view-while-pending")
        judged = [Judged(reference, own)]
        watched: dict[type[Design], Result] = {self._reference: reference}
        for design in self._designs:
            if design.sound is not None:
                sound = watched.get(design.sound)
                if sound is None:
                    sound = watched[design.sound] = run(stage, program, design.sound(), check=True)
                result = run_faulty(program, design, sound.at)
                judged.append(Judged(result, unlike(sound, result)))
                continue
            result = run(stage, program, design(), excused=reference.at)
            findings = (*result.findings, *ends(reference, result, reacts=program.reacts))
            judged.append(Judged(result, findings))
        return tuple(judged)


def _built() -> dict[str, Stage]:
    return {name: Stage(world) for name, world in WORLDS.items()}
