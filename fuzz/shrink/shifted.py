"""The pass `shifted`: records that are there only because steps count by them.

A step says at the how-many-th point of its kind somebody acts. A section that is dropped, or becomes one with another,
takes its points with it, and the step then means a later one. So a record goes and steps come earlier at once, which
no other pass does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fuzz.shrink.records import merges
from fuzz.shrink.work import Case
from fuzz.shrink.work import records as records_of
from model.schedule import Schedule
from vmformat import Eof, StreamError, write
from vmformat.edit.records import Slots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.shrink.work import Work
    from vmformat.paths import Place

FARTHEST: Final = 4
"""Points by which steps come earlier when one record goes."""


def shifted(work: Work) -> None:
    """Each record, from the last one, and each merge, with each way that steps may be meant when it is gone."""
    if not work.best.schedule:
        return
    for place, record in reversed(records_of(work.stream, work.schemas)):
        if not isinstance(record, Eof):
            _try(work, _without(work, place))
    while any(_try(work, write(candidate)) for candidate in merges(work.stream)):
        pass


def _try(work: Work, data: bytes | None) -> bool:
    steps = _earlier(work.best.schedule)
    return data is not None and any(work.attempt(Case(data, earlier)) for earlier in steps)


def _without(work: Work, place: Place) -> bytes | None:
    slots = Slots(work.stream, work.schemas)
    try:
        slots.take(slots.at(place))
        return write(slots.result())
    except StreamError:
        return None


def _earlier(schedule: Schedule) -> Iterator[Schedule]:
    """Steps from some number on come earlier, all of one point or all of any point, by a few."""
    seen = {schedule}
    for by in range(1, FARTHEST + 1):
        for point in (None, *dict.fromkeys(step.point for step in schedule)):
            for least in sorted({step.number for step in schedule if step.number >= by}):
                moved = Schedule(
                    tuple(
                        replace(step, number=step.number - by)
                        if step.number >= least and point in {None, step.point}
                        else step
                        for step in schedule
                    )
                )
                if moved not in seen:
                    seen.add(moved)
                    yield moved
