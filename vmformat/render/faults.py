"""Faults as a table: where, in what, what should stand there, what does."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from vmformat.errors import Fault
from vmformat.render.fields import offset_text
from vmformat.render.line import clean, plural
from vmformat.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vmformat.render.line import Line
    from vmformat.stream import Stream

_WIDEST: Final = (48, 40)
"""Columns that path and expectation may take."""


MOST: Final = 1000
"""Faults that are listed; a stream may have one for each of its bytes."""


class Places:
    """Says in which section of a stream something stands, for what is met by offset alone."""

    def __init__(self, stream: Stream) -> None:
        self._sections = [record for record in stream.records if isinstance(record, Section)]
        self._offsets = [section.offset for section in self._sections]

    def path(self, fault: Fault) -> str:
        """The fault's path, behind the section that it is in: `apic@0/timer_expiry`."""
        section = self._around(fault.offset)
        if section is None or not section.name or fault.path.startswith((section.name, "vmdescription")):
            return fault.path
        named = f"{section.name}@{section.instance}"
        return f"{named}/{fault.path}" if fault.path else named

    def _around(self, offset: int) -> Section | None:
        i = bisect_right(self._offsets, offset) - 1
        if i < 0:
            return None
        section = self._sections[i]
        start = section.payload_offset
        return section if start <= offset <= start + len(section.buffer) else None


def placed(faults: Iterable[Fault], stream: Stream) -> list[Fault]:
    """The same with paths that begin with the section, each once and by offset."""
    places = Places(stream)
    found = {Fault(f.offset, places.path(f), f.expected, f.found): None for f in faults}
    return sorted(found, key=lambda fault: fault.offset)


def fault_table(faults: Sequence[Fault]) -> Iterator[Line]:
    """A line for each fault under a line with their number."""
    if not faults:
        yield (("note", "no faults"),)
        return
    rows = [(clean(fault.path) or "-", clean(fault.expected), clean(fault.found)) for fault in faults[:MOST]]
    widths = [min(max(len(row[i]) for row in [*rows, _TITLES]), _WIDEST[i]) for i in (0, 1)]
    yield (("fault", plural(len(faults), "fault")),)
    yield (
        ("head", f"{'offset':10}"),
        ("head", f"  {_TITLES[0]:{widths[0]}}  {_TITLES[1]:{widths[1]}}  {_TITLES[2]}"),
    )
    for fault, (path, expected, found) in zip(faults, rows, strict=False):
        yield (
            ("offset", offset_text(fault.offset)),
            ("field", f"  {path:{widths[0]}}"),
            ("value", f"  {expected:{widths[1]}}"),
            ("fault", f"  {found}"),
        )
    if len(faults) > MOST:
        yield (("note", f"and {len(faults) - MOST} more"),)


_TITLES: Final = ("field", "expected", "found")
