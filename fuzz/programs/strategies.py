"""Hypothesis strategies for programs. Needs hypothesis (`pip install vmfuzz[strategies]`); only this module here does.

What is drawn shrinks to few calls, made by the loader, with the first names and small numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from fuzz.programs.program import NUMBERS, VERBS, WHO, Call, Program, names
from fuzz.programs.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Collection

    from fuzz.programs.program import Operand

_UNIT: Final = 0x800


def calls(world: str, verbs: Collection[str] = frozenset(VERBS), who: Collection[str] = WHO) -> st.SearchStrategy[Call]:
    """Calls in a world, with some of the verbs, made by some of those who make calls."""
    callers = st.sampled_from([one for one in WHO if one in who])
    return st.sampled_from([verb for verb in VERBS if verb in verbs]).flatmap(
        lambda verb: st.builds(
            Call, st.just(verb), st.tuples(*(_operands(world, kind) for kind in VERBS[verb])), callers
        )
    )


def programs(
    world: str = "board",
    verbs: Collection[str] = frozenset(VERBS),
    who: Collection[str] = ("",),
    max_calls: int = 40,
) -> st.SearchStrategy[Program]:
    """Programs in a world."""
    return st.lists(calls(world, verbs, who), max_size=max_calls).map(lambda drawn: Program(world, tuple(drawn)))


def _operands(world: str, kind: str) -> st.SearchStrategy[Operand]:
    if kind not in NUMBERS:
        return st.sampled_from(names(WORLDS[world], kind))
    low, high = NUMBERS[kind]
    units = st.integers(0, 24).map(lambda unit: min(max(unit * _UNIT, low), high))
    return st.one_of(units, st.integers(low, min(high, 0x10000)), st.sampled_from((high, high - 1, high + 1 - _UNIT)))
