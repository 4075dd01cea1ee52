"""Programs made smaller: fewest calls first, then the plainest operands.

`shrink` keeps what a predicate accepts. It owns no notion of a finding; whoever calls it says what must stay. Each pass
is tried until none of them helps, so the result is a fixed point: no single call can go, no pair of calls can go, no
caller can be the loader instead, and no operand can be plainer.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from fuzz.programs.program import NUMBERS, VERBS, Call, Operand, names
from fuzz.programs.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fuzz.programs.program import Program

_PAIRS_BELOW = 24
"""Calls up to which all pairs are tried."""


def shrink(program: Program, keeps: Callable[[Program], bool]) -> Program:
    """The smallest program that the passes find and `keeps` accepts. It must accept the program itself."""
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(program):
            if keeps(smaller):
                program, progress = smaller, True
                break
    return program


def _smaller(program: Program) -> Iterator[Program]:
    calls = program.calls
    count = len(calls)
    size = count // 2
    while size >= 1:
        for start in range(0, count, size):
            yield replace(program, calls=calls[:start] + calls[start + size :])
        size //= 2
    if count <= _PAIRS_BELOW:
        for left, right in combinations(range(count), 2):
            yield replace(program, calls=tuple(call for at, call in enumerate(calls) if at not in {left, right}))
    for at, call in enumerate(calls):
        for plainer in _plainer(program, call):
            yield replace(program, calls=(*calls[:at], plainer, *calls[at + 1 :]))


def _plainer(program: Program, call: Call) -> Iterator[Call]:
    if call.who:
        yield replace(call, who="")
    for at, (kind, value) in enumerate(zip(VERBS[call.verb], call.operands, strict=True)):
        for other in _values(program, kind, value):
            yield replace(call, operands=(*call.operands[:at], other, *call.operands[at + 1 :]))


def _values(program: Program, kind: str, value: Operand) -> Iterator[Operand]:
    """Plainer values, the plainest first. Names keep their order in the world, so that a fixed point is reached."""
    if isinstance(value, int) and kind in NUMBERS:
        low = NUMBERS[kind][0]
        tries = (
            low,
            value & -0x1000,
            value & -0x800,
            value // 2 & -0x800,
            value - 0x800,
            value & (1 << value.bit_length()) >> 1,
        )
        yield from sorted({number for number in tries if low <= number < value})
    elif kind in {"slot", "priority", "way", "switch", "space"}:
        choice = names(WORLDS[program.world], kind)
        plain = sorted(choice, key=abs) if kind == "priority" else choice  # type: ignore[arg-type]
        yield from plain[: plain.index(value)]
