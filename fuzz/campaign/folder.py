"""A campaign is a folder. It can be killed at any moment, resumed, copied, looked at while it runs.

    campaign.json                 what was asked, last time
    seeds/GROUP/SHA1              what the targets `roundtrip` and `memory` begin with
    corpus/GROUP/SHA1             inputs that reached something new, a file each, named by their content
    findings/CAUSE-ID/            witness.vmstate, finding.json: the smallest input that shows this cause (witness.txt: as text)
    workers/WORKER/               spec.json, stats.json, log.txt, current (the input being executed, `blackbox.py`)

Workers of a group, on one machine with one target, share its corpus. Invariant: whatever is kept is written beside its
place and renamed into it, so a reader sees the old file or the new one. What else a kill or a hand can leave behind,
`repair.py` puts right at the next start.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from fuzz.atomic import write_atomic
from fuzz.campaign.repair import repair
from fuzz.campaign.slots import wait_for_orphans
from fuzz.campaign.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMAT: Final = 1
OWN: Final = frozenset({"findings", "workers"})
"""What a start leaves behind that finds no room for more."""
BOX: Final = "current"
"""The file with the input that a worker is executing."""
LOG: Final = "log.txt"
"""What a worker and libFuzzer print."""


class CampaignError(Exception):
    """A folder that cannot be used as a campaign, in one line that says which and why."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a campaign was last asked to do."""

    target: str
    machines: tuple[str, ...]
    designs: tuple[str, ...]
    seed: int
    runs: int = 0
    """How many times the campaign was started; each start explores with another random sequence."""
    loadvm: bool = False
    """Whether streams are loaded as snapshots; once asked for it stays so, since what is kept depends on it."""
    beyond: tuple[str, ...] = ()
    """Lives beyond the load that are lived (`model.LIVES`); they stay, too."""


class Campaign:
    """The folder and the places in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def findings(self) -> Path:
        """Folder with a folder per cause."""
        return self.path / "findings"

    def corpus(self, group: str) -> Path:
        """Folder of the corpus that a group of workers shares."""
        return self.path / "corpus" / group

    def groups(self) -> tuple[str, ...]:
        """Names of all groups that have a corpus here, sorted."""
        folder = self.path / "corpus"
        return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir())) if folder.is_dir() else ()

    def spec(self, group: str) -> Spec | None:
        """How a worker of this group was last run; None where no worker has left that behind.

        Raises CampaignError when it cannot be read.
        """
        for name in self.workers():
            path = self.worker(name) / "spec.json"
            if not path.exists():
                continue
            try:
                spec = Spec.from_json(path.read_text())
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                msg = f"campaign {self.path}: {path.relative_to(self.path)} cannot be read: {error}"
                raise CampaignError(msg) from None
            if spec.shared == group:
                return spec
        return None

    def worker(self, worker: str) -> Path:
        """Folder with one worker's statistics and log."""
        return self.path / "workers" / worker

    def workers(self) -> tuple[str, ...]:
        """Names of all workers that ever ran here, sorted."""
        folder = self.path / "workers"
        return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir())) if folder.is_dir() else ()

    def supervisor(self, worker: str) -> int:
        """Process id of the supervisor that last started this worker; 0 where nobody knows."""
        try:
            number = json.loads((self.worker(worker) / "spec.json").read_bytes())["supervisor"]
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        return number if isinstance(number, int) else 0

    def settings(self) -> Settings:
        """What was asked last time. Raises CampaignError when the folder is not a campaign or its file is damaged."""
        path = self.path / "campaign.json"
        try:
            values = json.loads(path.read_bytes())
            return Settings(
                str(values["target"]),
                tuple(map(str, values["machines"])),
                tuple(map(str, values["designs"])),
                int(values["seed"]),
                int(values["runs"]),
                values.get("loadvm") is True,
                tuple(map(str, values.get("beyond", ()))),
            )
        except FileNotFoundError:
            msg = f"campaign {self.path}: not a campaign (no campaign.json in it)"
            raise CampaignError(msg) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"campaign {self.path}: campaign.json cannot be read: {error}"
            raise CampaignError(msg) from None

    def open(self, settings: Settings) -> tuple[Settings, tuple[str, ...]]:
        """Start or resume with these settings; returns them with the number of this start, and what was repaired.

        Raises CampaignError when the place holds something else than a campaign, or cannot be written.
        """
        repaired: list[str] = []
        try:
            if self.path.exists() and not self.path.is_dir():
                msg = f"campaign {self.path}: is a file, not a folder"
                raise CampaignError(msg)
            known = self.path / "campaign.json"
            runs, loadvm, beyond = 0, settings.loadvm, settings.beyond
            if known.exists():
                try:
                    before = self.settings()
                    runs, loadvm = before.runs, loadvm or before.loadvm
                    beyond = tuple(dict.fromkeys((*before.beyond, *beyond)))
                except CampaignError as error:
                    repaired.append(f"{error}; started anew, corpus and findings kept")
            elif self.path.is_dir() and (names := {entry.name for entry in self.path.iterdir()} - OWN):
                if "corpus" not in names and any(not name.startswith(".") for name in names):
                    msg = f"campaign {self.path}: not empty and not a campaign; give another folder"
                    raise CampaignError(msg)
                repaired.append(f"campaign {self.path}: campaign.json was missing; corpus and findings kept")
            self.findings.mkdir(parents=True, exist_ok=True)
            settings = replace(settings, runs=runs + 1, loadvm=loadvm, beyond=beyond)
            write_atomic(known, json.dumps({"format": FORMAT, **asdict(settings)}, indent=2).encode() + b"\n")
            repaired.extend(repair(self, alone=not wait_for_orphans(self)))
        except OSError as error:
            msg = f"campaign {self.path}: {error.strerror or error}"
            raise CampaignError(msg) from None
        return settings, tuple(repaired)

    def seed(self, worker: str, inputs: Sequence[bytes]) -> tuple[Path, ...]:
        """Write what one worker begins with, instead of what was there; returns the files. Raises OSError."""
        folder = self.path / "seeds" / worker
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for data in inputs:
            path = folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()
            if not path.exists():
                write_atomic(path, data)
            paths.append(path)
        for old in set(folder.iterdir()) - {*paths}:
            old.unlink()
        return tuple(paths)

    def prepare(self, worker: str, group: str) -> None:
        """Make one worker's folders."""
        for folder in (self.corpus(group), self.worker(worker)):
            folder.mkdir(parents=True, exist_ok=True)
