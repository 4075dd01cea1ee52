"""Loads that are not done again: what a record did to a machine once it does each time, and is remembered."""

from model.known.known import Known

__all__ = ["Known"]
