"""The passes in their order, and the loop over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.shrink import fields, head, leftovers, parts, ram, records, shifted, steps
from fuzz.shrink.work import Spent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fuzz.shrink.work import Work

PASSES: Final[Mapping[str, Callable[[Work], None]]] = {
    "schedule": steps.schedule,
    "description": head.description,
    "records": records.records,
    "merged": records.merged,
    "ram": ram.ram,
    "configuration": head.configuration,
    "subsections": parts.subsections,
    "arrays": parts.arrays,
    "fields": fields.fields,
    "opaque": leftovers.opaque,
    "tail": head.tail,
    "shifted": shifted.shifted,
}
"""What makes a case smaller, by name: what takes most away comes first, so that what follows has little to load."""


def shrink(work: Work) -> str:
    """Make the best case smaller until no pass can: "minimal", or "budget" when that is spent before.

    What ends it otherwise, such as KeyboardInterrupt, leaves the best case in `work`.
    """
    try:
        work.current = "end"
        records.end(work)
        before = None
        while before != work.best:
            before = work.best
            for name, one in PASSES.items():
                work.current = name
                one(work)
    except Spent:
        return "budget"
    return "minimal"
