"""Hypothesis strategies that draw what the fuzzer makes: mutants of a machine's streams, programs of memory-API calls.

    from hypothesis import example, given
    from fuzz.strategies import crash_file, mutants

    @given(mutants("pc-small"))
    @example(crash_file("corpus/crashers/force-naive-recursion.vmstate"))
    def test_my_loader(data): ...

The arms are the fuzzer's own, and so are the values that they try: `Drawn` is dice (`fuzz.mutate.Dice`) of which
hypothesis decides how they fall. So what one of them learns to make the other makes too; hypothesis shrinks towards
few arms and the first of their choices. What is drawn is a stream, with a schedule behind it if `schedules` allows
them, in the form that corpora and crash files have: `fuzz.targets`, `vmfuzz load` and `fuzz.engine` take it alike.

Needs hypothesis (`pip install vmfuzz[strategies]`); nothing else in this package does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from fuzz.corpus import find_machine
from fuzz.mutate import Dice
from fuzz.mutate.programs import ProgramMutator
from fuzz.programs import seed_inputs
from fuzz.schedules import scheduled
from fuzz.targets.memory import MAX_SIZE
from fuzz.work.build import make_mutator, read_description
from model.schedule import join

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Drawn", "crash_file", "mutants", "programs"]


class Drawn(Dice):
    """Dice that hypothesis throws."""

    __slots__ = ("_draw",)

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        super().__init__(0)
        self._draw = draw

    def below(self, limit: int) -> int:
        """A number in 0..limit-1."""
        return self._draw(st.integers(0, limit - 1)) if limit > 1 else 0

    def word(self, bits: int) -> int:
        """`bits` bits."""
        return self._draw(st.integers(0, (1 << bits) - 1))


def mutants(machine: str, seeds: Sequence[bytes] | None = None, *, schedules: bool = False) -> st.SearchStrategy[bytes]:
    """Mutants of streams for a machine: a shipped one's name, or a description's path.

    `seeds`: the streams to begin with; None: the machine's own. `schedules`: some end with a schedule. Raises what
    `fuzz.corpus.find_machine` does for a machine that there is not, and ValueError without a seed.
    """
    found = find_machine(machine)
    begin = tuple(path.read_bytes() for path in found.seeds) if seeds is None else tuple(seeds)
    if not begin:
        msg = f"{machine}: no streams to begin with"
        raise ValueError(msg)
    mutator = make_mutator(read_description(found.description), begin, schedules=schedules)

    @st.composite
    def drawn(draw: st.DrawFn) -> bytes:
        # One mutation of a seed: what a mutant's own mutants are depends on what was made before.
        data = draw(st.sampled_from(begin))
        if draw(st.booleans()):
            return mutator.tried(mutator.max_size, Drawn(draw))
        return mutator.mutant(data, mutator.max_size, Drawn(draw))

    return drawn()


def programs() -> st.SearchStrategy[bytes]:
    """Programs of memory-API calls, as bytes: what the target `memory` takes (`fuzz.programs.decode` reads them)."""
    begin = tuple(seed_inputs())
    mutator = ProgramMutator(MAX_SIZE)

    @st.composite
    def drawn(draw: st.DrawFn) -> bytes:
        return mutator.mutant(draw(st.sampled_from(begin)), mutator.max_size, Drawn(draw))

    return drawn()


def crash_file(path: str | Path) -> bytes:
    """A crash file as one input: its stream, and behind it the schedule that it ends with or that lies beside it.

    For `@example(...)`, for `fuzz.targets`, as an entry of a corpus. Raises OSError and `model.schedule.ScheduleError`.
    """
    path = Path(path)
    return join(*scheduled(path, path.read_bytes()))
