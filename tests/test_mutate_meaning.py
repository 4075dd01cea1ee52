"""What a field is for: by its name and type, the same for all values of a pattern, with the room that lies beside."""

from __future__ import annotations

from typing import get_args

import pytest
from mutants import stream

from fuzz.mutate.index import INTEGERS, Index, index_of
from fuzz.mutate.meaning import ORDER, Meaning, capacities, meaning_of, means
from vmformat import Leaf


@pytest.mark.parametrize(
    ("pattern", "type_", "size", "meaning"),
    [
        ("queue.count", "int32", 4, "count"),
        ("virtio.queues.queue[].num", "uint32", 4, "count"),
        ("queue.rptr", "int32", 4, "index"),
        ("last_avail_idx", "uint16", 2, "index"),
        ("virtio.queues.queue[].desc", "uint64", 8, "address"),
        ("base_address", "uint64", 8, "address"),
        ("virtio.queues.queue[].vector", "uint16", 2, "vector"),
        ("irq_level", "uint8", 1, "vector"),
        ("features_lo", "uint32", 4, "flags"),
        ("status", "uint8", 1, "flags"),
        ("config[].command.bus_master", "uint16", 2, "register"),
        ("parent.config[].vendor_id", "uint16", 2, "register"),
        ("enabled", "bool", 1, "switch"),
        ("translate", "uint8", 1, "switch"),
        ("translate", "uint32", 4, "number"),
        ("timer[].expires", "timer", 8, "time"),
        ("next_tick_time", "int64", 8, "time"),
        ("num_timers", "uint8", 1, "count"),  # of timers, no time
        ("virtio@end", "uint8", 1, "end"),
        ("sub@version", "uint32", 4, "version"),
        ("count", "buffer", 4, "bytes"),
        ("count", "uint32", 3, "bytes"),
        ("bits", "bitmap", 8, "bytes"),
    ],
)
def test_what_a_field_is_for(pattern: str, type_: str, size: int, meaning: Meaning) -> None:
    assert meaning_of(pattern, type_, size) == meaning


def test_every_meaning_has_its_place_in_the_order() -> None:
    assert sorted(ORDER) == sorted(get_args(Meaning))


def indices() -> list[Index]:
    found = (index_of(section) for name in ("pc-small", "q35-modern") for section in stream(name).sections)
    return [index for index in found if index is not None]


def test_each_pattern_of_a_section_means_one_thing_in_the_order_of_the_wire() -> None:
    for index in indices():
        found = means(index)
        order = {pattern: number for number, pattern in enumerate(index.patterns)}
        assert sorted(pattern for patterns in found.values() for pattern in patterns) == sorted(order)
        for meaning, patterns in found.items():
            assert list(patterns) == sorted(patterns, key=order.__getitem__)
            for pattern in patterns:
                leaf = index.places[pattern][0]
                assert meaning_of(pattern, leaf.type, leaf.size) == meaning


def index(*leaves: Leaf) -> Index:
    return Index({leaf.path: [leaf] for leaf in leaves})


def test_what_a_count_has_room_for_lies_beside_it() -> None:
    found = capacities(
        index(
            Leaf("a.count", 0, 4, "uint32"),
            Leaf("a.ring[]", 4, 4, "uint32", 8, 4),  # eight values
            Leaf("a.data", 36, 40, "buffer"),  # forty bytes
            Leaf("a.cell[].x", 76, 2, "uint16", 5, 2),  # five structs
            Leaf("a.cell[].idx", 78, 1, "uint8", 5, 2),
            Leaf("b.other[]", 90, 1, "uint8", 99, 1),
            Leaf("a.name", 0, 4, "uint32"),
        )
    )
    assert found == {"a.count": (40, 8, 5), "a.cell[].idx": (5,)}


def test_where_nothing_lies_beside_a_count_what_lies_beside_its_struct_counts() -> None:
    found = capacities(index(Leaf("head.num", 0, 4, "uint32"), Leaf("table[]", 4, 4, "uint32", 12, 4)))
    assert found == {"head.num": (12,)}
    assert capacities(index(Leaf("a.b.head.num", 0, 4, "uint32"), Leaf("table[]", 4, 4, "uint32", 12, 4))) == {
        "a.b.head.num": ()
    }


def test_two_payloads_of_one_shape_have_each_their_own_room() -> None:
    for length in (4, 8, 4):
        known = index(Leaf("count", 0, 4, "uint32"), Leaf("ring[]", 4, 4, "uint32", length, 4))
        assert capacities(known) == {"count": (length,)}


def test_rooms_of_a_shipped_stream_are_lengths_that_it_has() -> None:
    for known in indices():
        lengths = {
            leaf.size if leaf.size not in INTEGERS else known.count(pattern)
            for pattern, places in known.places.items()
            for leaf in places
        }
        rooms = capacities(known)
        vectors = means(known).get("vector", ())
        assert {*rooms} - {*vectors} == {*means(known).get("count", ()), *means(known).get("index", ())}
        for sizes in rooms.values():
            assert list(sizes) == sorted({*sizes}, reverse=True)
            assert {*sizes} <= lengths


def test_a_vectors_room_is_the_table_wherever_that_is() -> None:
    section = next(one for one in stream("pc-small").sections if one.name.endswith("/virtio-net"))
    index = index_of(section)
    assert index is not None
    assert capacities(index)["virtio.queues.queue[].vector"] == (4,)
    assert capacities(index)["virtio.msix.config_vector"] == (4,)
