"""Records that need not be loaded again: they concern nobody but their device, or nobody but RAM."""

from model.quiet.piece import Piece
from model.quiet.records import QuietRecords, is_quiet, is_silent

__all__ = ["Piece", "QuietRecords", "is_quiet", "is_silent"]
