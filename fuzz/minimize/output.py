"""The folder that comes out: never half written, never more in it than was written here.

    a plain folder       SHA1, or GROUP/SHA1 where its inputs are run in more than one way
    a campaign           campaign.json, corpus/GROUP/SHA1, workers/GROUP/spec.json, findings/, triage.toml

Invariant: whatever `minimize` is killed at, the index beside the folder names every input that it wrote there. What is
new is written first, each file whole or not at all; only then goes what an earlier call wrote and this one does not
keep. What it did not write it does not touch, and a folder with inputs of others is not taken.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from fuzz.atomic import write_atomic
from fuzz.campaign.findings import FindingStore, Origin, read_record, records
from fuzz.campaign.folder import FORMAT
from fuzz.designs import UsageError
from fuzz.minimize.index import index_path, read_index, write_index
from fuzz.minimize.inputs import read_input
from fuzz.programs import decode
from fuzz.targets import memory, stream
from fuzz.triage.entries import TRIAGE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from fuzz.campaign.folder import Campaign
    from fuzz.minimize.sources import Gathered
    from fuzz.minimize.work import Outcome

WRITTEN: Final = "written"
"""Key of the index: every input that was written, relative to the folder."""


class Output:
    """The folder `out` for what was gathered. Raises UsageError for one that cannot be taken."""

    def __init__(self, out: Path, folders: Sequence[Path], gathered: Gathered) -> None:
        self.path = out
        self._gathered = gathered
        place = out.resolve()
        for folder in folders:
            inner = folder.resolve()
            if place == inner or inner in place.parents or place in inner.parents:
                raise UsageError(f"-o {out}: is, or lies in, or holds {folder}, which is not to be altered")
        if not place.parent.is_dir():
            raise UsageError(f"-o {out}: {place.parent}: no such folder")
        if out.exists() and not out.is_dir():
            raise UsageError(f"-o {out}: is a file, not a folder")
        self._before = self._written_before()

    def _written_before(self) -> set[str]:
        """What an earlier call wrote there."""
        there = sorted(self._inputs_there()) if self.path.is_dir() else []
        values = read_index(self.path)
        if values is None:
            if self.path.is_dir() and any(self.path.iterdir()):
                raise UsageError(f"-o {self.path}: not empty, and {index_path(self.path).name} does not tell of it")
            return set()
        written = {str(name) for name in values.get(WRITTEN, ())}
        if there and values.get("shape") != self._gathered.shape:
            raise UsageError(f"-o {self.path}: holds what was minimized of another kind of folder")
        others = [name for name in there if name not in written]
        if others:
            raise UsageError(f"-o {self.path}: holds {len(others)} inputs that minimize did not write, as {others[0]}")
        return written

    def _inputs_there(self) -> Iterable[str]:
        """By name relative to the folder."""
        top = self.path / "corpus" if self._gathered.shape == "campaign" else self.path
        for path in top.rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                yield str(path.relative_to(self.path))

    def folder(self, group: str) -> Path:
        """Where a group's inputs go."""
        match self._gathered.shape:
            case "campaign":
                return self.path / "corpus" / group
            case "groups":
                return self.path / group
            case _:
                return self.path

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Make it hold what was chosen, and nothing else of ours. Raises OSError."""
        self.path.mkdir(exist_ok=True)
        named = {
            str((self.folder(one.group.name) / kept.name).relative_to(self.path)): (one, kept.name)
            for one in outcomes
            for kept in one.choice.kept
        }
        begun = sorted({*self._before, *named})
        write_index(self.path, {"shape": self._gathered.shape, "ended": "stopped", "groups": [], WRITTEN: begun})
        for outcome in outcomes:
            self.folder(outcome.group.name).mkdir(parents=True, exist_ok=True)
        for name, (outcome, sha1) in sorted(named.items()):
            path = self.path / name
            source = outcome.group.inputs[sha1]
            how = outcome.group.how
            if not path.is_file() or path.stat().st_size != source.size or name not in self._before:
                write_atomic(path, read_input(source.path, stream=how.target == stream.NAME and not how.loadvm))
        for name in sorted(self._before - {*named}):
            (self.path / name).unlink(missing_ok=True)
        self._before = {*named}
        if self._gathered.shape == "campaign":
            self._campaign(outcomes)

    def end(self, values: dict[str, Any]) -> None:
        """Write the index. Raises OSError."""
        write_index(self.path, {**values, WRITTEN: sorted(self._before)})

    def _campaign(self, outcomes: Sequence[Outcome]) -> None:
        """What a campaign has beside its corpus."""
        campaigns = self._gathered.campaigns
        first, *others = (campaign.settings() for campaign in campaigns)
        settings = first
        for other in others:
            settings = replace(
                settings,
                machines=tuple(dict.fromkeys((*settings.machines, *other.machines))),
                designs=tuple(dict.fromkeys((*settings.designs, *other.designs))),
                beyond=tuple(dict.fromkeys((*settings.beyond, *other.beyond))),
            )
        known = self.path / "campaign.json"
        if not known.exists():  # else the campaign that came out before was gone on with, perhaps
            write_atomic(known, json.dumps({"format": FORMAT, **asdict(settings)}, indent=2).encode() + b"\n")
        for one in outcomes:
            told = self.path / "workers" / one.group.name / "spec.json"
            if not told.exists():
                told.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(told, one.group.how.spec(self.path, one.group.name).to_json().encode())
        findings = self.path / "findings"
        findings.mkdir(exist_ok=True)
        for campaign in campaigns:
            _copy_findings(campaign, findings)
            states = campaign.path / TRIAGE_FILE
            if states.is_file() and not (self.path / TRIAGE_FILE).exists():
                write_atomic(self.path / TRIAGE_FILE, states.read_bytes())
        store = FindingStore(findings)
        for one in outcomes:
            how = one.group.how
            for found, source in one.found.values():
                data = read_input(source.path, stream=False)
                if how.target == memory.NAME:
                    found = replace(found, readable=decode(data).text())
                store.keep(found, data, Origin(how.machine, how.target, 0, how.loadvm))


def _copy_findings(campaign: Campaign, into: Path) -> None:
    """Those of a campaign, where there is none of the same cause that is as small."""
    for place, record in records(campaign.findings):
        there = into / place.name
        known = read_record(there)
        if known is not None and known.size <= record.size:
            continue
        there.mkdir(exist_ok=True)
        # The description last: until it is there, a finding is not whole.
        for path in sorted(place.iterdir(), key=lambda path: (path.suffix == ".json", path.name)):
            if path.is_file():
                with contextlib.suppress(FileNotFoundError):
                    write_atomic(there / path.name, path.read_bytes())
