"""The target `memory`: programs of memory-API calls under the reference and under each chosen design.

The memory core itself is held to a literal renderer, a pointwise oracle and the invariants of memory.md 11; a design
that guards flat views is asked whether it missed a harmful use or stopped a right one. No machine takes part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.engine.target import RAISED, Execution, Feature, Found, exception_found
from fuzz.programs import Judge, decode
from fuzz.targets.situations import bucket

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fuzz.programs import Judged, Program
    from model.designs import Design

NAME: Final = "memory"
MAX_SIZE: Final = 400
"""Longest input, bytes: more than that is no call any more."""


class MemoryTarget:
    """Runs programs. `designs` are looked at beside the reference."""

    name = NAME

    def __init__(self, designs: Sequence[type[Design]]) -> None:
        self._judge = Judge(designs)

    def run(self, data: bytes) -> Execution:
        """One input: an execution with what it showed."""
        program = decode(data)
        text = program.text()
        try:
            judged = self._judge.judge(program)
        except RAISED as error:  # whatever a design or the model raises is a finding
            one = exception_found("any", error)
            return Execution([("exception", one.cause)], (one,))
        found: dict[str, Found] = {}
        for one_design in judged:
            for finding in one_design.findings:
                cause = str(finding.cause)
                found.setdefault(cause, Found(finding.kind, cause, finding.text, readable=text))
        features: list[Feature] = [("finding", cause) for cause in found]
        features += _facts(program, judged)
        return Execution(features, tuple(found.values()))


def _facts(program: Program, judged: Sequence[Judged]) -> Iterator[Feature]:
    """What this program is, and how each design took it."""
    reference = judged[0].result
    yield ("world", program.world, reference.verdict, bucket(reference.rebuilds))
    # What holds what shows in no view until there is something in it.
    yield from (("tree", program.world, *edge) for edge in reference.tree)
    previous = ""
    for call in program.calls:
        yield ("call", call.who, call.verb)
        yield ("calls", previous, call.verb)
        previous = call.verb
    for view in reference.end:
        if isinstance(view, tuple) and len(view) == 4 and isinstance(view[1], list):
            yield ("ranges", str(view[0]), len(view[1]))
            yield from (("shown", str(view[0]), region.name, flags) for region, _, flags in view[3])
    for one in judged[1:]:
        result = one.result
        yield ("verdict", result.design, result.verdict)
        yield ("reads", result.design, bucket(result.reads), bucket(result.harmful), bucket(result.forced))
