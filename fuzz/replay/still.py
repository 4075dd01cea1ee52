"""Findings of a campaign run again: does each still show its cause?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fuzz.beside import seen_from
from fuzz.campaign.findings import WITNESS
from fuzz.campaign.folder import Campaign
from fuzz.campaign.spec import Spec
from fuzz.corpus import CorpusError, find_machine
from fuzz.crashers import CrasherError
from fuzz.designs import UsageError, is_known, text_of
from fuzz.lives import lives_of
from fuzz.report.causes import show_command
from fuzz.targets import memory, roundtrip, stream
from fuzz.work.build import build_target
from model import DescriptionError
from model.designs import DESIGNS
from model.schedule import Schedule, ScheduleError, join

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fuzz.campaign.findings import Record
    from fuzz.engine import Target
    from fuzz.replay.given import Finding
    from model.designs import Design


TARGETS: Final = (stream.NAME, roundtrip.NAME, memory.NAME)
_ODD: Final = (ValueError, TypeError, AttributeError)
"""What comes of a record with values of other types than it should have."""


@dataclass(frozen=True, slots=True)
class Still:
    """A finding run again: all causes that its witness shows now, sorted.

    `ended`: whether the process ended of it as the cause says, which is how a hang and a death show.
    """

    finding: Finding
    causes: tuple[str, ...]
    command: str
    ended: bool = False

    @property
    def shows(self) -> bool:
        """Whether its own is among them."""
        return self.ended or self.finding.record.cause in self.causes

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        record = self.finding.record
        return {
            "finding": str(self.finding.place),
            "cause": record.cause,
            "target": record.target,
            "machine": record.machine,
            "design": record.design,
            "shows": self.shows,
            "causes": list(self.causes),
            "command": self.command,
        }


@dataclass(slots=True)
class Asker:
    """Runs findings again, in this process. A target is built once for all findings that need the same."""

    own: Mapping[str, type[Design]] = field(default_factory=dict)
    """Designs beside those of the house, by name."""
    _targets: dict[Spec, Target] = field(default_factory=dict)

    def still(self, finding: Finding) -> Still:
        """One finding. Raises CrasherError for one that cannot be run: its machine or its design is no more."""
        record = finding.record
        try:
            data = (finding.place / WITNESS).read_bytes()
            if record.target == stream.NAME and record.schedule:
                data = join(data, Schedule.parse(record.schedule))
            target = self.target(finding)
        except (CorpusError, UsageError, ScheduleError, DescriptionError, OSError, *_ODD) as error:
            raise CrasherError(f"finding {finding.place}: {error}") from None
        causes = sorted({one.cause for one in target.run(data).found})
        return Still(finding, tuple(causes), self._command(finding))

    def target(self, finding: Finding) -> Target:
        """What finds it. Raises CrasherError, CorpusError, UsageError, DescriptionError, OSError."""
        spec = self._spec(finding)
        if spec not in self._targets:
            self._targets[spec] = build_target(spec)
        return self._targets[spec]

    @staticmethod
    def description(place: Path, record: Record) -> Path:
        """The file of the machine on which a finding in a folder was found. Raises CorpusError."""
        return find_machine(seen_from(place, record.machine)).description

    def _command(self, finding: Finding) -> str:
        record, witness = finding.record, finding.place / WITNESS
        typed = [text_of(self.own[record.design])] if record.design in self.own else []
        return show_command(Campaign(finding.place.resolve().parent.parent), record, witness, typed)

    def _spec(self, finding: Finding) -> Spec:
        """What a worker would be told that is to find this and no more."""
        record = finding.record
        if record.target not in TARGETS:
            raise UsageError(f"target {record.target}: no such target")
        machine = seen_from(finding.place, record.machine) if record.machine else ""
        described = "" if record.target == memory.NAME else str(self.description(finding.place, record))
        return Spec(
            worker="replay",
            target=record.target,
            machine=machine,
            description=described,
            seeds=(),
            designs=self._designs(record.design),
            seed=0,
            campaign="",
            loadvm=record.loadvm,
            beyond=lives_of([record.cause]) if record.target == stream.NAME else (),
        )

    def _designs(self, name: str) -> tuple[str, ...]:
        """What to type for the design of a cause; no design is meant by `any` and `vmformat`: then all are asked."""
        if name in self.own:
            return (text_of(self.own[name]),)
        if is_known(name):
            return (name,)
        if name in {"any", "vmformat"}:
            return tuple(DESIGNS)
        raise UsageError(f"design {name}: no such design; there are {', '.join((*DESIGNS, *self.own))}")
