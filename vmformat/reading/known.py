"""Which schemas a section may have, likely ones first: what the stream says of itself, what the caller knows.

Where neither knows anything the store does (`store`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmformat import store
from vmformat.iterable.payloads import ITERABLE
from vmformat.reading.guess import is_opaque

if TYPE_CHECKING:
    from vmformat.schema import Schema, Schemas


class Known:
    """Schemas by section, from two sources: `first` before `second`, but an opaque schema last of all."""

    __slots__ = ("first", "second")

    def __init__(self, first: Schemas, second: Schemas) -> None:
        self.first, self.second = first, second

    def candidates(self, name: str, instance: int, version: int) -> tuple[Schema, ...]:
        """The schemas for a section of that name, instance and version."""
        found = [schema for known in (self.first, self.second) if (schema := known.get((name, instance))) is not None]
        if len(found) == 2 and is_opaque(found[0]):
            found.reverse()
        return tuple(found) or (() if name in ITERABLE else store.schemas_for(name, version))

    def told(self, name: str, instance: int) -> bool:
        """Whether the stream or the caller knows such a section, so that the store is not asked."""
        return (name, instance) in self.first or (name, instance) in self.second
