"""Findings on disk: a folder per cause, with the smallest input that shows it.

Many workers write here, so a short lock on `findings/.lock` orders them (the system drops it when a process dies).
The witness is renamed into place first and `finding.json`, which names the witness by its SHA-256 and its schedule,
after it: killed in between, the folder holds a whole witness and the description of another one of the same cause, and
`records` describes what is there. So that a schedule is never torn from its stream, a witness that has one ends with it
until the description is there, and is then put in place once more, as the stream alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from fuzz.atomic import write_atomic
from fuzz.beside import DESCRIPTION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fuzz.engine.target import Found

WITNESS: Final = "witness.vmstate"
READABLE: Final = "witness.txt"
"""The witness in its text form, where it has one."""


@dataclass(frozen=True, slots=True)
class Record:
    """A finding as kept: what, where from, and the input that shows it."""

    kind: str
    cause: str
    text: str
    machine: str
    target: str
    size: int
    """Bytes of the witness, without the schedule."""
    sha256: str
    execution: int
    """Number of the execution that showed this witness, counted by its worker over all its runs."""
    schedule: list[str] | None = None
    """The steps under which the witness shows it, null for none."""
    loadvm: bool = False
    """Whether it shows as a snapshot."""
    severity: str = ""
    """How bad it is with this witness, "" where nobody has said."""

    first: int = 0
    """Number of the execution that showed the cause for the first time."""
    doubt: bool = False
    """Whether the witness was found to be another one than was described: the next sight of the cause replaces it."""

    @property
    def design(self) -> str:
        """The load design, first part of the cause."""
        return self.cause.split("/", 1)[0]


def cause_id(cause: str) -> str:
    """A folder name for a cause: readable, bounded, different for different causes."""
    digest = hashlib.sha256(cause.encode()).hexdigest()[:8]
    slug = re.sub(r"[^A-Za-z0-9_+-]+", ".", cause).strip(".")[:96]
    return f"{slug}.{digest}"


class FindingStore:
    """The folder `findings` of a campaign, as one worker sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._best: dict[str, tuple[int, str]] = {}
        """Weight and machine of the witness on disk, by cause, as far as this worker knows."""

    def keep(self, found: Found, data: bytes, origin: Origin) -> str:
        """Keep a finding if it is the first of its cause or smaller than the one kept; `data` may end with a schedule.

        Returns "new", "smaller" or "" (kept nothing). A witness is replaced only by one of the same machine, so that
        witness and description always belong together. Raises OSError when the disk refuses; nothing is torn then.
        """
        known = self._best.get(found.cause)
        if known is not None and (len(data) >= known[0] or origin.machine != known[1]):
            return ""
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self.folder / cause_id(found.cause)
        with self._locked():
            kept = read_record(place)
            if kept is not None and not kept.doubt and (kept.machine != origin.machine or _weight(kept) <= len(data)):
                self._best[found.cause] = (_weight(kept), kept.machine)
                return ""
            self._put(place, found, data, origin, origin.execution if kept is None else kept.first)
        self._best[found.cause] = (len(data), origin.machine)
        return "new" if kept is None else "smaller"

    def improve(self, found: Found, data: bytes, known: Record) -> bool:
        """Put a better witness of `known` in its place; `data` may end with a schedule. Whether it lies there now.

        It does not if by now another one is kept, of another machine or no larger, or none at all. Better is what the
        caller says: the one that `known` tells of goes even if it is not larger. Raises OSError, as `keep`.
        """
        place = self.folder / cause_id(known.cause)
        with self._locked():
            kept = read_record(place)
            if kept is None or kept.machine != known.machine:
                return False
            same = (kept.sha256, kept.schedule) == (known.sha256, known.schedule)
            if not same and _weight(kept) <= len(data):
                return False
            origin = Origin(kept.machine, kept.target, kept.execution, kept.loadvm)
            self._put(place, found, data, origin, kept.first)
        self._best[known.cause] = (len(data), known.machine)
        return True

    def _put(self, place: Path, found: Found, data: bytes, origin: Origin, first: int) -> None:
        """Write a witness and its description in the order that is said above, under the lock."""
        stream, schedule = _split(data)
        record = Record(
            found.kind,
            found.cause,
            found.text,
            origin.machine,
            origin.target,
            len(stream),
            hashlib.sha256(stream).hexdigest(),
            origin.execution,
            schedule,
            origin.loadvm,
            found.severity,
            first,
        )
        place.mkdir(exist_ok=True)
        write_atomic(place / WITNESS, data)
        if found.readable:
            write_atomic(place / READABLE, found.readable.encode())
        write_atomic(place / DESCRIPTION, json.dumps(asdict(record), indent=2).encode() + b"\n")
        if schedule:
            write_atomic(place / WITNESS, stream)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and when an input ran."""

    machine: str
    target: str
    execution: int
    loadvm: bool = False


def read_record(place: Path) -> Record | None:
    """The finding in this folder; None when it is not whole (killed before its description was written)."""
    try:
        values = json.loads((place / DESCRIPTION).read_bytes())
        values.pop("seconds", None)  # of a campaign of before: nothing that is kept depends on the clock
        record = Record(**values)
        size = (place / WITNESS).stat().st_size
    except (OSError, ValueError, TypeError):
        return None
    if size != record.size:  # killed between witness and description: a smaller witness of the same cause
        stream, schedule = _split((place / WITNESS).read_bytes())
        digest = hashlib.sha256(stream).hexdigest()
        record = replace(record, size=len(stream), schedule=schedule, sha256=digest)
    return record


def settle(place: Path, record: Record) -> bytes:
    """Describe the witness that lies there, in doubt that it shows what the description says.

    Returns the input that it is, with its schedule at the end. Raises OSError.
    """
    from model.schedule import Schedule, join  # noqa: PLC0415 - as below

    stream, _ = _split((place / WITNESS).read_bytes())
    digest = hashlib.sha256(stream).hexdigest()
    record = replace(record, size=len(stream), sha256=digest, doubt=True)
    write_atomic(place / DESCRIPTION, json.dumps(asdict(record), indent=2).encode() + b"\n")
    write_atomic(place / WITNESS, stream)
    return join(stream, Schedule.parse(record.schedule))


def _weight(record: Record) -> int:
    """Bytes of the witness as one input, with the schedule at its end."""
    from model.schedule import Schedule, join  # noqa: PLC0415 - as below

    return record.size + len(join(b"", Schedule.parse(record.schedule)))


def _split(data: bytes) -> tuple[bytes, list[str] | None]:
    """A stream and the steps of the schedule behind it."""
    from model.schedule import split  # noqa: PLC0415 - a worker puts its probes in place before the model is imported

    stream, schedule = split(data)
    return stream, schedule.to_json()


def records(folder: Path) -> tuple[tuple[Path, Record], ...]:
    """All whole findings, sorted by cause, each with its folder."""
    if not folder.is_dir():
        return ()
    found = [(place, record) for place in folder.iterdir() if place.is_dir() and (record := read_record(place))]
    return tuple(sorted(found, key=lambda pair: pair[1].cause))
