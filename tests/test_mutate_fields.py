"""Single fields altered: one section, a few of its values, or one copied from a place of the same meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from mutants import stream

from fuzz.mutate import Dice, Scene
from fuzz.mutate.fields import arrays_of, copy_field, mutate_field, mutate_leaf
from fuzz.mutate.index import Index, index_of, moves_others
from fuzz.mutate.sections import kind_of
from vmformat import Leaf

if TYPE_CHECKING:
    from vmformat import Section, Stream

PC = stream("pc-small")
LEAVES = [
    (section, leaf.element(0))
    for section in PC.sections
    if (index := index_of(section)) is not None
    for leaves in index.places.values()
    for leaf in leaves[:1]
]


def changed(old: Stream, new: Stream) -> list[tuple[Section, Section]]:
    return [pair for pair in zip(old.sections, new.sections, strict=True) if pair[0] is not pair[1]]


@given(st.sampled_from(LEAVES), st.integers(0, 1 << 32))
def test_a_leaf_is_altered_within_its_bytes_and_always(place: tuple[Section, Leaf], seed: int) -> None:
    section, leaf = place
    before, after = section.payload, mutate_leaf(section, leaf, Dice(seed)).payload
    assert len(before) == len(after)
    differs = {at for at, (a, b) in enumerate(zip(before, after, strict=True)) if a != b}
    assert differs
    assert differs <= {*range(leaf.offset, leaf.offset + leaf.size)}


def test_where_a_value_moves_others_the_index_is_worked_out_anew() -> None:
    seen = {True: 0, False: 0}
    for section, leaf in LEAVES:
        if leaf.size in {1, 2, 4, 8}:
            moves = moves_others(leaf.path)
            seen[moves] += 1
            assert (index_of(mutate_leaf(section, leaf, Dice(1))) is not index_of(section)) is moves, leaf.path
    assert min(seen.values()) > 10


def test_one_section_is_altered_in_a_few_values() -> None:
    sections, numbers = set(), set()
    for seed in range(300):
        made = mutate_field(PC, Dice(seed), Scene())
        assert made is not None
        ((old, new),) = changed(PC, made)
        sections.add(old.name)
        leaves = [leaf for leaf in old.leaves if leaf.size]
        ends = [(leaf.offset + n * leaf.stride, leaf.size) for leaf in leaves for n in range(leaf.count)]
        numbers.add(sum(old.payload[at : at + size] != new.payload[at : at + size] for at, size in ends))
    assert len(sections) > 20
    assert {1, 2, 3} <= numbers <= {0, 1, 2, 3}


def test_a_copy_is_what_another_place_of_its_pattern_holds() -> None:
    made = 0
    for seed in range(1000):
        mutant = copy_field(PC, Dice(seed), Scene())
        if mutant is None:
            continue
        ((old, new),) = changed(PC, mutant)
        if old.payload == new.payload:
            continue
        made += 1
        differs = [at for at, (a, b) in enumerate(zip(old.payload, new.payload, strict=True)) if a != b]
        index = index_of(old)
        assert index is not None
        pattern, to = next(
            (pattern, leaf.element(number))
            for pattern, leaves in index.places.items()
            for leaf in leaves
            for number in range(leaf.count)
            if leaf.element(number).offset <= differs[0] < leaf.element(number).offset + leaf.size
        )
        assert differs[-1] < to.offset + to.size
        there = new.payload[to.offset : to.offset + to.size]
        held = {
            other.payload[leaf.element(number).offset :][: leaf.size]
            for other in PC.sections
            if kind_of(other) == kind_of(old) and (theirs := index_of(other)) is not None
            for leaf in theirs.places.get(pattern, ())
            for number in range(leaf.count)
        }
        assert there in held, pattern
    assert made > 30


def test_which_patterns_are_arrays_is_the_payloads_to_say() -> None:
    for length in (1, 3, 1):
        index = Index({"x": [Leaf("x", 0, 1, "uint8")], "y[]": [Leaf("y[]", 1, 1, "uint8", length, 1)]})
        assert arrays_of(index) == (("y[]",) if length > 1 else ())


def test_in_a_stream_without_sections_there_is_nothing_to_do() -> None:
    empty = PC.with_records(())
    assert mutate_field(empty, Dice(1), Scene()) is None
    assert copy_field(empty, Dice(1), Scene()) is None
