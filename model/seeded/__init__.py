"""Seeded bugs: faults that can be switched on one at a time, to see whether they are found."""

from model.seeded.bug import (
    SeededBug,
    concerns_memory,
    helps_itself,
    keeps_nothing,
    name_of,
    replaced,
    strangers,
    switched_on,
)
from model.seeded.faulty import MARK, bug_of, with_bug
from model.seeded.registry import SEEDED
from model.seeded.seams import SEAMS, Seam

__all__ = [
    "MARK",
    "SEAMS",
    "SEEDED",
    "Seam",
    "SeededBug",
    "bug_of",
    "concerns_memory",
    "helps_itself",
    "keeps_nothing",
    "name_of",
    "replaced",
    "strangers",
    "switched_on",
    "with_bug",
]
