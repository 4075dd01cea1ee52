"""A table that can be shown in fewer lines than it has, and how several share the lines of a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal, TypeAlias

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Cell: TypeAlias = "str | Text"
Row: TypeAlias = "tuple[Cell, ...]"

HEAD = "bold"
DIM = "bright_black"
GAP = 2
"""Blanks between two columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and on which side its cells stand.

    Where the table is too wide, columns go by `drop`, the highest number first, 0 never; then what is `rest` is cut.
    """

    heading: str
    side: Literal["left", "right"] = "right"
    rest: bool = False
    drop: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A table of a screen."""

    columns: tuple[Column, ...]
    rows: Sequence[Row]
    """In the order for a screen that has room for all."""
    first: Sequence[Row]
    """The same, those first that matter most where there is no room for all."""
    rest: str
    """What rows are; "": nobody is told that some were left out."""
    least: int
    """Lines below which it is better not shown."""
    total: Row | None = None
    """A row that stands below them in any case."""

    @property
    def wanted(self) -> int:
        """Lines for all of it."""
        return 1 + len(self.rows) + (self.total is not None)

    def table(self, lines: int, width: int) -> Table:
        """At most so many lines of it, two at least where it has a total; `width`: columns for all of it."""
        room = max(0, lines - 1 - (self.total is not None))
        told = bool(self.rest) and len(self.rows) > room > 0
        rows = list(self.rows if len(self.rows) <= room else self.first[: room - told])
        if told:
            rows.append((Text(f"... {len(self.rows) - len(rows)} more {self.rest}", DIM),))
        if self.total is not None:
            rows.append(self.total)
        widths = [
            max(cell_len(cell if isinstance(cell, str) else cell.plain) for cell in cells)
            for cells in zip_longest([column.heading for column in self.columns], *rows, fillvalue="")
        ]
        kept = self._kept(widths, width)
        left = width - sum(widths[number] for number in kept) - GAP * (len(kept) - 1)
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style=HEAD)
        for number in kept:
            column, wide = self.columns[number], widths[number]
            own = max(len(column.heading), wide + left) if column.rest and left < 0 else wide
            table.add_column(column.heading, justify=column.side, width=own, no_wrap=True, overflow="ellipsis")
        for row in rows:
            table.add_row(*(row[number] for number in kept if number < len(row)))
        return table

    def _kept(self, widths: Sequence[int], width: int) -> list[int]:
        """Numbers of the columns that there is room for."""
        kept = list(range(len(widths)))
        least = [
            len(column.heading) if column.rest else wide for column, wide in zip(self.columns, widths, strict=True)
        ]
        while sum(least[number] for number in kept) + GAP * (len(kept) - 1) > width:
            last = max(kept, key=lambda number: self.columns[number].drop)
            if not self.columns[last].drop:
                break
            kept.remove(last)
        return kept


def share(lines: int, wanted: Mapping[str, int], least: Mapping[str, int]) -> dict[str, int]:
    """Lines for each: the least first, in the order given, as long as it lasts; what is left goes round.

    Who cannot have the least has 0. Together never more than `lines`, and none more than it wants.
    """
    given = dict.fromkeys(wanted, 0)
    for name, most in wanted.items():
        start = min(most, least[name])
        if start <= lines:
            given[name] = start
            lines -= start
    while lines > 0:
        hungry = [name for name, most in wanted.items() if 0 < given[name] < most]
        if not hungry:
            break
        for name in hungry[:lines]:
            given[name] += 1
        lines -= len(hungry[:lines])
    return given
