"""Shrinking: the smallest stream, with the shortest schedule, that shows the same cause."""

from fuzz.shrink.ddmin import ddmin
from fuzz.shrink.judge import Judge
from fuzz.shrink.passes import PASSES, shrink
from fuzz.shrink.work import Case, Spent, Tally, Work

__all__ = ["PASSES", "Case", "Judge", "Spent", "Tally", "Work", "ddmin", "shrink"]
