"""What somebody gives to be replayed: crashers, findings of campaigns, and folders with any of them in."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.beside import DESCRIPTION
from fuzz.campaign.findings import WITNESS, read_record, records
from fuzz.campaign.folder import Campaign
from fuzz.crashers import CrasherError
from model.schedule import ScheduleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fuzz.campaign.findings import Record

STREAM: Final = ".vmstate"
JSON: Final = ".json"


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding of a campaign: its folder, and what is kept of it there."""

    place: Path
    record: Record


@dataclass(frozen=True, slots=True)
class Given:
    """The streams of crashers, and findings; each once, in the order given."""

    crashers: tuple[Path, ...]
    findings: tuple[Finding, ...]


def given(paths: Iterable[Path]) -> Given:
    """All that is named by a crasher's stream or JSON, by a finding's folder or a file in it, or by a folder of them.

    A folder is looked through with what is below it. Raises CrasherError for one that has nothing, and for a finding
    that is not whole.
    """
    crashers: dict[Path, None] = {}
    found: dict[Path, Finding] = {}
    for path in paths:
        if path.is_dir():
            inside = [finding(path)] if (path / DESCRIPTION).is_file() else [*below(path)]
            if not inside and not _is_campaign(path):
                raise CrasherError(f"{path}: no crashers (ID{STREAM} beside ID{JSON}) and no findings in it")
            found |= {one.place: one for one in inside if isinstance(one, Finding)}
            crashers |= dict.fromkeys(one for one in inside if isinstance(one, Path))
        elif is_finding(path):
            found[path.parent] = finding(path.parent)
        elif path.suffix not in {STREAM, JSON} and not path.exists():
            raise CrasherError(f"crasher {path}: no such file or folder")
        else:
            crashers[path.with_suffix(STREAM) if path.suffix == JSON else path] = None
    return Given(tuple(crashers), tuple(found.values()))


def below(folder: Path) -> Iterator[Path | Finding]:
    """The streams of crashers in a folder and in those below it, by name, and findings; hidden folders are left out.

    A crasher whose stream is missing is there, too, so that it is missed; a finding that is not whole is not.
    """
    if (folder / DESCRIPTION).is_file():
        record = _record(folder)
        if record is not None:
            yield Finding(folder, record)
        return
    if _is_campaign(folder):
        yield from (Finding(place, record) for place, record in records(Campaign(folder).findings))
        return
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    files = [Path(entry.path) for entry in entries if entry.is_file()]
    streams = {path for path in files if path.suffix == STREAM}
    yield from sorted(streams | {path for path in map(lost, files) if path is not None})
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from below(Path(entry.path))


def lost(path: Path) -> Path | None:
    """The stream that should lie beside a file, if that is the JSON of a crasher and there is none."""
    stream = path.with_suffix(STREAM)
    if path.suffix != JSON or path.name == DESCRIPTION or stream.exists():
        return None
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return stream if isinstance(values, dict) and {"machine", "expect"} <= values.keys() else None


def is_finding(path: Path) -> bool:
    """Whether a file belongs to a finding's folder, and to no crasher."""
    own = path.name in {WITNESS, DESCRIPTION} and not path.with_suffix(JSON).with_name("witness.json").is_file()
    return own and (path.parent / DESCRIPTION).is_file()


def finding(place: Path) -> Finding:
    """The finding in a folder. Raises CrasherError."""
    record = _record(place)
    if record is None:
        raise CrasherError(f"finding {place}: {DESCRIPTION} and {WITNESS} are not both there and whole")
    return Finding(place, record)


def _record(place: Path) -> Record | None:
    try:
        return read_record(place)
    except (ScheduleError, RecursionError):
        return None


def _is_campaign(folder: Path) -> bool:
    return (folder / "campaign.json").is_file()
