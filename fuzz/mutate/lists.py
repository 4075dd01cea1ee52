"""Lists whose elements are announced one by one: an element that is not there, or one that is there twice.

Whoever loads such a list allocates, links or maps for each element, and trusts what stands in it. The guests that seeds
come from rarely have anything under way, so most of these lists are empty in all seeds. Adding an element writes the
payload anew from its values, as adding a subsection does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fuzz.mutate.index import with_payload
from fuzz.mutate.subsections import place_of
from vmformat import StreamError, blank, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat import Schema, Section

_TYPES: Final = frozenset({"qtailq", "qlist", "gtree", "repeat", "repeat int8", "repeat uint32"})
_DEEP: Final = 6
"""How deep structs are searched for lists."""


def lists_of(section: Section) -> tuple[str, ...]:
    """Paths of the lists that a section's schema knows; steps are separated by tabs."""
    return () if section.layout is None else tuple(path for path, _ in _known(section.layout))


@lru_cache(maxsize=512)
def _known(schema: Schema) -> tuple[tuple[str, Schema], ...]:
    return tuple(dict(_walk(schema, "", 0)).items())


def _walk(schema: Schema, path: str, depth: int) -> Iterator[tuple[str, Schema]]:
    if depth > _DEEP:
        return
    for field in schema.fields:
        if field.struct is not None:
            own = f"{path}\t{field.name}" if path else field.name
            if field.type in _TYPES:
                yield own, field.struct
            yield from _walk(field.struct, own, depth + 1)


def grown(section: Section, path: str, number: int = 1) -> Section | None:
    """The section with `number` more elements at the end of a list: copies of its last one, or zeros in an empty list.

    Of an array of lists the first one is taken. None if there is no such list, or what it is in does not decode.
    """
    layout = section.layout
    element = None if layout is None else dict(_known(layout)).get(path)
    tree, fault = section.read_payload()
    if layout is None or element is None or fault is not None:
        return None
    values: Any = tree.values()
    place, name = place_of(values, path)
    if place is None or not isinstance(place.get(name), (list, tuple)):
        return None
    found = list(place[name])
    try:
        place[name] = [*found, *[found[-1] if found else blank(element)] * number]
        return with_payload(section, encode(layout, values, section.version))
    except StreamError:
        return None
