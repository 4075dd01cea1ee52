"""The pass `ram`: fewer pages, fewer blocks in the list, pages of zeros for others, zeros in those that stay."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fuzz.shrink.ddmin import ddmin
from fuzz.shrink.numbers import toward
from vmformat import StreamError
from vmformat.iterable.payloads import ITERABLE, decode_records, encode_records
from vmformat.ram.walk import CONTINUE, PAGE, ZERO

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.shrink.work import Work
    from vmformat import Section
    from vmformat.paths import Place

Row = Any
"""A record as `decode_records(...).values()` gives it: a dict of fields, or bytes for what is none."""


def ram(work: Work) -> None:
    """Every section that is a row of records."""
    for place, section in work.sections():
        if section.name in ITERABLE:
            _section(work, place, section)


def _section(work: Work, place: Place, section: Section) -> None:
    base, rows = work.stream, _rows(section)
    if not rows:
        return

    def holds(rows: list[Row]) -> bool:
        try:
            payload = encode_records(section.name, rows, section.context)
        except StreamError:
            return False
        return work.payload(base, place, section, payload)

    rows = _fewer(rows, holds)
    if section.is_ram:
        _simpler_pages(_shorter_lists(rows, holds), holds)


def _rows(section: Section) -> list[Row] | None:
    """The records; None if these would not be the same bytes again."""
    rows: Any = decode_records(section.name, section.payload, 0, section.context).values()
    try:
        if encode_records(section.name, rows, section.context) != section.payload:
            return None
    except StreamError:
        return None
    return list(rows)


def _fewer(rows: list[Row], holds: Callable[[list[Row]], bool]) -> list[Row]:
    """Drop records. The last one is the end of the section and stays."""
    *some, last = rows
    kept = ddmin(range(len(some)), lambda kept: holds(_named(rows, [*kept, len(some)])))
    return _named(rows, [*kept, len(some)]) if len(kept) < len(some) else [*some, last]


def _named(rows: list[Row], kept: list[int]) -> list[Row]:
    """Those records; one that means the block named last names it where that went."""
    chosen = []
    last = written = None
    staying = set(kept)
    for i, row in enumerate(rows):
        if isinstance(row, dict) and "block" in row:
            last = row["block"]
        if i not in staying:
            continue
        if isinstance(row, dict) and isinstance(row.get("address_flags"), int):
            flags = row["address_flags"]
            if "block" in row:
                written = last
            elif flags & CONTINUE and last is not None and last != written:
                row = {"address_flags": flags & ~CONTINUE, "block": last, **_without(row, "address_flags")}
                written = last
        chosen.append(row)
    return chosen


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def _shorter_lists(rows: list[Row], holds: Callable[[list[Row]], bool]) -> list[Row]:
    """Drop entries of block lists."""
    for i, row in enumerate(rows):
        if isinstance(row, dict) and isinstance(row.get("blocks"), list):
            rows = _shorter_list(rows, i, holds)
    return rows


def _shorter_list(rows: list[Row], at: int, holds: Callable[[list[Row]], bool]) -> list[Row]:
    def put(blocks: tuple[Any, ...]) -> list[Row]:
        return [*rows[:at], {**rows[at], "blocks": list(blocks)}, *rows[at + 1 :]]

    return put(ddmin(rows[at]["blocks"], lambda kept: holds(put(kept))))


def _simpler_pages(rows: list[Row], holds: Callable[[list[Row]], bool]) -> None:
    """A page of zeros takes a byte; where that will not do, zero what can be zero in it."""
    for i, row in enumerate(rows):
        if isinstance(row, dict) and isinstance(row.get("data"), bytes) and row["address_flags"] & PAGE:
            rows[i] = _simpler_page(row, partial(_with_row, rows, i, holds))


def _with_row(rows: list[Row], at: int, holds: Callable[[list[Row]], bool], row: Row) -> bool:
    return holds([*rows[:at], row, *rows[at + 1 :]])


def _simpler_page(row: dict[str, Any], holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    data = row["data"]
    for fill in dict.fromkeys((0, data[0])):
        filled = {**_without(row, "data"), "address_flags": row["address_flags"] & ~PAGE | ZERO, "fill": fill}
        if holds(filled):
            return filled
    return {**row, "data": toward(data, bytes(len(data)), lambda new: holds({**row, "data": new}))}
