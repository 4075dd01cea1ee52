"""The schedule that belongs to a stream on disk, and schedules as people type them.

A file may end with its schedule (`model.schedule`), as entries of a fuzzer's corpus do. A kept stream has it in the
JSON beside it, under `schedule`: `ID.json` beside a crasher `ID.vmstate`, `finding.json` beside a campaign's witness.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.beside import beside
from model.schedule import EMPTY_SCHEDULE, Schedule, ScheduleError, split

if TYPE_CHECKING:
    from collections.abc import Mapping


def scheduled(path: Path, data: bytes) -> tuple[bytes, Schedule]:
    """What a file holds as a stream and a schedule: that at its end, else that of the JSON beside it, else none.

    Raises ScheduleError.
    """
    stream, schedule = split(data)
    if schedule:
        return stream, schedule
    for file, values in beside(path):
        if _is_of(values, stream):
            return stream, parse_json(values["schedule"], file)
    return stream, EMPTY_SCHEDULE


def _is_of(values: Mapping[str, Any], stream: bytes) -> bool:
    """Whether a JSON speaks of this very stream, as far as it says: killed between two writes, it may not."""
    return values.get("sha256") in {None, hashlib.sha256(stream).hexdigest()}


def parse_json(value: object, where: object) -> Schedule:
    """The key `schedule` of a JSON: null or a list of steps. Raises ScheduleError."""
    if value is not None and not (isinstance(value, list) and all(isinstance(line, str) for line in value)):
        raise ScheduleError(f"{where}: schedule: expected null or a list of steps, found {json.dumps(value)[:80]}")
    try:
        return Schedule.parse(value)
    except ScheduleError as error:
        raise ScheduleError(f"{where}: {error}") from None


def typed_schedule(typed: str) -> Schedule:
    """A schedule as typed: the name of a file with a step a line and `#` for remarks, or steps between semicolons.

    Raises ScheduleError, OSError.
    """
    path = Path(typed)
    try:
        is_file = path.is_file()
    except OSError:  # too long for a name
        is_file = False
    if not is_file:
        return Schedule.parse(typed)
    try:
        return Schedule.parse(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    except UnicodeDecodeError:
        raise ScheduleError(f"{typed}: schedule: expected text, found bytes that are none") from None
    except ScheduleError as error:
        raise ScheduleError(f"{typed}: {error}") from None
