"""Edits by schema, for the ways that have no mutator of ours: one section, one field, a value that suits its type.

Whoever makes the choices is a `Choose`: a plain random generator, or hypothesis. Nothing here knows what a device does
with a field or where a ring lies; what an edit knows is the schema, the dictionary, the boundaries of types, and that
config space has its header in front.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from fuzz.mutate.index import index_of, read_leaf, write_leaf
from vmformat import Kind, Section, StreamError, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fuzz.search.material import Material
    from vmformat import Leaf, Stream

    Edit = Callable[["Stream", "Choose", Material], "Stream | None"]

T = TypeVar("T")

MOST_EDITS: Final = 6
"""Of one input."""
HEADER: Final = 64
"""Bytes of a config space's header; half of the edits of large buffers stay in front of this."""


class Choose(Protocol):
    """Who makes choices."""

    def below(self, limit: int) -> int:
        """A number in 0..limit-1."""
        ...

    def pick(self, items: Sequence[T]) -> T:
        """One of a sequence that is not empty."""
        ...


def edited(choose: Choose, material: Material) -> bytes:
    """A seed with one to `MOST_EDITS` edits."""
    stream = choose.pick(material.streams)
    for _ in range(1 + choose.below(MOST_EDITS)):
        stream = edit(stream, choose, material)
    return written(stream)


def written(stream: Stream) -> bytes:
    """The stream's bytes, none of one that cannot be written."""
    try:
        return write(stream)
    except StreamError:
        return b""


def edit(stream: Stream, choose: Choose, material: Material) -> Stream:
    """The stream with one edit; as it was where that edit has nothing to do."""
    try:
        return choose.pick(EDITS)(stream, choose, material) or stream
    except StreamError:
        return stream


def _places(stream: Stream) -> list[int]:
    return [at for at, record in enumerate(stream.records) if isinstance(record, Section)]


def _section(stream: Stream, at: int) -> Section:
    record = stream.records[at]
    assert isinstance(record, Section)
    return record


def field(stream: Stream, choose: Choose, material: Material) -> Stream | None:
    """Another value in a field: any section, any field of it."""
    places = _places(stream)
    if not places:
        return None
    at = choose.pick(places)
    section = _section(stream, at)
    index = index_of(section)
    if index is None or not index.patterns:
        if not section.payload:
            return None
        payload = _bytes(section.payload, choose, material)
        return stream.replace_record(at, section.replace_payload(payload))
    leaves = index.places[choose.pick(index.patterns)]
    leaf = _element(choose.pick(leaves), choose)
    return stream.replace_record(at, _valued(section, leaf, choose, material))


def _element(leaf: Leaf, choose: Choose) -> Leaf:
    """One of an array: half of the time one of the first four, since large arrays are mostly unused."""
    if leaf.count == 1:
        return leaf
    few = min(leaf.count, 4) if choose.below(2) else leaf.count
    return leaf.element(choose.below(few))


def _valued(section: Section, leaf: Leaf, choose: Choose, material: Material) -> Section:
    if leaf.size in {1, 2, 4, 8}:
        return write_leaf(section, leaf, _number(read_leaf(section, leaf), leaf.size, choose, material))
    old = section.payload[leaf.offset : leaf.offset + leaf.size]
    return section.replace_bytes(leaf.offset, _bytes(old, choose, material))


def _number(old: int, size: int, choose: Choose, material: Material) -> int:
    """Random, at a boundary, of the dictionary, or beside the old one."""
    bits = 8 * size
    way = choose.below(5)
    if way == 0:
        return choose.below(1 << bits)
    if way == 1:
        half = 1 << bits - 1
        return choose.pick((0, 1, 2 * half - 1, 2 * half - 2, half, half - 1))
    if way == 2:
        return choose.pick(material.numbers)
    if way == 3:
        return old ^ 1 << choose.below(bits)
    return old + choose.pick((1, -1, 2, -2, 4, -4, 0x10, -0x10, 0x1000, -0x1000))


def _bytes(old: bytes, choose: Choose, material: Material) -> bytes:
    """Another number of one, two, four or eight bytes somewhere, or a word of the dictionary."""
    if not old:
        return old
    size = choose.pick([size for size in (1, 2, 4, 8) if size <= len(old)])
    room = min(len(old), HEADER) if choose.below(2) else len(old)
    at = size * choose.below(max(1, room // size))
    order = choose.pick(("little", "big"))
    value = _number(int.from_bytes(old[at : at + size], "little"), size, choose, material)
    new = (value & (1 << 8 * size) - 1).to_bytes(size, "little" if order == "little" else "big")
    if not choose.below(8):
        new = choose.pick(tuple(material.words))[: len(old) - at]
    return old[:at] + new + old[at + len(new) :]


def drop(stream: Stream, choose: Choose, _material: Material) -> Stream | None:
    """Leave a record out."""
    return stream.replace_record(choose.below(len(stream.records))) if stream.records else None


def double(stream: Stream, choose: Choose, _material: Material) -> Stream | None:
    """Send a record again, anywhere."""
    if not stream.records:
        return None
    records = list(stream.records)
    records.insert(choose.below(len(records) + 1), choose.pick(records))
    return stream.with_records(records)


def swap(stream: Stream, choose: Choose, _material: Material) -> Stream | None:
    """Two sections change places."""
    places = _places(stream)
    if len(places) < 2:
        return None
    one, other = choose.pick(places), choose.pick(places)
    records = list(stream.records)
    records[one], records[other] = records[other], records[one]
    return stream.with_records(records)


def move(stream: Stream, choose: Choose, _material: Material) -> Stream | None:
    """A record goes elsewhere."""
    if not stream.records:
        return None
    records = list(stream.records)
    record = records.pop(choose.below(len(records)))
    records.insert(choose.below(len(records) + 1), record)
    return stream.with_records(records)


def head(stream: Stream, choose: Choose, _material: Material) -> Stream | None:
    """Another kind, number, instance or version of a section; the footer says the old number."""
    places = _places(stream)
    if not places:
        return None
    at = choose.pick(places)
    section = _section(stream, at)
    number = choose.pick((0, 1, section.version + 1, section.section_id + 1, 0x7FFFFFFF, 0xFFFFFFFF))
    change = choose.below(4)
    if change == 0:
        section = replace(section, kind=choose.pick((Kind.START, Kind.PART, Kind.END, Kind.FULL)))
    elif change == 1:
        section = replace(section, section_id=number)
    elif change == 2:
        section = replace(section, instance=number)
    else:
        section = replace(section, version=number)
    return stream.replace_record(at, section)


def transplant(stream: Stream, choose: Choose, material: Material) -> Stream | None:
    """A section as another seed has it."""
    other = choose.pick(material.streams)
    theirs = _places(other)
    if not theirs:
        return None
    section = _section(other, choose.pick(theirs))
    mine = [at for at in _places(stream) if _section(stream, at).name == section.name]
    if mine:
        return stream.replace_record(choose.pick(mine), section)
    records = list(stream.records)
    records.insert(choose.below(len(records) + 1), section)
    return stream.with_records(records)


EDITS: Final[tuple[Edit, ...]] = (*[field] * 10, drop, double, swap, move, head, transplant)
"""Each as often as it stands here."""
