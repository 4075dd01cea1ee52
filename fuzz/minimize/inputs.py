"""The input in a file: its bytes as a target takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.schedules import scheduled
from model.schedule import ScheduleError, join, split

if TYPE_CHECKING:
    from pathlib import Path


def read_input(path: Path, *, stream: bool) -> bytes:
    """The bytes of a file and, of a `stream`, the schedule that the JSON beside it tells, at their end.

    That is how a campaign keeps the two. Raises OSError; a schedule that cannot be read is none.
    """
    data = path.read_bytes()
    if not stream or split(data)[1]:
        return data
    try:
        _, schedule = scheduled(path, data)
    except ScheduleError:
        return data
    return join(data, schedule) if schedule else data
