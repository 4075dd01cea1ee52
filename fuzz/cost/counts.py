"""The counts of a load that are compared and followed along a curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from model import Outcome

COUNTS: Final = (
    "rebuilds",
    "forced_commits",
    "forced_rebuilds",
    "views",
    "ranges",
    "walked",
    "callbacks",
    "caches",
    "reads_while_pending",
)
"""What is counted of each load: the fields of its cost, and the reads that it lets pass while changes are pending."""


def count(outcome: Outcome, name: str) -> int:
    """One of COUNTS."""
    if name == "reads_while_pending":
        return sum(times for _, times in outcome.reads_while_pending)
    value: int = getattr(outcome.cost, name)
    return value
