"""The shape of the final layout: which regions are seen, whole or in part, and what lies beside what.

Names of regions stand in for addresses: thirty ports of one kind are one, wherever they are mapped.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from model.situation import bare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.engine.target import Feature
    from model.outcome import Layout, Row

PIECES: Final = 6
"""Pieces of one region that are told apart; more are as many."""


@lru_cache(maxsize=4096)
def kind_of(space: str) -> str:
    """An address space's kind: a system's memory or ports, what a processor sees, or what a device does."""
    if space in {"memory", "I/O"}:
        return space
    return "processor" if space.startswith("cpu-") else "device"


def of_spaces(layout: Layout) -> Iterator[Feature]:
    """What each space shows: nothing, what another one does, or a view of its own."""
    known: dict[int, str] = {}
    for space, rows in layout:
        name = kind_of(space)
        other = known.setdefault(id(rows), f"the view of {name}") if rows else "nothing"
        yield ("space", name, other)


def distinct(layout: Layout) -> Iterator[tuple[str, tuple[Row, ...]]]:
    """Each view that is not empty once, with the first space that shows it."""
    known: set[int] = set()
    for space, rows in layout:
        if rows and id(rows) not in known:
            known.add(id(rows))
            yield kind_of(space), rows


def of_view(space: str, rows: tuple[Row, ...]) -> Iterator[Feature]:
    """One view: how many ranges, of them cut ones; each kind of region, and each pair of neighbours."""
    cut = 0
    pieces = Counter[str]()
    before, end = "", -1
    for start, last, name, offset, readonly, key in rows:
        region = bare(name)
        cut += offset != 0
        pieces[key] += 1
        yield ("shown", region, "read-only" if readonly else "", "from inside" if offset else "")
        yield ("neighbours", before, region, "touching" if start == end + 1 else "apart")
        if pieces[key] > 1:
            yield ("pieces", region, min(pieces[key], PIECES))
        before, end = region, last
    yield ("ranges", space, len(rows))
    yield ("ranges-cut", space, len(rows), cut)
