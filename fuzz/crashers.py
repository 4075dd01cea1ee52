"""Crashers: streams kept because they show something, with the outcome expected under each design.

`ID.vmstate` is the stream; `ID.json` beside it says on which machine and what is expected:

    {"machine": "pc-small", "schedule": null, "expect": {"wrap-main": {"verdict": "accepted", "causes": [...]}, ...}}

`schedule` is what others do meanwhile (`model.schedule`): a list of steps as text, null for none. `"loadvm": true` says
that the stream is loaded as a snapshot.

What is written and compared of an outcome (`fuzz.replay`) is `summary`: verdict, where it fell, counters and causes.
Message texts and layouts are left out, so that an expectation survives a reworded message; keys absent from an
expectation are not compared, so that a person may write a short one by hand.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fuzz.atomic import write_atomic
from fuzz.schedules import parse_json
from model.schedule import EMPTY_SCHEDULE, ScheduleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from model.outcome import Finding, Outcome
    from model.schedule import Schedule

Expectation = dict[str, Any]


class CrasherError(Exception):
    """A crasher that cannot be read, in one line that says which and why."""


@dataclass(frozen=True, slots=True)
class Crasher:
    """A stream and what is expected of it."""

    path: Path
    """The stream file."""
    machine: str
    expect: Mapping[str, Expectation]
    schedule: Schedule = EMPTY_SCHEDULE
    loadvm: bool = False
    kept: tuple[str, ...] = ()
    """The causes for which it is kept, key `cause` of the JSON, as far as they are causes."""

    @property
    def name(self) -> str:
        """The crasher's ID."""
        return self.path.stem

    @property
    def causes(self) -> tuple[str, ...]:
        """All causes that are expected, of whatever design, sorted; what is no cause is left out."""
        return tuple(sorted({cause for one in self.expect.values() for cause in _causes(one.get("causes"))}))


def _causes(value: object) -> tuple[str, ...]:
    """Those of a list that are causes."""
    values = value if isinstance(value, list) else [value]
    return tuple(cause for cause in values if isinstance(cause, str) and cause.count("/") == 4)


def summary(outcome: Outcome, findings: Sequence[Finding]) -> Expectation:
    """What is kept of one design's outcome: JSON values only."""
    shown: Expectation = {
        "verdict": outcome.verdict,
        "section": outcome.at.section if outcome.at else None,
        "offset": outcome.at.offset if outcome.at else None,
        "rebuilds": outcome.rebuilds,
        "forced_commits": outcome.forced_commits,
        "reads_while_pending": dict(outcome.reads_while_pending),
        "harmful_reads": dict(outcome.harmful_reads),
        "depth_at_end": outcome.depth_at_end,
        "causes": sorted({str(finding.cause) for finding in findings}),
    }
    return shown


def read_crasher(path: Path) -> Crasher:
    """Read a crasher by its stream or by its JSON. Raises CrasherError."""
    stream, described = path.with_suffix(".vmstate"), path.with_suffix(".json")
    if path.suffix not in {".vmstate", ".json"}:
        msg = f"crasher {path}: expected a .vmstate or .json file"
        raise CrasherError(msg)
    try:
        values = json.loads(described.read_bytes())
        machine, expect = values["machine"], values["expect"]
    except OSError as error:
        msg = f"crasher {path}: {described}: {error.strerror}"
        raise CrasherError(msg) from None
    except KeyError as error:
        msg = f"crasher {path}: {described}: no {error}"
        raise CrasherError(msg) from None
    except (ValueError, TypeError, RecursionError) as error:
        msg = f"crasher {path}: {described}: {error}"
        raise CrasherError(msg) from None
    if (
        not isinstance(machine, str)
        or not isinstance(expect, dict)
        or not all(isinstance(o, dict) for o in expect.values())
    ):
        msg = f"crasher {path}: {described}: machine must be a string, expect an object of objects"
        raise CrasherError(msg)
    if not stream.is_file():
        msg = f"crasher {path}: {stream}: no such file"
        raise CrasherError(msg)
    try:
        schedule = parse_json(values.get("schedule"), described)
    except ScheduleError as error:
        raise CrasherError(f"crasher {path}: {error}") from None
    return Crasher(stream, machine, expect, schedule, values.get("loadvm") is True, _causes(values.get("cause")))


def write_crasher(
    folder: Path,
    name: str,
    data: bytes,
    machine: str,
    expect: Mapping[str, Expectation],
    notes: Mapping[str, Any] | None = None,
    *,
    schedule: Schedule = EMPTY_SCHEDULE,
    loadvm: bool = False,
) -> Crasher:
    """Write ID.vmstate and ID.json, the stream first. `notes` are more keys for people. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.vmstate"
    write_atomic(path, data)
    values: dict[str, Any] = {"machine": machine, "schedule": schedule.to_json()}
    if loadvm:
        values["loadvm"] = True
    values |= {"expect": dict(expect), **(notes or {})}
    write_atomic(path.with_suffix(".json"), json.dumps(values, indent=2).encode() + b"\n")
    return Crasher(path, machine, expect, schedule, loadvm)
