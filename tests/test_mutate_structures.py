"""What there is, how often, in which order: each arm does that to a stream, and leaves all else as it was."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from mutants import machine, stream

from fuzz.mutate import Dice, Scene
from fuzz.mutate.index import index_of, read_leaf
from fuzz.mutate.registers import config_of
from fuzz.mutate.sections import devices_at, kind_of
from fuzz.mutate.structures import ARMS, _counts, counted, derived, duplicates, nested, order, storage
from fuzz.mutate.subsections import present
from fuzz.work.build import make_mutator
from vmformat import Count, Field, Kind, Schema, Section, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.mutate import Arm
    from vmformat import Stream

PC = stream("pc-small")


@cache
def scene() -> Scene:
    return make_mutator(machine("pc-small").description, [write(PC)])._scene


def made(arm: Arm, number: int = 60, source: Stream = PC) -> Iterator[Stream]:
    before = write(source)
    for seed in range(number):
        mutant = arm(source, Dice(seed), scene())
        if mutant is not None:
            yield mutant
    assert write(source) == before


def changes(arm: Arm, number: int = 60) -> Iterator[tuple[Section, Section]]:
    """Sections that an arm altered where they stand, before and after."""
    for mutant in made(arm, number):
        if len(mutant.records) == len(PC.records):
            for old, new in zip(PC.records, mutant.records, strict=True):
                if old is not new:
                    assert isinstance(old, Section)
                    assert isinstance(new, Section)
                    yield old, new


def values(found: Section, like: Section) -> dict[str, int]:
    """The first value of each pattern, where it stands in `like`."""
    index = index_of(like)
    assert index is not None
    leaves = {pattern: places[0].element(0) for pattern, places in index.places.items()}
    return {pattern: read_leaf(found, leaf) for pattern, leaf in leaves.items() if leaf.size in {1, 2, 4, 8}}


# 1: a count and its array


def test_a_count_takes_its_array_with_it_most_of_the_time() -> None:
    longer = shorter = alone = 0
    for old, new in changes(counted, 150):
        moved = len(new.payload) - len(old.payload)
        longer += moved > 0
        shorter += moved < 0
        alone += moved == 0 and values(old, old) != values(new, old)
    assert longer > alone > 0
    assert shorter


def test_what_grows_repeats_the_last_element_and_what_follows_stays_as_it_was() -> None:
    whole = 0
    for old, new in changes(counted, 150):
        grown = len(new.payload) - len(old.payload)
        if grown > 0:
            ends = [at for at in range(len(old.payload)) if new.payload.endswith(old.payload[at:])]
            assert ends, "what stands behind the array"
            whole += len(old.payload) - ends[0] > 0
            assert grown <= 1 << 16
    assert whole


def test_counts_and_their_arrays_are_found_anywhere_in_a_schema() -> None:
    item = Schema("item", 1, 1, (Field("n", "uint8"), Field("in", "uint8", count=Count("n"))))
    sub = Schema("dev/sub", 1, 1, (Field("m", "uint32"), Field("of", "uint16", count=Count("m"))))
    dev = Schema("dev", 1, 1, (Field("k", "uint8"), Field("list", "struct", struct=item, count=Count("k"))), (sub,))
    assert {*_counts(dev)} == {("k", "list"), ("n", "in"), ("m", "of")}
    assert _counts(Schema("plain", 1, 1, (Field("x", "uint8", count=4),))) == ()


# 8: an order


def test_an_order_is_turned_round_and_nothing_is_lost() -> None:
    number = 0
    for mutant in made(order, 30):
        assert sorted(map(id, mutant.records)) == sorted(map(id, PC.records))
        assert mutant.records != PC.records
        number += 1
    assert number > 20


def test_only_what_is_about_memory_changes_places() -> None:
    for mutant in made(order, 30):
        rest = [[id(one) for one in found.records if not is_wired(one)] for found in (PC, mutant)]
        assert rest[0] == rest[1]


def is_wired(record: object) -> bool:
    return isinstance(record, Section) and (record.is_ram or config_of(record) is not None)


# 9: derived state


def test_a_device_is_loaded_as_it_was_and_again_with_something_changed() -> None:
    kinds: set[Kind] = set()
    changed = 0
    for mutant in made(derived):
        assert len(mutant.records) == len(PC.records) + 1
        ((old, new),) = again(mutant)
        assert is_wired(old)
        assert (old.name, old.instance, old.section_id, old.footer) == (
            new.name,
            new.instance,
            new.section_id,
            new.footer,
        )
        kinds.add(new.kind)
        changed += old.payload != new.payload
    assert kinds == {Kind.FULL, Kind.PART, Kind.END}
    assert changed >= 40


def again(mutant: Stream) -> list[tuple[Section, Section]]:
    """Sections that the mutant has beside those of its parent, each with the one that it was made of."""
    old = {id(one) for one in PC.records}
    return [
        (next(one for one in PC.sections if (one.name, one.instance) == (new.name, new.instance)), new)
        for new in mutant.sections
        if id(new) not in old
    ]


def test_the_second_one_follows_unless_it_may_come_first() -> None:
    for mutant in made(derived):
        ((old, new),) = again(mutant)
        places = [next(i for i, one in enumerate(mutant.records) if one is section) for section in (old, new)]
        assert new.kind is Kind.FULL or places[0] < places[1], "a PART before its section has begun"


# 10: storage


def test_storage_and_description_disagree_by_a_few_bytes() -> None:
    found = {len(new.payload) - len(old.payload) for old, new in changes(storage)}
    assert found <= set(range(-16, 17)) - {0}
    assert min(found) < 0 < max(found)


def test_what_is_put_in_is_zeros_and_the_rest_is_as_it_was() -> None:
    ends = 0
    for old, new in changes(storage):
        moved = len(new.payload) - len(old.payload)
        short, long = sorted((old.payload, new.payload), key=len)
        cut = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
        behind = short[cut:]
        assert any(
            long == short[:at] + long[at : at + abs(moved)] + short[at:]
            for at in range(max(0, cut - 16), cut + 1)
            if moved < 0 or not any(long[at : at + moved])
        )
        ends += not behind
    assert ends > 10


# 11: duplicates


def test_a_second_section_says_something_else() -> None:
    doubled = 0
    for mutant in made(duplicates, 80):
        if len(mutant.records) == len(PC.records) + 1:
            keys = Counter((one.section_id, one.name, one.instance) for one in mutant.sections if not one.is_ram)
            (twice,) = (key for key, number in keys.items() if number > 1)
            one, other = (each for each in mutant.sections if (each.section_id, each.name, each.instance) == twice)
            doubled += one.payload != other.payload
    assert doubled >= 20


def test_two_sections_have_one_number_or_one_name() -> None:
    numbers = names = 0
    for old, new in changes(duplicates, 500):
        assert old.payload == new.payload
        if old.section_id != new.section_id:
            assert new.footer == new.section_id
            assert new.section_id in {one.section_id for one in PC.sections}
            numbers += 1
        elif (old.name, old.instance) != (new.name, new.instance):
            theirs = PC.section(new.name, new.instance)
            assert theirs is not None
            assert kind_of(theirs) == kind_of(old)
            names += 1
    assert numbers > 10
    assert names > 0


def test_the_second_one_may_be_another_seeds() -> None:
    other = PC.with_records(
        one.replace_payload(b"of another seed") if isinstance(one, Section) and not one.is_ram else one
        for one in PC.records
    )
    donors = replace(scene(), donors=(other,))
    found = [duplicates(PC, Dice(seed), donors) for seed in range(60)]
    assert any(one is not None and any(s.payload == b"of another seed" for s in one.sections) for one in found)


# 12: optional parts


def test_subsections_of_many_names_come_and_go() -> None:
    came, went, twice = set(), set(), set()
    for old, new in changes(nested, 150):
        before, after = (Counter(piece.name for piece in present(one)) for one in (old, new))
        came |= {*(after - before)} - {*before}
        went |= {*(before - after)}
        twice |= {name for name, number in after.items() if number > 1}
    assert len(came) > 10
    assert went
    assert twice


def test_values_of_a_subsection_that_is_added_are_altered_and_no_others() -> None:
    altered = number = 0
    for old, new in changes(nested, 150):
        names = {piece.name for piece in present(old)}
        pieces = [piece for piece in present(new) if piece.name not in names]
        if not pieces:
            continue
        piece = pieces[0]
        head = piece.start + 6 + len(piece.name)
        assert new.payload[: piece.start] + new.payload[piece.end :] == old.payload
        altered += any(new.payload[head : piece.end])
        number += 1
    assert number > 40
    assert altered > number // 3


@pytest.mark.parametrize("name", ARMS)
def test_a_stream_without_devices_is_left_alone(name: str) -> None:
    bare = PC.with_records(one for at, one in enumerate(PC.records) if at not in devices_at(PC))
    found = [ARMS[name][0](bare, Dice(seed), scene()) for seed in range(5)]
    if name != "8-order":  # RAM has an order
        assert found == [None] * 5
    assert ARMS[name][0](PC.with_records(()), Dice(1), scene()) is None
