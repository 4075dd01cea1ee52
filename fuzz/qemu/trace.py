"""What QEMU's own trace events tell of a load: sections in order, BARs mapped, commits that rebuilt flat views."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fuzz.qemu.process import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

EVENTS: Final = (
    "flatview_new",
    "qemu_loadvm_state_section",
    "qemu_loadvm_state_section_startfull",
    "qemu_loadvm_state_section_partend",
    "pci_update_mappings_add",
    "pci_update_mappings_del",
)
"""The events to switch on."""

_RECORD = re.compile(r"^qemu_loadvm_state_section (\d+)$")
_HEADER = "qemu_loadvm_state_section_startfull "
_STARTFULL = re.compile(rf"^{_HEADER}(\d+)\((.*)\) (\d+) (\d+)$", re.DOTALL)
_PARTEND = re.compile(r"^qemu_loadvm_state_section_partend (\d+)$")
_FLATVIEW = re.compile(r"^flatview_new 0x[0-9a-f]+ \(root ((?:0x)?[0-9a-f]+|\(nil\))\)$")
_MAPPING = re.compile(r"^pci_update_mappings_(add|del) (.*)$")
_TANGLED = re.compile(r"^(.*qemu\S*:.*?)(qemu_loadvm_state_section(?:_partend)? \d+)$")
_STAMP = re.compile(r"^\d+@\d+\.\d+:")
_LONGEST = 600
_JOINED = re.compile(r"(?<=.)qemu-system-\w+: ")  # the program ends some of its lines without an end of line


@dataclass(frozen=True, slots=True)
class SectionTrace:
    """One section's share of a load: name, instance, rebuilds of flat views, BAR mappings as QEMU traced them."""

    name: str
    instance: int
    rebuilds: int
    mappings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Open:
    name: str
    instance: int
    rebuilds: int = 0
    seen: set[str] = field(default_factory=set)
    mappings: list[str] = field(default_factory=list)

    def view(self, root: str) -> None:
        """A view was made. A commit makes one for each distinct root, so a root seen again starts the next commit."""
        if not self.seen or root in self.seen:
            self.rebuilds += 1
            self.seen.clear()
        self.seen.add(root)


def _untangled(lines: Iterable[str]) -> Iterator[str]:
    """Lines in which an event of one thread stands in the middle of what another said (after LISTEN there are two).

    The event comes first, then the line as it would have been.
    """
    cut = ""
    for line in lines:
        line = cut + line
        tangled = _TANGLED.match(line)
        cut = tangled[1] if tangled else ""
        yield tangled[2] if tangled else line
    if cut:
        yield cut


def parse_trace(lines: Sequence[str]) -> tuple[tuple[str, ...], tuple[SectionTrace, ...], int]:
    """(messages, sections, flat views created) from QEMU's standard error with `EVENTS` on.

    What happens before the first section is booked under the name "". A PART or END appears under the name of the
    section that last had its id.
    """
    messages: list[str] = []
    sections = [_Open("", 0)]
    by_id: dict[str, tuple[str, int]] = {}
    views = 0
    begun = ""  # a section's name may hold ends of lines
    for raw in _untangled(lines):
        line = f"{begun}\n{raw}" if begun else _STAMP.sub("", raw)
        begun = line if line.startswith(_HEADER) and not _STARTFULL.match(line) and len(line) < _LONGEST else ""
        if begun:
            continue
        if match := _STARTFULL.match(line):
            by_id[match[1]] = match[2], int(match[3])
            sections.append(_Open(match[2], int(match[3])))
        elif match := _PARTEND.match(line):
            sections.append(_Open(*by_id.get(match[1], ("", 0))))
        elif match := _FLATVIEW.match(line):
            views += 1
            sections[-1].view(match[1])
        elif match := _MAPPING.match(line):
            sections[-1].mappings.append(f"{match[1]} {match[2]}")
        elif messages and messages[-1].startswith("hardware error: "):
            continue  # what every processor holds follows
        elif not _RECORD.match(line):
            messages += _JOINED.split(re.sub(PROGRAM, "", line))
    traces = tuple(
        SectionTrace(one.name, one.instance, one.rebuilds, tuple(one.mappings))
        for one in sections
        if one.name or one.rebuilds
    )
    return tuple(messages), traces, views
