"""Curves for people: the counts at each size, a small graph of them, the growth as a formula, and in words."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Final

from rich.text import Text

from fuzz.cost.curve import SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from fuzz.cost.curve import Curve, Series

_SHOWN: Final = {
    "rebuilds": "rebuilds",
    "forced_commits": "forced commits",
    "ranges": "ranges rendered",
    "caches": "ring caches built",
    "reads_while_pending": "reads while pending",
}
"""The counts that are shown; `--json` has them all."""

_BARS: Final = "▁▂▃▄▅▆▇█"
_SUFFIXES: Final = ("", "k", "M", "G", "T")


def show(curve: Curve, console: Console) -> None:
    """A block for each count. Designs with the same counts share a row."""
    console.print(Text(curve.title, style="bold"))
    for name, title in _SHOWN.items():
        if any(any(series.counts[name]) for series in curve.series if series.accepted):
            for line in _block(curve, name, title, max(console.width, 40)):
                console.print(Text(line), soft_wrap=True)
    for series in curve.series:
        if not series.accepted:
            console.print(Text(f"{series.design} does not get through: {series.died}"), soft_wrap=True)


def show_words(curves: Sequence[Curve], console: Console) -> None:
    """A line for each design: how its rebuilds and its forced commits grow."""
    for words in in_words(curves):
        console.print(Text(words), soft_wrap=True)


def in_words(curves: Sequence[Curve]) -> Iterator[str]:
    """`wrap-main: rebuilds stay constant (1)`."""
    for index, series in enumerate(curves[0].series):
        if not all(curve.series[index].accepted for curve in curves):
            continue
        said = [
            _said(curves, index, name, what)
            for name, what in (("rebuilds", "rebuilds"), ("forced_commits", "forced commits"))
        ]
        yield f"{series.design}: {'; '.join(one for one in said if one)}"


def _said(curves: Sequence[Curve], index: int, name: str, what: str) -> str:
    """How one count grows along all curves; nothing if it is zero everywhere."""
    values = {value for curve in curves for value in curve.series[index].counts[name]}
    if values == {0} and name != "rebuilds":
        return ""
    grown = []
    for curve in curves:
        growth = curve.growth(curve.series[index], name)
        if growth.grows:
            grown.append(f"with {curve.axis} ({growth.formula(SYMBOLS[curve.axis])})")
    if grown:
        return f"{what} grow {' and '.join(grown)}"
    return f"{what} stay constant ({', '.join(map(str, sorted(values)))})"


def _block(curve: Curve, name: str, title: str, width: int) -> Iterator[str]:
    """A heading with the sizes; for each row the designs, the growth, the counts and their graph."""
    rows = _alike(curve, name)
    cells = [[short(size) for size in curve.sizes]] + [[short(n) for n in series.counts[name]] for series, _ in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    top = max(max(series.counts[name]) for series, _ in rows)
    yield f"{title}, by {curve.axis}"
    yield f"    {lines[0]}"
    for (series, names), line in zip(rows, lines[1:], strict=True):
        growth = f": {_grown(curve, series, name)}" if len(curve.sizes) > 1 else ""
        yield from textwrap.wrap(
            ", ".join(names) + growth, width, break_on_hyphens=False, initial_indent="  ", subsequent_indent="  "
        )
        yield f"    {line}  {graph(series.counts[name], top)}".rstrip()


def _grown(curve: Curve, series: Series, name: str) -> str:
    growth = curve.growth(series, name)
    since = f" from {growth.since}" if growth.coefficients and growth.since > curve.sizes[0] else ""
    return f"{growth.word}, {growth.formula(SYMBOLS[curve.axis])}{since}"


def _alike(curve: Curve, name: str) -> list[tuple[Series, list[str]]]:
    """The series of each row, in order of the first of them, and the designs that have it."""
    rows: dict[tuple[int, ...], tuple[Series, list[str]]] = {}
    for series in curve.series:
        if series.accepted:
            rows.setdefault(series.counts[name], (series, []))[1].append(series.design)
    return list(rows.values())


def graph(counts: Sequence[int], top: int) -> str:
    """A bar for each count, its height by the logarithm; `top` has the highest. Nothing for 0."""
    scale = math.log(top + 1) or 1.0
    return "".join(_BARS[round(math.log(n + 1) / scale * (len(_BARS) - 1))] if n else " " for n in counts)


def short(number: int) -> str:
    """Exact below 100,000, else three digits and a suffix: 1.73M."""
    if number < 100_000:
        return str(number)
    power = min((len(str(number)) - 1) // 3, len(_SUFFIXES) - 1)
    value = number / 1000**power
    return f"{value:.3g}{_SUFFIXES[power]}" if value < 999.5 else f"{value:.0f}{_SUFFIXES[power]}"
