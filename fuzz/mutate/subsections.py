"""Subsections: those that a payload has, by their bytes, and those that its schema knows and it has not.

Loaders take them in any order, repeated, or not at all, and guess by a byte 5 whether one follows; what a subsection
brings comes behind what the section made of its absence (bug patterns 9 and 12). Adding one writes the payload anew
from its values, a hundred times dearer than altering a field.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fuzz.mutate.index import index_of, with_payload
from vmformat import StreamError, blank, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat import Schema, Section

_MARK: Final = 5
_VERSION: Final = "@version"
_NOBODYS: Final = "nobody"
_HEAD: Final = 6
"""Bytes around the name in front of a subsection's fields."""
_DEEP: Final = 6
"""How deep structs are searched for subsections."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A subsection in a payload: its name, and its bytes from `start` to `end`."""

    name: str
    start: int
    end: int


def present(section: Section) -> tuple[Piece, ...]:
    """The subsections of a payload, in wire order, each with those inside it."""
    index = index_of(section)
    if index is None:
        return ()
    payload = section.payload
    ends: dict[str, int] = {}
    found: list[tuple[str, str, int]] = []
    for pattern, leaves in index.places.items():
        for leaf in leaves:
            end = leaf.offset + (leaf.count - 1) * leaf.stride + leaf.size
            if pattern.endswith(_VERSION):
                name = pattern.removesuffix(_VERSION).rpartition(".")[2]
                start = leaf.offset - 2 - len(name)
                head = bytes([_MARK, len(name) & 0xFF]) + name.encode("latin-1", "replace")
                if leaf.count == 1 and start >= 0 and payload[start : leaf.offset] == head:
                    path = leaf.path.removesuffix(_VERSION)
                    ends[path] = leaf.offset + leaf.size
                    found.append((name, path, start))
            for path, so_far in ends.items():
                if leaf.path.startswith(path) and leaf.path[len(path) : len(path) + 1] == ".":
                    ends[path] = max(so_far, end)
    return tuple(Piece(name, start, ends[path]) for name, path, start in found)


def dropped(section: Section, number: int) -> Section | None:
    """The section without its subsection `number`."""
    pieces = present(section)
    if number >= len(pieces):
        return None
    payload, piece = section.payload, pieces[number]
    return with_payload(section, payload[: piece.start] + payload[piece.end :])


def repeated(section: Section, number: int, filled: int | None = None) -> Section | None:
    """The section with its subsection `number` a second time, behind itself; `filled`: all bytes of its fields."""
    pieces = present(section)
    if number >= len(pieces):
        return None
    payload, piece = section.payload, pieces[number]
    again = payload[piece.start : piece.end]
    if filled is not None:
        head = _HEAD + again[1]
        again = again[:head] + bytes([filled]) * (len(again) - head)
        if again == payload[piece.start : piece.end]:
            return None
    return with_payload(section, payload[: piece.end] + again + payload[piece.end :])


def strange(section: Section) -> Section | None:
    """The section with a subsection at its end that is named as one of its own, and that nobody knows."""
    if section.layout is None:
        return None
    name = f"{section.layout.name}/{_NOBODYS}".encode("latin-1", "replace")
    return with_payload(section, section.payload + bytes([_MARK, len(name) & 0xFF]) + name + bytes([0, 0, 0, 1]))


def missing(section: Section) -> tuple[str, ...]:
    """Paths of the subsections that its schema knows and the payload has not, each once however many places it fits."""
    schema, index = section.schema, index_of(section)
    if schema is None or index is None or section.layout is None:
        return ()
    have = {piece.name for piece in present(section)}
    return tuple(path for path, sub in _known(section.layout) if sub.name not in have)


@lru_cache(maxsize=512)
def _known(schema: Schema) -> tuple[tuple[str, Schema], ...]:
    found: dict[str, tuple[str, Schema]] = {}
    for path, sub in _walk(schema, "", 0):
        found.setdefault(sub.name, (path, sub))
    return tuple(found.values())


def _walk(schema: Schema, path: str, depth: int) -> Iterator[tuple[str, Schema]]:
    if depth > _DEEP:
        return
    for field in schema.fields:
        if field.struct is not None:
            yield from _walk(field.struct, f"{path}\t{field.name}" if path else field.name, depth + 1)
    for sub in schema.subsections:
        yield f"{path}\t{sub.name}" if path else sub.name, sub
        yield from _walk(sub, f"{path}\t{sub.name}" if path else sub.name, depth + 1)


def place_of(values: Any, path: str) -> tuple[dict[str, Any] | None, str]:
    """What holds the last name of a path, with steps between tabs, and that name; of an array its first element."""
    place: Any = values
    *steps, name = path.split("\t")
    for step in steps:
        place = place.get(step) if isinstance(place, dict) else None
        if isinstance(place, (list, tuple)) and place:
            place = place[0]
    return (place if isinstance(place, dict) else None), name


def added(section: Section, path: str) -> Section | None:
    """The section with the subsection at a path of `missing`, all its values 0; in an array, in the first element.

    None if it has no place for it, or has it already.
    """
    layout = section.layout
    if layout is None:
        return None
    sub = next((sub for known, sub in _known(layout) if known == path), None)
    tree, fault = section.read_payload()
    if sub is None or fault is not None:
        return None
    values: Any = tree.values()
    place, name = place_of(values, path)
    if place is None or name in place:
        return None
    try:
        place[name] = {"@version": sub.version, **_dict(blank(sub))}
        return with_payload(section, encode(layout, values, section.version))
    except StreamError:
        return None


def _dict(values: Any) -> dict[str, Any]:
    return values if isinstance(values, dict) else {}
