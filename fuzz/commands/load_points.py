"""`vmfuzz load --points`: the points of a load at which a schedule may have steps, to write one by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import vmformat
from model.load_state import LoadState
from model.loader import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model import Design, Machine
    from model.schedule import Schedule
    from model.turns import Passed


def passed(machine: Machine, data: bytes, design: type[Design], schedule: Schedule, *, loadvm: bool) -> list[Passed]:
    """The points that the load passes under a design, in order; the machine is pristine before and after."""
    state = LoadState(machine, data, design(), machine.process, loadvm=loadvm, schedule=schedule)
    points = state.turns.watch()
    run(state)
    machine.reset()
    return points


def point_lines(points: list[Passed], machine: Machine, data: bytes) -> Iterator[str]:
    """A line each: point, offset, whether the lock is let go of, whether changes are pending, in or before what."""
    names = _records(machine, data)
    yield f"{'point':12}{'offset':>12}  {'lock':9}{'changes':9}section"
    for one in points:
        lock = "released" if one.lets_go else "held"
        section = one.section or f"before {names.get(one.offset, 'what comes next')}"
        pending = "pending" if one.pending else "-"
        yield f"{f'{one.point} {one.number}':12}{one.offset:#12x}  {lock:9}{pending:9}{section}"


def points_json(points: list[Passed]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {
            "point": f"{one.point} {one.number}",
            "offset": one.offset,
            "section": one.section,
            "lets_go": one.lets_go,
            "pending": one.pending,
        }
        for one in points
    ]


def _records(machine: Machine, data: bytes) -> dict[int, str]:
    stream = vmformat.read(data, machine.schemas, tolerant=True)
    return {
        record.offset: record.name if isinstance(record, vmformat.Section) else type(record).__name__.lower()
        for record in stream.records
    }
