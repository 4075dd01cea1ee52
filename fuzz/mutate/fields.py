"""Mutations of single fields, by the leaves that a section's schema names.

A virtio section has some ten thousand values, nearly all of them in arrays of 1024 queues. So a value is chosen in two
throws: its pattern (the path without indices), then one of its places, low indices far likelier.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.mutate import values
from fuzz.mutate.sections import sections_at, with_records
from vmformat import Section, StreamError

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice
    from fuzz.mutate.scene import Arm, Scene
    from vmformat import Leaf, Schema, Stream

_INDEX: Final = re.compile(r"\[\d+\]")
_INTEGERS: Final = frozenset({1, 2, 4, 8})


@dataclass(frozen=True, slots=True)
class Index:
    """The leaves of one payload by pattern."""

    patterns: tuple[str, ...]
    places: dict[str, list[Leaf]]

    def find(self, expression: re.Pattern[str]) -> list[Leaf]:
        """All leaves whose pattern matches, arrays as one leaf."""
        return [leaf for pattern in self.patterns if expression.search(pattern) for leaf in self.places[pattern]]

    def nth(self, expression: re.Pattern[str], number: int) -> Leaf | None:
        """Value `number` of all that match, counted through arrays; None when there are not as many."""
        for leaf in self.find(expression):
            if number < leaf.count:
                return leaf.element(number)
            number -= leaf.count
        return None

    def pick(self, pattern: str, dice: Dice) -> Leaf:
        """One value of this pattern, an early one likelier."""
        leaves = self.places[pattern]
        leaf = leaves[dice.low(len(leaves))]
        return leaf.element(dice.low(leaf.count))


class _Cache:
    """Indices of recent payloads, keyed by the schema's identity: hashing a schema costs more than it saves."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[tuple[int, bytes], tuple[Schema, Index]] = OrderedDict()

    def get(self, section: Section) -> Index | None:
        if section.schema is None or section.name == "ram":
            return None
        key = (id(section.schema), section.payload)
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known[1]
        try:
            leaves = section.leaves
        except StreamError:
            return None
        places: dict[str, list[Leaf]] = {}
        for leaf in leaves:
            if leaf.size:
                places.setdefault(_INDEX.sub("[]", leaf.path), []).append(leaf)
        index = Index(tuple(places), places)
        self._known[key] = (section.schema, index)
        if len(self._known) > self._size:
            self._known.popitem(last=False)
        return index


_CACHE: Final = _Cache(512)


def index_of(section: Section) -> Index | None:
    """The section's leaves by pattern; None when it has no schema or does not decode."""
    return _CACHE.get(section)


def read_leaf(section: Section, leaf: Leaf) -> int:
    """An integer leaf's value, unsigned."""
    raw = section.payload[leaf.offset : leaf.offset + leaf.size]
    return int.from_bytes(raw, "little" if leaf.byteorder == "little" else "big")


def write_leaf(section: Section, leaf: Leaf, value: int) -> Section:
    """The section with another value in an integer leaf (modulo its size)."""
    value &= (1 << 8 * leaf.size) - 1
    raw = value.to_bytes(leaf.size, "little" if leaf.byteorder == "little" else "big")
    return section.replace_bytes(leaf.offset, raw)


def replace_record(stream: Stream, at: int, section: Section) -> Stream:
    """The stream with another section at this position."""
    return with_records(stream, (section if i == at else record for i, record in enumerate(stream.records)))


def mutate_field(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Other values in a few leaves of one section."""
    places = sections_at(stream)
    for _ in range(4):
        if not places:
            return None
        at = dice.pick(places)
        section = stream.records[at]
        assert isinstance(section, Section)
        index = index_of(section)
        if index is None or not index.patterns:
            continue
        for _ in range(dice.few(3)):
            section = mutate_leaf(section, index.pick(dice.pick(index.patterns), dice), dice)
        return replace_record(stream, at, section)
    return None


def mutate_leaf(section: Section, leaf: Leaf, dice: Dice) -> Section:
    """The section with another value in a leaf."""
    if leaf.size in _INTEGERS:
        return write_leaf(section, leaf, values.integer(dice, read_leaf(section, leaf), leaf.size))
    old = section.payload[leaf.offset : leaf.offset + leaf.size]
    return section.replace_bytes(leaf.offset, values.buffer(dice, old))


def copy_field(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Take a field's value from another place of the same meaning: another element, or another device."""
    places = sections_at(stream)
    if not places:
        return None
    at = dice.pick(places)
    section = stream.records[at]
    assert isinstance(section, Section)
    index = index_of(section)
    if index is None or not index.patterns:
        return None
    arrays = [pattern for pattern in index.patterns if sum(leaf.count for leaf in index.places[pattern]) > 1]
    pattern = dice.pick(arrays) if arrays and dice.chance(2) else dice.pick(index.patterns)
    to = index.pick(pattern, dice)
    kind = section.name.rsplit("/", 1)[-1]
    donors = [
        other
        for i in places
        if isinstance(other := stream.records[i], Section) and other.name.rsplit("/", 1)[-1] == kind
    ]
    donor = dice.pick(donors)
    theirs = index_of(donor)
    if theirs is None or pattern not in theirs.places:
        return None
    # From another device of this kind, or from another element of the same array.
    leaves = theirs.places[pattern]
    leaf = dice.pick(leaves)
    leaf = leaf.element(dice.low(leaf.count))
    if leaf.size != to.size:
        return None
    return replace_record(
        stream, at, section.replace_bytes(to.offset, donor.payload[leaf.offset : leaf.offset + leaf.size])
    )


ARMS: dict[str, tuple[Arm, int]] = {"field": (mutate_field, 8), "copy-field": (copy_field, 2)}
"""Arms of this file with their weights."""
