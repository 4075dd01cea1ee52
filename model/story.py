"""The story of a use of a flat view: who read what by which path, what was mapped there, and what had changed it.

Told only where somebody asks (`load(..., explain=True)`): it costs more than the load of a small stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from model.memory.view import READONLY
from model.paths import call_path
from model.unseen import unseen

if TYPE_CHECKING:
    from model.load_state import LoadState
    from model.memory import AddressSpace, FlatView, Use
    from model.outcome import Row

MOST_ROWS: Final = 9
"""Ranges told of each view: those about the first byte that differs."""


@dataclass(frozen=True, slots=True)
class Story:
    """One use of a view. `at`: the first guest address where the old view and a fresh one differ, or where it begins.

    `before` and `after`: ranges of the two views about `at`. `section` and `offset`: what was being loaded.
    `led_to`: what differs at the end that this may have brought about (`model.compare.judge`).
    """

    section: str
    offset: int
    path: tuple[str, ...]
    space: str
    start: int
    length: int
    write: bool
    maps: bool
    at: int
    unseen: tuple[str, ...]
    before: tuple[Row, ...]
    after: tuple[Row, ...]
    led_to: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The keys that a finding with a story has beside its own."""
        return {
            "section": self.section,
            "offset": self.offset,
            "path": list(self.path),
            "space": self.space,
            "range": {"start": self.start, "length": self.length, "write": self.write, "maps": self.maps},
            "differs_at": self.at,
            "unseen": list(self.unseen),
            "before": [_row_json(row) for row in self.before],
            "after": [_row_json(row) for row in self.after],
            "led_to": list(self.led_to),
        }


def _row_json(row: Row) -> dict[str, Any]:
    start, last, name, offset, readonly, _ = row
    return {"start": start, "last": last, "region": name, "offset": offset, "readonly": readonly}


def tell(load: LoadState, view: FlatView, fresh: FlatView, space: AddressSpace, use: Use) -> Story:
    """The story of a use of `view` where `fresh` is what the tree shows."""
    at = _first_difference(view, fresh, use)
    missed = unseen(load.memory, load.marks, space, at, at + 1)
    if not missed and view is not fresh:  # only the length differs, or nothing
        missed = unseen(load.memory, load.marks, space, use.addr, use.addr + use.length)
    return Story(
        load.told_section,
        load.record,
        call_path(use, load.within),
        space.name,
        use.addr,
        use.length,
        use.write,
        use.maps,
        at,
        missed,
        _about(load, view, use, at),
        _about(load, fresh, use, at),
    )


def _first_difference(view: FlatView, fresh: FlatView, use: Use) -> int:
    """The first address of a use where the views differ in region, offset or read-only; where it ends, in length."""
    end = use.addr + use.length
    edges = {use.addr}
    for one in (view, fresh):
        edges |= {edge for edge in (*one.starts, *one.ends) if use.addr < edge < end}
    for address in sorted(edges):
        if _shown(view, address) != _shown(fresh, address):
            return address
    return use.addr


def _shown(view: FlatView, address: int) -> tuple[object, int, int] | None:
    index = view.find(address)
    if index < 0:
        return None
    region, base, flags = view.infos[index]
    return region, base, flags & READONLY


def _about(load: LoadState, view: FlatView, use: Use, at: int) -> tuple[Row, ...]:
    """The ranges that the use meets, with a neighbour on each side; about `at` where they are many."""
    rows = load.machine.rows(view)
    end = use.addr + use.length
    met = [index for index, row in enumerate(rows) if row[0] < end and row[1] >= use.addr]
    if met:
        first, last = max(met[0] - 1, 0), min(met[-1] + 2, len(rows))
    else:
        above = next((index for index, row in enumerate(rows) if row[0] >= end), len(rows))
        first, last = max(above - 1, 0), min(above + 1, len(rows))
    if last - first > MOST_ROWS:
        middle = next((index for index in range(first, last) if rows[index][1] >= at), first)
        first = max(first, middle - MOST_ROWS // 2)
        last = min(last, first + MOST_ROWS)
    return rows[first:last]
