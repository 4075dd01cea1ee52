"""Findings of a campaign made smaller in place: each keeps its cause, and none loses its witness."""

from fuzz.smaller.finding import Small, Target, make_smaller
from fuzz.smaller.several import make_all_smaller, wanted

__all__ = ["Small", "Target", "make_all_smaller", "make_smaller", "wanted"]
