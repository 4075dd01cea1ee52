"""What an edit did, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmformat.command import Command
from vmformat.configuration import Configuration
from vmformat.records import Eof
from vmformat.section import Section

if TYPE_CHECKING:
    from vmformat.paths import Place


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an edit did: in which record, at which path ("" for the record itself), from what to what."""

    record: str
    path: str
    old: str
    new: str


def label(place: Place, record: object) -> str:
    """A record in words."""
    number = "#" + ".".join(map(str, place))
    if isinstance(record, Section):
        again = f"@{record.instance}" if record.instance else ""
        return f"{number} {record.name}{again}"
    if isinstance(record, Command):
        return f"{number} {record.name}"
    if isinstance(record, Configuration):
        return "configuration"
    return f"{number} {'EOF' if isinstance(record, Eof) else 'bytes'}"
