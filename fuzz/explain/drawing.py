"""Two views of an address space side by side, about the range that somebody used.

One line for each stretch in which neither view changes, so that what stands beside each other is at the same addresses.
Stretches of the use are marked `use`, those where the views differ `!`. Only ASCII, to be pasted into a mail.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.outcome import Row

MOST_LINES: Final = 14
NOTHING: Final = "-"
_FRAME: Final = 12
"""Columns of a line beside the addresses and the two cells."""
_LEAST: Final = 16
"""Columns of a cell, at least."""


def side_by_side(
    left: Sequence[Row],
    right: Sequence[Row],
    titles: tuple[str, str],
    use: tuple[int, int] | None = None,
    window: tuple[int, int] | None = None,
    width: int | None = None,
) -> list[str]:
    """Lines that show both views; `use` is the first and the last address used, `window` those to be shown.

    Rows are ascending and without gaps in the knowledge: what lies between two of them is unmapped. Without a window as
    much is shown as both sides tell of. With a `width` in columns, longer names are cut in their middle.
    """
    window = window or _window(left, right, use)
    stretches = _stretches(left, right, window, use)
    room = None if width is None else max((width - len(_address(0, 0, window[1])) - _FRAME) // 2, _LEAST)
    titles = _fitted(titles[0], room), _fitted(titles[1], room)
    lines = [
        (_address(first, last, window[1]), _fitted(_shown(a, first), room), _fitted(_shown(b, first), room))
        for first, last, a, b in stretches
    ]
    wide = max([len(titles[0]), *(len(line[1]) for line in lines)])
    pad = len(lines[0][0]) if lines else 0
    drawn = [f"      {'':{pad}}    {titles[0]:{wide}}  {titles[1]}".rstrip()]
    for (first, last, a, b), (place, was, now) in zip(stretches, lines, strict=True):
        used = use is not None and first <= use[1] and last >= use[0]
        mark = "!" if _differ(a, b, first) else " "
        drawn.append(f"  {'use' if used else '   '} {place}  {mark} {was:{wide}}  {now}".rstrip())
    if len(drawn) > MOST_LINES:
        drawn = [*drawn[:MOST_LINES], f"      and {len(drawn) - MOST_LINES} more"]
    return drawn


def _window(left: Sequence[Row], right: Sequence[Row], use: tuple[int, int] | None) -> tuple[int, int]:
    """The addresses that both sides tell of; of a side without rows everything is known to be unmapped."""
    sides = [rows for rows in (left, right) if rows]
    lows, highs = [rows[0][0] for rows in sides], [rows[-1][1] for rows in sides]
    if use is not None:
        lows, highs = [*lows, use[0]], [*highs, use[1]]
    inner = max((rows[0][0] for rows in sides), default=min(lows, default=0))
    outer = min((rows[-1][1] for rows in sides), default=max(highs, default=0))
    if use is not None:
        inner, outer = min(inner, use[0]), max(outer, use[1])
    return inner, outer


def _stretches(
    left: Sequence[Row], right: Sequence[Row], window: tuple[int, int], use: tuple[int, int] | None
) -> list[tuple[int, int, Row | None, Row | None]]:
    low, high = window
    edges = {low, high + 1}
    for row in (*left, *right):
        edges |= {row[0], row[1] + 1}
    if use is not None:
        edges |= {use[0], use[1] + 1}
    ordered = sorted(edge for edge in edges if low <= edge <= high + 1)
    found: list[tuple[int, int, Row | None, Row | None]] = []
    for first, after in pairwise(ordered):
        found.append((first, after - 1, _at(left, first), _at(right, first)))
    return found


def _at(rows: Sequence[Row], address: int) -> Row | None:
    return next((row for row in rows if row[0] <= address <= row[1]), None)


def _fitted(shown: str, room: int | None) -> str:
    """A cell in so many columns: what is behind the name stays."""
    if room is None or len(shown) <= room:
        return shown
    name, behind, rest = shown.partition(" @")
    rest = behind + rest
    left = max(room - len(rest) - 2, _LEAST // 2)
    return f"{name[: left - left // 2]}..{name[len(name) - left // 2 :]}{rest}"


def _shown(row: Row | None, address: int) -> str:
    if row is None:
        return NOTHING
    start, _, name, offset, readonly, _ = row
    offset += address - start
    return f"{name}{f' @{offset:x}' if offset else ''}{' ro' if readonly else ''}"


def _differ(left: Row | None, right: Row | None, address: int) -> bool:
    """Whether an address shows something else: another region, another offset in it, another permission."""
    if left is None or right is None:
        return left is not right
    same = left[5] == right[5] and left[4] == right[4]
    return not same or left[3] + address - left[0] != right[3] + address - right[0]


def _address(first: int, last: int, highest: int) -> str:
    width = 16 if highest >> 32 else 8
    return f"{first:0{width}x}-{last:0{width}x}"
