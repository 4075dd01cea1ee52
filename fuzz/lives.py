"""What `vmfuzz load` shows of a process beyond its load: the lives asked for, a table of stages, and their JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rich.table import Table
from rich.text import Text

from fuzz.explain.table import STYLES
from model import LIVES, Cause, judge_life, live
from model.schedule import EMPTY_SCHEDULE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from model import Design, Finding, Machine, Stage
    from model.schedule import Schedule

Lives: TypeAlias = "tuple[tuple[str, tuple[Stage, ...]], ...]"
"""By name of the life, its stages."""

OPTIONS: Final = {"resume": "--resume", "resave": "--again"}
"""The options of `vmfuzz load` that lead to a life."""


def asked(*, resume: bool, again: bool, loadvm: bool) -> tuple[str, ...]:
    """The lives that the options ask for, in the order of `model.LIVES`."""
    wanted = {"resume": resume, "resave": again, "loadvm": loadvm}
    return tuple(life for life in LIVES if wanted[life])


def lives_of(causes: Iterable[str]) -> tuple[str, ...]:
    """The lives beyond the load in which causes show: their oracles begin with the stage, which is called so too."""
    stages = {Cause.parse(cause).oracle.partition("-")[0] for cause in causes}
    return tuple(life for life in LIVES if life in stages)


def lived(
    machine: Machine,
    data: bytes,
    design: type[Design],
    lives: Sequence[str],
    *,
    loadvm: bool = False,
    schedule: Schedule = EMPTY_SCHEDULE,
) -> Lives:
    """Those lives under a design, one after the other; the machine is pristine before and after."""
    return tuple((life, live(machine, data, design, life, loadvm=loadvm, schedule=schedule)) for life in lives)


def judged(reference: Lives, candidate: Lives) -> tuple[Finding, ...]:
    """What is wrong with each life beyond its load."""
    pairs = zip(reference, candidate, strict=True)
    return tuple(finding for (_, old), (_, new) in pairs for finding in judge_life(old, new))


def to_json(lives: Lives) -> list[dict[str, Any]]:
    """The `stages` of an outcome: one object for each stage behind the load, an outcome itself."""
    return [
        {"life": life, "stage": stage.name, **stage.outcome.to_json()} for life, stages in lives for stage in stages[1:]
    ]


def show(console: Console, designs: Sequence[tuple[str, Lives]]) -> None:
    """A table design x stage: the verdict, and how many commits rebuilt the views."""
    names = dict.fromkeys(stage.name for _, lives in designs for _, stages in lives for stage in stages[1:])
    if not names:
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("design", *names):
        table.add_column(name, overflow="fold")
    for design, lives in designs:
        cells = {stage.name: _cell(stage) for _, stages in lives for stage in stages[1:]}
        table.add_row(design, *(cells.get(name, Text("-")) for name in names))
    console.print(table)


def _cell(stage: Stage) -> Text:
    outcome = stage.outcome
    open_ = f", depth {outcome.depth_at_end}" if outcome.depth_at_end else ""
    return Text(f"{outcome.verdict}, {outcome.rebuilds} rebuilds{open_}", style=STYLES[outcome.verdict])
