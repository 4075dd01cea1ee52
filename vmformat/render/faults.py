"""Faults as a table: where, in what, what should stand there, what does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat.render.fields import offset_text
from vmformat.render.line import clean, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmformat.errors import Fault
    from vmformat.render.line import Line

_WIDEST: Final = (48, 40)
"""Columns that path and expectation may take."""


MOST: Final = 1000
"""Faults that are listed; a stream may have one for each of its bytes."""


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
