"""What folders tell of causes: how often each was seen, when first and last, and its smallest witness.

A campaign's folder may be filled while it is read. What its workers say in their statistics and what lies in `findings`
are each whole; a cause that one of them has not got yet is taken from the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fuzz.campaign.findings import records
from fuzz.campaign.folder import Campaign
from fuzz.campaign.stats import all_stats
from fuzz.crashers import CrasherError, read_crasher
from fuzz.report.causes import rank, rank_of
from fuzz.triage.entries import TriageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fuzz.triage.witness import Witness, Witnesses


@dataclass(frozen=True, slots=True)
class Sight:
    """A cause as it was seen in one folder or several.

    `first_execution` is a number of the worker that saw it first, None where no execution is told of; `first` and
    `last` are moments, UTC, None where nobody wrote them down.
    """

    cause: str
    kind: str
    severity: str
    text: str = ""
    count: int = 1
    first_execution: int | None = None
    first: datetime | None = None
    last: datetime | None = None
    witness: Witness | None = None

    def joined(self, other: Sight) -> Sight:
        """Both together. Of what only one can be right about, the earlier sight and the smaller witness are kept."""
        earlier = min(self, other, key=_when)
        known = [one.witness for one in (self, other) if one.witness is not None]
        smaller = min(known, key=lambda one: one.size) if known else None
        told = next((one for one in (self, other) if one.witness is smaller and one.text), self)
        moments = [one.last for one in (self, other) if one.last is not None]
        return replace(
            self,
            kind=told.kind or self.kind or other.kind,
            severity=told.severity,
            text=told.text or other.text,
            count=self.count + other.count,
            first_execution=earlier.first_execution,
            first=earlier.first,
            last=max(moments) if moments else None,
            witness=smaller,
        )


def _when(sight: Sight) -> tuple[bool, datetime, bool, int]:
    """Sorts by moment, and by execution where there is none; those of which nothing is known come last."""
    moment = sight.first or datetime.max.replace(tzinfo=UTC)
    return sight.first is None, moment, sight.first_execution is None, sight.first_execution or 0


def sights(folders: Sequence[Path], witnesses: Witnesses) -> dict[str, Sight]:
    """What campaigns and folders of crashers tell, by cause, sorted.

    Raises TriageError for a folder that is neither, and for a crasher that cannot be read.
    """
    found: dict[str, Sight] = {}
    for folder in {folder.resolve(): folder for folder in folders}.values():
        for one in _of_folder(folder, witnesses):
            found[one.cause] = found[one.cause].joined(one) if one.cause in found else one
    return dict(sorted(found.items()))


def _of_folder(folder: Path, witnesses: Witnesses) -> Iterator[Sight]:
    if (folder / "campaign.json").is_file() or (folder / "findings").is_dir():
        return _of_campaign(Campaign(folder), witnesses)
    try:
        crashers = sorted(folder.glob("*.vmstate"))
        if not folder.is_dir():
            raise TriageError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    except OSError as error:
        raise TriageError(f"{folder}: {error.strerror or error}") from None
    if not crashers:
        raise TriageError(f"{folder}: neither a campaign (no campaign.json in it) nor crashers (no .vmstate in it)")
    return _of_crashers(crashers, witnesses)


def _of_campaign(campaign: Campaign, witnesses: Witnesses) -> Iterator[Sight]:
    counted: dict[str, Sight] = {}
    for stats in all_stats(campaign):
        for cause, seen in stats.findings.items():
            one = Sight(
                cause,
                seen.kind,
                str(rank_of(seen.kind, cause)),
                count=seen.count,
                first_execution=seen.first_execution,
                first=moment(seen.first_time),
                last=moment(seen.last_time) or moment(seen.first_time),
            )
            counted[cause] = counted[cause].joined(one) if cause in counted else one
    for place, record in records(campaign.findings):
        told = counted.pop(record.cause, None)
        one = Sight(record.cause, record.kind, str(rank(record)), record.text, first_execution=record.first)
        if told is not None:
            numbers = told.count, told.first_execution, told.first, told.last
            one = replace(one, count=numbers[0], first_execution=numbers[1], first=numbers[2], last=numbers[3])
        yield replace(one, witness=witnesses.of_finding(place, record, campaign))
    yield from counted.values()


def _of_crashers(paths: Sequence[Path], witnesses: Witnesses) -> Iterator[Sight]:
    for path in paths:
        try:
            crasher = read_crasher(path)
            witness = witnesses.of_crasher(crasher)
        except CrasherError as error:
            raise TriageError(str(error)) from None
        except OSError as error:
            raise TriageError(f"crasher {path}: {error.strerror or error}") from None
        for cause in dict.fromkeys((*crasher.causes, *crasher.kept)):
            yield Sight(cause, "", str(rank_of("", cause)), witness=witness)


def moment(text: str) -> datetime | None:
    """A moment as statistics tell it; None for "" and for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else None
