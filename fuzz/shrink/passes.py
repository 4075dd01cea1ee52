"""The passes in their order, and the loop over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.shrink import fields, head, leftovers, parts, ram, records, shifted, steps
from fuzz.shrink.work import Spent, Work, count_sections, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PASSES: Final[Mapping[str, Callable[[Work], None]]] = {
    "schedule": steps.schedule,
    "description": head.description,
    "records": records.records,
    "swapped": records.swapped,
    "merged": records.merged,
    "ram": ram.ram,
    "configuration": head.configuration,
    "subsections": parts.subsections,
    "arrays": parts.arrays,
    "fields": fields.fields,
    "opaque": leftovers.opaque,
    "tail": head.tail,
    "shifted": shifted.shifted,
    "fewest": records.fewest,
}
"""What makes a case smaller, by name: what takes most away comes first, so that what follows has little to load."""


def shrink(work: Work) -> str:
    """Make the best case smaller until no pass can: "minimal", or "budget" when that is spent before.

    What ends it otherwise, such as KeyboardInterrupt, leaves the best case in `work`.
    """
    given = work.best
    try:
        _rounds(work)
        if count_sections(work.stream, work.schemas) > 1:
            _again(work, Work(given, work.shows, work.machine, from_front=True))
    except Spent:
        return "budget"
    return "minimal"


def _rounds(work: Work) -> None:
    before = None
    while before != work.best:
        before = work.best
        work.current = "end"
        records.end(work)
        for name, one in PASSES.items():
            work.current = name
            one(work)


def _again(work: Work, other: Work) -> None:
    """Once more from what was given, records dropped in the other order, since which ones are left depends on it."""
    work.current = "again"
    _rounds(other)
    if measure(other.best, work.schemas) < measure(work.best, work.schemas):
        work.attempt(other.best)
