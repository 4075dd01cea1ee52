"""The half of `vmfuzz bench` that looks beside: executions here, and loads of the real program, in one run.

A worker fuzzes a machine from its seeds as `vmfuzz run` does, under two designs, the reference among them, with the
code under test instrumented: its inputs are mutants. Beside it fresh processes of the real QEMU start, load a seed
and end, one after the other (`fuzz.qemu.fresh`), which is the least that anybody needs to try one input there. Each
side has one processor to itself; where there is only one they take turns.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from fuzz.qemu.fresh import Fresh
from model.designs import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fuzz.corpus import MachineFiles

WANTED: Final = {"pc-small": 100.0, "seed-24": 30.0}
"""The machines that are looked at unless others are named, and how many times as many executions there should be."""
DESIGN: Final = "wrap-main"
_TURNS: Final = 3


@dataclass(frozen=True, slots=True)
class Beside:
    """One machine. Executions and loads are per second of the clock."""

    machine: str
    executions: float
    loads: float
    wanted: float | None
    """What the ratio should be; None: nobody said."""
    at_once: bool
    """Whether both had a processor of their own, at the same time."""

    @property
    def ratio(self) -> float:
        """Executions for each load."""
        return self.executions / self.loads if self.loads else 0.0

    def to_json(self) -> dict[str, Any]:
        """The object of `vmfuzz bench --json`."""
        return {**asdict(self), "ratio": self.ratio, "designs": [REFERENCE.name, DESIGN]}


def there_is(binary: str) -> bool:
    """Whether there is a real program to look at."""
    return shutil.which(binary) is not None


def beside(
    machine: MachineFiles, arguments: Sequence[str], run: Callable[[float, int], float], *, seconds: float, binary: str
) -> Beside:
    """Measure one machine for some seconds. `run` fuzzes for so many, from a seed number, and says executions a second.

    Raises QemuError where the real program cannot be had or does not take the seed.
    """
    fresh = Fresh(arguments, max(machine.seeds, key=lambda path: path.stat().st_size), binary=binary)
    fresh.load()  # files are in memory from now on
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) > 1:
        ours, theirs = processors[-2:]
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(_on, ours, lambda: run(seconds, 1))
            loads = _on(theirs, lambda: fresh.rate(seconds))
            executions = running.result()
    else:
        turn = seconds / _TURNS
        both = [(run(turn, number), fresh.rate(turn)) for number in range(1, _TURNS + 1)]
        executions, loads = (sum(side) / _TURNS for side in zip(*both, strict=True))
    return Beside(machine.name, executions, loads, WANTED.get(machine.name), len(processors) > 1)


def _on(processor: int, do: Callable[[], float]) -> float:
    """Done by this thread, and the processes that it starts, on one processor."""
    with _bound_to(processor):
        return do()


@contextmanager
def _bound_to(processor: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def table(measured: Sequence[Beside]) -> Table:
    """A column per machine."""
    at_once = all(one.at_once for one in measured)
    how = "one processor each, at the same time" if at_once else "on one processor, by turns"
    title = f"Mutants under {REFERENCE.name} and {DESIGN}, beside fresh QEMU processes that load a seed; {how}"
    shown = Table(title=title, title_justify="left")
    shown.add_column("", no_wrap=True)
    for one in measured:
        shown.add_column(one.machine, justify="right", no_wrap=True)
    shown.add_row("executions per second", *(f"{one.executions:,.0f}" for one in measured))
    shown.add_row("loads of the real program per second", *(f"{one.loads:.1f}" for one in measured), end_section=True)
    shown.add_row("ratio", *(f"{one.ratio:.0f}" for one in measured))
    shown.add_row("should be, at least", *("-" if one.wanted is None else f"{one.wanted:.0f}" for one in measured))
    return shown
