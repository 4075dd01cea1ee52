"""A witness on disk and what must be known to run it again: a campaign's, or a crasher."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.beside import DESCRIPTION, seen_from
from fuzz.campaign.asked import designs_asked
from fuzz.campaign.findings import WITNESS, read_record
from fuzz.campaign.folder import Campaign, CampaignError
from fuzz.crashers import CrasherError, read_crasher
from fuzz.report.causes import command_line
from fuzz.targets import stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.campaign.findings import Record
    from fuzz.campaign.spec import Spec
    from fuzz.crashers import Crasher

SECONDS: Final = 60.0
MEMORY: Final = 4 << 30
"""What an execution may take where no campaign says it."""


@dataclass(frozen=True, slots=True)
class Witness:
    """An input. `size`: its bytes, without a schedule. `sha256`: of the same.

    `machine`: as it was typed, or where it lies. `designs`: those that its campaign was asked for, as they are typed;
    `own`: those of a user's own that were named now, which alone may be run. `description`: the machine's file, as the
    workers read it, "" where nobody says. `seconds` of processor time and bytes of `memory` beyond the start: what an
    execution of its campaign might take.
    """

    path: Path
    size: int
    sha256: str
    target: str
    machine: str
    schedule: tuple[str, ...] = ()
    loadvm: bool = False
    designs: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    description: str = ""
    seconds: float = SECONDS
    memory: int = MEMORY

    def command(self, cause: str) -> str:
        """The command line that shows the cause again."""
        designs = (*self.own, *self.designs)
        return shlex.join(command_line(self.path, self.target, self.machine, cause, designs, loadvm=self.loadvm))


class Witnesses:
    """Makes witnesses; what a campaign says of itself is read once. `own`: designs of a user's own, as typed."""

    def __init__(self, own: Sequence[str] = ()) -> None:
        self._own = tuple(own)
        self._asked: dict[Path, tuple[tuple[str, ...], dict[tuple[str, str], Spec]]] = {}

    def of_finding(self, place: Path, record: Record, campaign: Campaign) -> Witness:
        """The witness of a campaign's finding."""
        if campaign.path not in self._asked:
            self._asked[campaign.path] = designs_asked(campaign), _specs(campaign)
        designs, specs = self._asked[campaign.path]
        spec = specs.get((record.target, record.machine))
        return Witness(
            place / WITNESS,
            record.size,
            record.sha256,
            record.target,
            seen_from(place, record.machine) if record.machine else "",
            tuple(record.schedule or ()),
            record.loadvm,
            designs,
            self._own,
            spec.description if spec is not None else "",
            spec.timeout if spec is not None else SECONDS,
            (spec.memory if spec is not None else 0) or MEMORY,
        )

    def of_crasher(self, crasher: Crasher) -> Witness:
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
            own=self._own,
        )

    def at(self, path: Path) -> Witness | None:
        """The witness in a file; None where there is none, or nothing beside it that tells how to run it."""
        if not path.is_file():
            return None
        if path.name == WITNESS and (path.parent / DESCRIPTION).is_file():
            record = read_record(path.parent)
            return self.of_finding(path.parent, record, Campaign(path.parent.parent.parent)) if record else None
        try:
            return self.of_crasher(read_crasher(path))
        except (CrasherError, OSError):
            return None


def _specs(campaign: Campaign) -> dict[tuple[str, str], Spec]:
    """By target and machine, how workers were run last, as far as they have left that behind."""
    found: dict[tuple[str, str], Spec] = {}
    for group in campaign.groups():
        try:
            spec = campaign.spec(group)
        except CampaignError:
            continue
        if spec is not None:
            found[spec.target, spec.machine] = spec
    return found
