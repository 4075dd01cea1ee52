"""Counts and what they count, together: an array made as long as its count says, at what there may be room for.

A count alone moves all that stands behind the array, so that a load is refused for that, whatever became of the count.
What a loader does with an array too long, or too short, shows only where the array has as many elements as it is said
to have. The payload is written anew from its values, as for a list that grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fuzz.mutate.index import with_payload
from fuzz.mutate.subsections import place_of
from vmformat import Count, StreamError, blank, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat import Field, Schema, Section

_DEEP: Final = 6
"""How deep structs are searched."""
_MOST: Final = 1100
"""Elements that an array is made to have."""
_USUAL: Final = (16, 17, 0, 1, 32, 33, 64, 65, 8, 9, 128, 129, 256, 257, 1024, 1025)
"""Capacities that are usual, and one more."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The arrays that one count is of: `path` leads to the struct that holds them all, its steps between tabs."""

    path: str
    name: str
    arrays: tuple[Field, ...]

    @property
    def pattern(self) -> str:
        """The count as an index of values names it."""
        return ".".join((*filter(None, self.path.split("\t")), self.name))


def counts_of(section: Section) -> tuple[Counted, ...]:
    """The counts that a section's schema knows."""
    return () if section.layout is None else _known(section.layout)


@lru_cache(maxsize=512)
def _known(schema: Schema) -> tuple[Counted, ...]:
    return tuple({(one.path, one.name): one for one in _walk(schema, "", 0)}.values())


def _walk(schema: Schema, path: str, depth: int) -> Iterator[Counted]:
    if depth > _DEEP:
        return
    by_count: dict[str, list[Field]] = {}
    own = {field.name for field in schema.fields}
    for field in schema.fields:
        if isinstance(field.count, Count) and field.count.field in own:
            by_count.setdefault(field.count.field, []).append(field)
    for name, arrays in by_count.items():
        yield Counted(path, name, tuple(arrays))
    for field in schema.fields:
        if field.struct is not None:
            yield from _walk(field.struct, f"{path}\t{field.name}" if path else field.name, depth + 1)
    for sub in schema.subsections:
        yield from _walk(sub, f"{path}\t{sub.name}" if path else sub.name, depth + 1)


def numbers_of(have: int, limits: tuple[int, ...]) -> tuple[int, ...]:
    """Numbers of elements worth trying where there are `have`, the most promising first."""
    near = [limit + step for limit in limits for step in (1, 0, -1)]
    found = (*near[:2], have + 1, have - 1, 0, *near[2:], 1, 2 * have, *_USUAL)
    return tuple(number for number in dict.fromkeys(found) if 0 <= number <= _MOST and number != have)


def count_in(section: Section, counted: Counted) -> int | None:
    """The count that a section has; None where it has not what holds it."""
    tree, fault = section.read_payload()
    if fault is not None:
        return None
    place, _ = place_of(tree.values(), f"{counted.path}\t{counted.name}" if counted.path else counted.name)
    have = None if place is None else place.get(counted.name)
    return have if isinstance(have, int) else None


def recounted(section: Section, counted: Counted, number: int) -> Section | None:
    """The section with another count, and with as many elements as it says; None where that cannot be."""
    layout = section.layout
    tree, fault = section.read_payload()
    if layout is None or fault is not None:
        return None
    values: Any = tree.values()
    place, _ = place_of(values, f"{counted.path}\t{counted.name}" if counted.path else counted.name)
    if place is None or counted.name not in place:
        return None
    place[counted.name] = number
    for field in counted.arrays:
        assert isinstance(field.count, Count)
        there = field.when is None or field.when.field != counted.name or field.when.holds(number)
        if not there or (field.when is not None and field.when.field != counted.name and field.name not in place):
            place.pop(field.name, None)
            continue
        place[field.name] = _as_many(place.get(field.name, ()), field, field.count.elements(number) or 0)
    try:
        return with_payload(section, encode(layout, values, section.version))
    except StreamError:
        return None


def _as_many(old: Any, field: Field, number: int) -> Any:
    if isinstance(old, bytes):
        return old[:number].ljust(number, b"\0")
    found = list(old)[:number]
    return [*found, *[found[-1] if found else _new(field)] * (number - len(found))]


def _new(field: Field) -> Any:
    """An element of zeros."""
    if field.struct is not None:
        return blank(field.struct)
    return bytes(field.size) if "buffer" in field.type else 0
