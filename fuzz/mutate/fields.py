"""Mutations of single fields, by the leaves that a section's schema names.

A value is chosen in two throws: its pattern (the path without indices), then one of its places, low indices far
likelier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.mutate import values
from fuzz.mutate.index import INTEGERS, altered, forget, index_of, moves_others, read_leaf, write_leaf
from fuzz.mutate.sections import drawn, kind_of, replace_record, sections_at
from vmformat import Section

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice
    from fuzz.mutate.index import Index
    from fuzz.mutate.scene import Arm, Scene
    from vmformat import Leaf, Stream


def mutate_field(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Other values in a few leaves of one section."""
    places = sections_at(stream)
    for _ in range(4):
        found = drawn(stream, dice, places)
        if found is None:
            return None
        at, section = found
        index = index_of(section)
        if index is None or not index.patterns:
            continue
        for _ in range(dice.few(3)):
            section = mutate_leaf(section, index.pick(dice.pick(index.patterns), dice), dice)
        return replace_record(stream, at, section)
    return None


def mutate_leaf(section: Section, leaf: Leaf, dice: Dice) -> Section:
    """The section with another value in a leaf."""
    if leaf.size in INTEGERS:
        section = write_leaf(section, leaf, values.integer(dice, read_leaf(section, leaf), leaf.size))
        return forget(section) if moves_others(leaf.path) else section
    old = section.payload[leaf.offset : leaf.offset + leaf.size]
    return altered(section, leaf.offset, values.buffer(dice, old))


def arrays_of(index: Index) -> tuple[str, ...]:
    """The patterns that have several values."""
    facts = index.facts
    known: tuple[str, ...] | None = facts.get("arrays")
    if known is None:
        known = facts["arrays"] = tuple(pattern for pattern in index.patterns if index.count(pattern) > 1)
    return known


def copy_field(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Take a field's value from another place of the same meaning: another element, or another device."""
    places = sections_at(stream)
    found = drawn(stream, dice, places)
    if found is None:
        return None
    at, section = found
    index = index_of(section)
    if index is None or not index.patterns:
        return None
    arrays = arrays_of(index)
    pattern = dice.pick(arrays) if arrays and dice.chance(2) else dice.pick(index.patterns)
    to = index.pick(pattern, dice)
    kind = kind_of(section)
    donors = [other for i in places if isinstance(other := stream.records[i], Section) and kind_of(other) == kind]
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
    return replace_record(stream, at, altered(section, to.offset, donor.payload[leaf.offset : leaf.offset + leaf.size]))


ARMS: dict[str, tuple[Arm, int]] = {"field": (mutate_field, 8), "copy-field": (copy_field, 2)}
"""Arms of this file with their weights."""
