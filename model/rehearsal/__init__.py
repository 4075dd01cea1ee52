"""One stream under many designs: a design that would say nothing new is not loaded under, its outcome is known."""

from model.rehearsal.loads import Loads

__all__ = ["Loads"]
