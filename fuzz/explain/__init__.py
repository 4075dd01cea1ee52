"""What people are shown of a load: the table of designs, and the story of each finding."""

from fuzz.explain.show import show

__all__ = ["show"]
