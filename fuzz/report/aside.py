"""What is told last and in one line: causes that somebody knows of already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fuzz.baseline import Baseline, TriageError, read_baseline, read_baselines
from fuzz.campaign.findings import records
from fuzz.triage.entries import KNOWN, TRIAGE_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.campaign.folder import Campaign


@dataclass(frozen=True, slots=True)
class Aside:
    """Causes that are set aside, those of `baseline`. `named`: where they are listed.

    `only_shown`: they are told last, but count; without it they do not count as findings at all.
    """

    baseline: Baseline = field(default_factory=Baseline)
    named: str = ""
    only_shown: bool = True

    def __contains__(self, cause: str) -> bool:
        return self.baseline.sets_aside(cause)

    def line(self, number: int) -> str:
        """What is said of so many."""
        if self.only_shown:
            return f"{number} known {_causes(number)}: {self.named}"
        return f"{number} {_causes(number)} set aside, known before: {self.named}"


def _causes(number: int) -> str:
    return "cause" if number == 1 else "causes"


def listed_in(files: Sequence[Path]) -> Aside:
    """Those that files list as new or known. Raises TriageError."""
    return Aside(read_baselines(files), ", ".join(map(str, files)), only_shown=False)


def earlier(campaign: Campaign, aside: Aside) -> str:
    """What is to be said of findings that lie in the folder already and count; "" without any."""
    number = sum(record.cause not in aside for _place, record in records(campaign.findings))
    if not number:
        return ""
    return f"{number} {_causes(number)} of earlier runs in {campaign.findings}, not in the baseline: counted, too"


def known_in(campaign: Campaign) -> tuple[Aside, str]:
    """Those that a person called known in the campaign's own file, if it has one; and what is wrong with that file.

    A file that cannot be used does not keep a campaign from being shown.
    """
    path = campaign.path / TRIAGE_FILE
    if not path.exists():
        return Aside(), ""
    try:
        own = read_baseline(path)
    except TriageError as error:
        return Aside(), f"not used: {error}"
    # What is listed as new, or under a pattern that says so, is for somebody to look at still.
    return Aside(own.only(KNOWN), str(path)), ""
