"""What `vmfuzz replay` says: what differs first, each difference once for the designs that share it, then sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from fuzz.replay.outcomes import lines, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from fuzz.replay.replayer import Row
    from fuzz.replay.still import Still

FEW: Final = 25
"""Rows that are shown though they are as expected: one crasher under all designs, or a handful of short ones."""

MOST: Final = 20
"""Differences that are told one by one."""

_PLAIN: Final[dict[str, Any]] = {"markup": False, "highlight": False, "soft_wrap": True}


def show(console: Console, rows: Sequence[Row], findings: Sequence[Still], *, every: bool = False) -> None:
    """Print. `every`: nothing is left out."""
    _outcomes(console, rows, every=every)
    _findings(console, findings, every=every)
    groups = _groups([row for row in rows if not row.as_expected])
    for group in groups if every else groups[:MOST]:
        _difference(console, group)
    if not every and len(groups) > MOST:
        console.print(f"\n... and {len(groups) - MOST} more differences: --all shows them", **_PLAIN)
    for one in findings:
        if not one.shows:
            console.print(f"\n{one.finding.record.cause} is gone", style="bold", **_PLAIN)
            console.print(f"  {one.command}", **_PLAIN)
    if any(not row.as_expected for row in rows) or not all(one.shows for one in findings):
        console.print()
    for row in rows:
        if not row.accepted:
            continue
        told = (
            ", ".join(map(shown, row.news)) if row.crasher.expect.get(row.design) else "all of it, for the first time"
        )
        console.print(f"accepted: {row.crasher.path.with_suffix('.json')}: {shown(row.design)}: {told}", **_PLAIN)
    _sums(console, rows, findings)


def _outcomes(console: Console, rows: Sequence[Row], *, every: bool) -> None:
    chosen = rows if every or len(rows) <= FEW else [row for row in rows if not row.as_expected]
    if not chosen:
        return
    cells = [(*map(shown, (row.crasher.name, row.crasher.machine, row.design)), row.result) for row in chosen]
    _table(console, ("crasher", "machine", "design", "result"), cells, [row.as_expected for row in chosen])


def _findings(console: Console, findings: Sequence[Still], *, every: bool) -> None:
    chosen = [one for one in findings if every or len(findings) <= FEW or not one.shows]
    if not chosen:
        return
    cells = [
        (*map(shown, (one.finding.record.cause, one.finding.record.machine or "-")), "shows" if one.shows else "gone")
        for one in chosen
    ]
    _table(console, ("cause", "machine", "result"), cells, [one.shows for one in chosen])


def _table(console: Console, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], good: Sequence[bool]) -> None:
    """Columns beside each other, however wide the terminal: a row is a line."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row, plain in zip((heads, *rows), (True, *good), strict=True):
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        console.print(Text(line, "" if plain else "bold"), soft_wrap=True)


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows of one crasher that differ by the same, but for the design's name in causes."""
    grouped: dict[tuple[str, str, tuple[str, ...]], list[Row]] = {}
    for row in rows:
        alike = tuple(line.replace(f" {row.design}/", " <design>/") for line in lines(row.differences))
        grouped.setdefault((str(row.crasher.path), row.trouble, alike), []).append(row)
    return list(grouped.values())


def _difference(console: Console, group: Sequence[Row]) -> None:
    row = group[0]
    designs = ", ".join(shown(one.design) for one in group)
    mark = " (accepted)" if all(one.accepted for one in group) else ""
    console.print(f"\n{shown(row.crasher.name)} under {designs}{mark}", style="bold", **_PLAIN)
    told = [f"  {row.trouble}"] if row.trouble else lines(row.differences)
    for line in told:
        text = line.replace(f" {row.design}/", " <design>/") if len(group) > 1 else line
        console.print(Text(text, _style(text)), soft_wrap=True)
    console.print(f"  {row.command}", **_PLAIN)


def _style(line: str) -> str:
    return {"-": "red", "+": "green"}.get(line.strip()[:1], "") if line.startswith("    ") else ""


def _sums(console: Console, rows: Sequence[Row], findings: Sequence[Still]) -> None:
    if not rows and not findings:
        console.print("no outcomes", **_PLAIN)
    if rows:
        differing = sum(not row.as_expected for row in rows)
        crashers = len({row.crasher.path for row in rows})
        told = f"{differing} {'differs' if differing == 1 else 'differ'}" if differing else "all as expected"
        accepted = sum(row.accepted for row in rows)
        line = f"{_count(len(rows), 'outcome')} of {_count(crashers, 'crasher')}: {told}"
        console.print(f"{line}, {accepted} accepted" if accepted else line, **_PLAIN)
    if findings:
        gone = sum(not one.shows for one in findings)
        told = f"{gone} gone" if gone else "each shows its cause"
        console.print(f"{_count(len(findings), 'finding')}: {told}", **_PLAIN)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
