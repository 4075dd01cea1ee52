"""The model against the real program: one stream, or as many mutants as one has time for."""

from fuzz.confirm.hold import Against, Held, hold
from fuzz.confirm.side import Category, Comparison, Disagreement, Side, compare

__all__ = ["Against", "Category", "Comparison", "Disagreement", "Held", "Side", "compare", "hold"]
