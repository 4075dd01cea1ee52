"""The table of designs: plain text of at most a hundred columns, to be pasted into a mail."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from rich.text import Text

from fuzz.explain.words import what_differs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fuzz.commands.load import Loaded

STYLES: Final = {"accepted": "green", "refused": "yellow", "waiting": "yellow", "aborted": "red", "hung": "red"}
WIDTH: Final = 100
HEADS: Final = ("design", "verdict", "rebuilds", "pending", "what differs")
NOTE: Final = "pending: reads of a flat view while changes were pending (of these, harmful)"


def rows(loaded: Sequence[Loaded]) -> Iterator[tuple[str, str, str, str, str]]:
    """The cells, a row for each design."""
    for one in loaded:
        outcome = one.outcome
        pending = sum(count for _, count in outcome.reads_while_pending)
        harmful = sum(count for _, count in outcome.harmful_reads)
        reads = f"{pending} ({harmful})" if pending else "0"
        words = what_differs(one.reference, outcome, one.findings)
        yield outcome.design, outcome.verdict, str(outcome.rebuilds), reads, words


def table(loaded: Sequence[Loaded], width: int = WIDTH) -> list[Text]:
    """Its lines, none longer than `width` columns."""
    cells = list(rows(loaded))
    wide = [max(len(head), *(len(row[index]) for row in cells)) for index, head in enumerate(HEADS[:-1])]
    room = max(width - sum(wide) - 2 * len(wide), 20)
    lines = [_line(HEADS, wide), Text("  ".join("-" * count for count in (*wide, min(room, 40))))]
    for row in cells:
        words = textwrap.wrap(row[-1], room, break_on_hyphens=False) or [""]
        lines.append(_line((*row[:-1], words[0]), wide, STYLES.get(row[1], "")))
        lines += [_line(("", "", "", "", more), wide) for more in words[1:]]
    return lines


def _line(cells: Sequence[str], wide: Sequence[int], style: str = "") -> Text:
    design, verdict, rebuilds, reads, words = cells
    line = Text(f"{design:{wide[0]}}  ")
    line.append(f"{verdict:{wide[1]}}", style=style)
    line.append(f"  {rebuilds:>{wide[2]}}  {reads:>{wide[3]}}  {words}")
    line.rstrip()
    return line
