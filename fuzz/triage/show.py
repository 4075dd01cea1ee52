"""Causes for people, state by state and the worst first, and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fuzz.triage.entries import STATES, pattern_of
from model.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from fuzz.triage.look import Look, Row
    from fuzz.triage.states import Change

_PLAIN: Final[dict[str, Any]] = {"markup": False, "highlight": False, "soft_wrap": True}
_COLUMNS: Final = ("severity", "kind", "count", "first seen (execution)", "bytes", "cause")
MOST_CHANGES: Final = 20
"""Groups of causes that are named for each move."""
_RIGHT: Final = frozenset({"count", "bytes"})


def grouped(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows of one state that differ in nothing but the design, the most severe first, in and among groups."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (rank(row), row.entry.cause)):
        groups.setdefault((row.entry.kind, pattern_of(row.entry.cause)), []).append(row)
    return list(groups.values())


def rank(row: Row) -> Severity:
    """How bad it is; the least where the file says something else."""
    try:
        return Severity.parse(row.entry.severity)
    except KeyError:
        return Severity.COST


def show(console: Console, look: Look, only: Sequence[str] = ()) -> None:
    """Print a table for each state (those in `only`, if any are), then what changed."""
    counts = {state: sum(row.entry.state == state for row in look.rows) for state in STATES}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none"
    console.print(f"{look.file}: {_causes(len(look.rows))}: {told}", **_PLAIN)
    for state in STATES:
        rows = [row for row in look.rows if row.entry.state == state]
        if rows and (not only or state in only):
            console.print(f"\n{state}", **_PLAIN)
            _table(console, grouped(rows))
    _changes(console, look.changes)
    left = sum(bool(row.why_not) for row in look.rows)
    if left:
        console.print(f"\n{_causes(left)} not replayed; their states stay as they were", **_PLAIN)
    for cause in look.odd:
        console.print(f"left out, not five parts joined by '/': {cause}", **_PLAIN)


def _changes(console: Console, changes: Sequence[Change]) -> None:
    """Each move with its reason, and the causes that made it; those that differ in the design only are one."""
    if changes:
        console.print("\nchanged since last time", **_PLAIN)
    moves: dict[tuple[str, str, str], list[str]] = {}
    for one in changes:
        moves.setdefault((one.before, one.after, one.why), []).append(one.cause)
    for (before, after, why), causes in moves.items():
        console.print(f"  {before} -> {after}: {_causes(len(causes))} ({why})", **_PLAIN)
        groups: dict[str, list[str]] = {}
        for cause in causes:
            groups.setdefault(pattern_of(cause), []).append(cause)
        for found in list(groups.values())[:MOST_CHANGES]:
            console.print(f"      {_named(found)}", **_PLAIN)
        if len(groups) > MOST_CHANGES:
            console.print(f"      ... and {len(groups) - MOST_CHANGES} more", **_PLAIN)


def _named(causes: Sequence[str]) -> str:
    """A cause, or those that differ from it in the design only."""
    return causes[0] if len(causes) == 1 else f"<design>/{causes[0].partition('/')[2]}"


def _causes(number: int) -> str:
    return f"{number} {'cause' if number == 1 else 'causes'}"


def _table(console: Console, groups: Sequence[Sequence[Row]]) -> None:
    """A line for each group, what there is to say of it below."""
    lines = [_cells(group) for group in groups]
    widths = [max(len(line[index]) for line in (_COLUMNS, *lines)) for index in range(len(_COLUMNS))]
    console.print(_line(_COLUMNS, widths), **_PLAIN)
    for group, cells in zip(groups, lines, strict=True):
        console.print(_line(cells, widths), **_PLAIN)
        if len(group) > 1:
            console.print(f"      under {', '.join(row.entry.cause.partition('/')[0] for row in group)}", **_PLAIN)
        for note in dict.fromkeys(row.note for row in group if row.note):
            console.print(f"      note: {' '.join(note.split())}", **_PLAIN)
        for why in dict.fromkeys(row.why_not for row in group if row.why_not):
            console.print(f"      not replayed: {why}", **_PLAIN)
        if command := _smallest(group).command:
            console.print(f"      {command}", **_PLAIN)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if name in _RIGHT else cell.ljust(width)
        for name, cell, width in zip(_COLUMNS, cells, widths, strict=True)
    )
    return f"  {'  '.join(padded)}".rstrip()


def _cells(group: Sequence[Row]) -> tuple[str, ...]:
    worst = group[0].entry
    counts = [row.count for row in group if row.count is not None]
    size = _smallest(group).entry.size
    return (
        worst.severity or "-",
        worst.kind or "-",
        str(sum(counts)) if counts else "-",
        _first(group),
        "-" if size is None else str(size),
        _named([row.entry.cause for row in group]),
    )


def _first(group: Sequence[Row]) -> str:
    """When the first of them was seen first: the execution, and the day where it is known."""
    dated = [row.entry for row in group if row.entry.first_seen is not None]
    if dated:
        first = min(dated, key=lambda one: (one.first_seen, one.cause))
        day = f"{first.first_seen:%Y-%m-%d %H:%M}"
        return day if first.first_execution is None else f"{day} ({first.first_execution})"
    executions = [row.entry.first_execution for row in group if row.entry.first_execution is not None]
    return f"({min(executions)})" if executions else "-"


def _smallest(group: Sequence[Row]) -> Row:
    """The row with the smallest witness that is there."""
    return min(group, key=lambda row: (row.witness is None, row.entry.size or 0, row.entry.cause))


def to_json(look: Look, only: Sequence[str] = ()) -> dict[str, Any]:
    """The same for programs, a cause each; `group` is what causes share that differ in the design only."""
    rows = [row for row in look.rows if not only or row.entry.state in only]
    rows.sort(key=lambda row: (STATES.index(row.entry.state), rank(row), row.entry.cause))
    return {
        "file": str(look.file),
        "causes": [_row_json(row) for row in rows],
        "changes": [
            {"cause": one.cause, "before": one.before, "after": one.after, "why": one.why} for one in look.changes
        ],
    }


def _row_json(row: Row) -> dict[str, Any]:
    entry = row.entry
    return {
        "cause": entry.cause,
        "group": pattern_of(entry.cause),
        "state": entry.state,
        "note": row.note,
        "kind": entry.kind,
        "severity": entry.severity,
        "text": row.text,
        "count": row.count,
        "first_execution": entry.first_execution,
        "first_seen": entry.first_seen.strftime("%Y-%m-%dT%H:%M:%SZ") if entry.first_seen else None,
        "size": entry.size,
        "witness": str(row.witness.path) if row.witness is not None else None,
        "command": row.command or None,
        "shows": row.shows,
        "not_replayed": row.why_not or None,
    }
