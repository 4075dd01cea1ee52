"""How much of a stream is shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Detail:
    """What is left out so that a person can read the rest.

    - `depth`: levels of fields below a section (0: none), None for all of them.
    - `limit`: elements of an array that are shown; None for all of them, and then values are not cut short either.
    - `fold`: runs of equal elements, of RAM pages and of ram sections take one line each, and numbers that only hold a
      list together (`@more`, `@end`) are left out as long as they are what they have to be.
    - `flat`: a line for each field with its whole path (as `paths` has it), instead of a tree.
    """

    depth: int | None = None
    limit: int | None = 64
    fold: bool = True
    flat: bool = False

    @classmethod
    def everything(cls, *, flat: bool = False) -> Detail:
        """Nothing is left out."""
        return cls(None, None, fold=False, flat=flat)
