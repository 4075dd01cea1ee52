"""Crashers and findings, again: does each come out as it did? (`vmfuzz replay`, and the pytest plugin)."""

from fuzz.replay.accepting import accept
from fuzz.replay.given import Finding, Given, given
from fuzz.replay.outcomes import Difference, differences
from fuzz.replay.replayer import Replayer, Row
from fuzz.replay.still import Asker, Still

__all__ = [
    "Asker",
    "Difference",
    "Finding",
    "Given",
    "Replayer",
    "Row",
    "Still",
    "accept",
    "differences",
    "given",
]
