"""What somebody wants a letter about: a kept stream, a finding of a campaign of any target, or any stream."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.beside import DESCRIPTION
from fuzz.campaign.findings import READABLE, WITNESS
from fuzz.designs import UsageError
from fuzz.shrink.given import causes_said, files_of
from fuzz.targets.stream import NAME as STREAM

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Subject:
    """`said`: the JSON beside the file. `target`: whose finding it is. `causes`: those that it is kept for.

    `stem`: what the letter's file is called after; `name`: what the file in `path` is called in the letter. `shipped`:
    what it is called where vmfuzz brings it along, "" for other files.
    """

    typed: str
    path: Path
    said: Mapping[str, Any]
    target: str
    causes: tuple[str, ...]
    stem: str
    name: str
    shipped: str = ""

    def text(self, key: str) -> str:
        """A string of the JSON beside it, "" where there is none."""
        value = self.said.get(key)
        return value if isinstance(value, str) else ""


def subject_of(typed: str) -> Subject:
    """What a person typed. Raises UsageError."""
    given = Path(typed)
    folder = given.parent if given.name == READABLE and given.with_name(DESCRIPTION).is_file() else given
    if (folder / "campaign.json").is_file():
        raise UsageError(f"{typed}: a campaign; a report is about one finding, as {given / 'findings' / '...'}")
    path, said = files_of(str(folder))
    target = said.get("target", STREAM)
    if not isinstance(target, str):
        raise UsageError(f"{typed}: target must be a string")
    stem = path.stem if given.exists() else typed.replace("/", "-")
    if path.name == WITNESS:
        stem = path.resolve().parent.name
    shipped = "" if given.exists() else typed
    return Subject(typed, path, said, target, causes_said(typed, said), stem, _name(path, stem), shipped)


def _name(path: Path, stem: str) -> str:
    """What the file is called in a letter: a witness as it is, a stream by its name."""
    return path.name if path.name == WITNESS else f"{stem}{path.suffix}"
