"""A witness on disk and what must be known to run it again: a campaign's, or a crasher."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fuzz.beside import DESCRIPTION, seen_from
from fuzz.campaign.asked import designs_asked
from fuzz.campaign.findings import WITNESS, read_record
from fuzz.campaign.folder import Campaign
from fuzz.crashers import CrasherError, read_crasher
from fuzz.report.causes import command_line
from fuzz.targets import stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.campaign.findings import Record
    from fuzz.crashers import Crasher


@dataclass(frozen=True, slots=True)
class Witness:
    """An input. `size`: its bytes, without a schedule. `sha256`: of the same.

    `machine`: as it was typed, or where it lies; `designs`: those that were asked for, as they are typed. `folder`: the
    campaign's, where more is known of the machine; None of a crasher.
    """

    path: Path
    size: int
    sha256: str
    target: str
    machine: str
    schedule: tuple[str, ...] = ()
    loadvm: bool = False
    designs: tuple[str, ...] = ()
    folder: Path | None = None

    def command(self, cause: str) -> str:
        """The command line that shows the cause again."""
        words = command_line(self.path, self.target, self.machine, cause, self.designs, loadvm=self.loadvm)
        return shlex.join(words)


def of_finding(place: Path, record: Record, folder: Path, designs: Sequence[str]) -> Witness:
    """The witness of a campaign's finding."""
    return Witness(
        place / WITNESS,
        record.size,
        record.sha256,
        record.target,
        seen_from(place, record.machine) if record.machine else "",
        tuple(record.schedule or ()),
        record.loadvm,
        tuple(designs),
        folder,
    )


def of_crasher(crasher: Crasher, designs: Sequence[str]) -> Witness:
    """A crasher as a witness. Raises OSError."""
    data = crasher.path.read_bytes()
    return Witness(
        crasher.path,
        len(data),
        hashlib.sha256(data).hexdigest(),
        stream.NAME,
        seen_from(crasher.path.parent, crasher.machine),
        tuple(crasher.schedule.to_json() or ()),
        crasher.loadvm,
        tuple(designs),
    )


def witness_at(path: Path, designs: Sequence[str]) -> Witness | None:
    """The witness in a file; None where there is none, or nothing beside it that tells how to run it."""
    if not path.is_file():
        return None
    if path.name == WITNESS and (path.parent / DESCRIPTION).is_file():
        record = read_record(path.parent)
        folder = path.parent.parent.parent
        return of_finding(path.parent, record, folder, (*designs, *designs_asked(Campaign(folder)))) if record else None
    try:
        return of_crasher(read_crasher(path), designs)
    except (CrasherError, OSError):
        return None
