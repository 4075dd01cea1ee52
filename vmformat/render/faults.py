"""Faults as a table: where, in what, what should stand there, what does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat.command import Command
from vmformat.errors import StreamError
from vmformat.records import Span
from vmformat.render.fields import offset_text
from vmformat.render.line import clean, plural
from vmformat.render.records import MOST_NESTING
from vmformat.section import Section
from vmformat.stream import package_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vmformat.errors import Fault
    from vmformat.records import Record
    from vmformat.render.line import Line
    from vmformat.schema import Schemas
    from vmformat.stream import Stream

_WIDEST: Final = (48, 40)
"""Columns that path and expectation may take."""


def all_faults(stream: Stream, schemas: Schemas | None = None) -> Iterator[Fault]:
    """What is wrong with a stream: with its records, then with what is in each, those in packages too."""
    yield from stream.faults
    yield from _inside(stream, stream.records, schemas, 0)


def _inside(stream: Stream, records: Iterable[Record], schemas: Schemas | None, depth: int) -> Iterator[Fault]:
    for record in records:
        if isinstance(record, Section):
            yield from record.faults
        elif isinstance(record, Span):
            try:
                yield from _inside(stream, record.records(), schemas, depth)
            except StreamError as error:
                yield error.fault
        elif isinstance(record, Command) and record.package and depth < MOST_NESTING:
            found: list[Fault] = []
            inner = package_records(stream, record, schemas, faults=found)
            yield from found
            yield from _inside(stream, inner, schemas, depth + 1)


MOST: Final = 1000
"""Faults that are listed; a stream may have one for each of its bytes."""


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Each once, by offset: a payload that is cut off is also a record that is."""
    return sorted(dict.fromkeys(faults), key=lambda fault: fault.offset)


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
