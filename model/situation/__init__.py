"""What a load met on its way, beside what it came to: small facts for who searches, no part of the outcome's value."""

from model.situation.pending import PendingReads
from model.situation.situation import Facts, Situation
from model.situation.words import bare

__all__ = ["Facts", "PendingReads", "Situation", "bare"]
