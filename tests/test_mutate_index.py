"""Where values stand: each byte of a payload under one pattern, and what is altered goes where the index says."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutants import stream

from fuzz.mutate import Dice
from fuzz.mutate.index import (
    INTEGERS,
    WIRE,
    Index,
    altered,
    borrow,
    forget,
    index_of,
    moves_others,
    pattern_of,
    read_leaf,
    with_payload,
    write_leaf,
)
from vmformat import Leaf, Section, StreamError

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

TABLE = Index(
    {
        "head": [Leaf("head", 0, 2, "uint16")],
        "row[].x": [Leaf("row[0].x", 2, 2, "uint16"), Leaf("row[1].x", 6, 2, "uint16")],
        "ring[]": [Leaf("ring[]", 10, 4, "uint32", 3, 4)],
        "cell[].y[]": [Leaf("cell[0].y[]", 22, 1, "uint8", 2, 1), Leaf("cell[1].y[]", 24, 1, "uint8", 2, 1)],
    }
)


@cache
def sections() -> tuple[Section, ...]:
    """Sections of devices that decode, of two machines."""
    found = (section for name in ("pc-small", "q35-modern") for section in stream(name).sections)
    return tuple(section for section in found if index_of(section) is not None)


def known(section: Section) -> Index:
    index = index_of(section)
    assert index is not None
    return index


def values(index: Index) -> list[Leaf]:
    """Every value as a leaf of its own."""
    leaves = (leaf for places in index.places.values() for leaf in places)
    return [leaf.element(number) for leaf in leaves for number in range(leaf.count)]


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("ticks", "ticks"),
        ("queue[12].num", "queue[].num"),
        ("a[0].b[31].c[]", "a[].b[].c[]"),
        ("config[0].bar[4]", "config[].bar[]"),
        ("x[y]", "x[y]"),
    ],
)
def test_a_pattern_is_a_path_without_numbers(path: str, pattern: str) -> None:
    assert pattern_of(path) == pattern


def test_every_value_of_a_payload_stands_under_the_pattern_of_its_path_once_and_none_over_another() -> None:
    assert len(sections()) > 60
    for section in sections():
        index = known(section)
        taken = 0
        for leaf in sorted(values(index), key=lambda leaf: leaf.offset):
            assert leaf.offset >= taken, (section.name, leaf)
            taken = leaf.offset + leaf.size
        assert taken <= len(section.payload)
        for pattern, leaves in index.places.items():
            assert {pattern_of(leaf.path) for leaf in leaves} == {pattern}
            assert index.count(pattern) == sum(leaf.count for leaf in leaves)
        assert sum(map(index.count, index.patterns)) == sum(leaf.count for leaf in section.leaves if leaf.size)


def test_values_are_counted_through_arrays() -> None:
    paths = [leaf.path for leaf in (TABLE.value("cell[].y[]", number) for number in range(4)) if leaf is not None]
    assert paths == ["cell[0].y[0]", "cell[0].y[1]", "cell[1].y[0]", "cell[1].y[1]"]
    assert TABLE.value("cell[].y[]", 4) is None
    assert TABLE.value("nobody", 0) is None
    expression = re.compile(r"\[\]$")
    found = [TABLE.nth(expression, number) for number in range(8)]
    assert [leaf.offset for leaf in found if leaf is not None] == [10, 14, 18, 22, 23, 24, 25]
    assert found[7] is None
    assert [leaf.path for leaf in TABLE.find(re.compile("row|head"))] == ["head", "row[0].x", "row[1].x"]
    assert TABLE.find(re.compile("^ring$")) == []


def test_any_value_of_a_pattern_is_picked_an_early_one_likelier() -> None:
    for pattern in TABLE.patterns:
        picked = {TABLE.pick(pattern, Dice(seed)) for seed in range(60)}
        assert picked == {leaf for leaf in values(TABLE) if pattern_of(leaf.path) == pattern}
    long = Index({"ring[]": [Leaf("ring[]", 0, 4, "uint32", 1024, 4)]})
    places = [long.pick("ring[]", Dice(seed)).offset // 4 for seed in range(2000)]
    assert sum(place < 32 for place in places) > 500
    assert max(places) > 900


def test_sections_with_the_same_patterns_share_what_is_known_of_these() -> None:
    one, other = (section for section in sections() if section.name.endswith("pcie-root-port"))
    assert known(one) is not known(other)
    assert known(one).shape is known(other).shape
    assert known(one).shape is not TABLE.shape
    assert Index(TABLE.places).shape is TABLE.shape


@given(st.data())
def test_a_value_that_is_written_is_read_and_nothing_else_is_touched(data: DataObject) -> None:
    section = data.draw(st.sampled_from(sections()))
    leaf = data.draw(st.sampled_from([leaf for leaf in values(known(section)) if leaf.size in INTEGERS]))
    value = data.draw(st.integers(-(1 << 64), 1 << 64))
    before, made = section.payload, write_leaf(section, leaf, value)
    assert read_leaf(made, leaf) == value % (1 << 8 * leaf.size)
    assert made.payload[: leaf.offset] == before[: leaf.offset]
    assert made.payload[leaf.offset + leaf.size :] == before[leaf.offset + leaf.size :]
    assert section.payload == before
    assert index_of(made) is index_of(section)


def test_bytes_of_an_integer_stand_as_the_wire_has_them() -> None:
    section = next(section for section in sections() if section.name.endswith("virtio-blk"))
    for order, raw in (("big", b"\1\2\3\4"), ("little", b"\4\3\2\1")):
        leaf = next(leaf for leaf in values(known(section)) if leaf.size == 4 and leaf.byteorder == order)
        made = write_leaf(section, leaf, 0x01020304)
        assert made.payload[leaf.offset : leaf.offset + 4] == raw


@pytest.mark.parametrize(("offset", "size"), [(-1, 1), (24, 1), (23, 2), (0, 25)])
def test_what_does_not_fit_is_not_written(offset: int, size: int) -> None:
    timer = next(section for section in sections() if section.name == "timer")
    assert len(timer.payload) == 24
    with pytest.raises(StreamError):
        altered(timer, offset, bytes(size))


def test_an_index_goes_along_until_it_is_forgotten() -> None:
    keyboard = next(section for section in sections() if section.name == "ps2kbd")
    old = known(keyboard)
    copy = altered(keyboard, 0, b"\1")
    assert index_of(copy) is old
    forget(copy)
    assert index_of(copy) is not old
    assert known(copy).places == old.places
    fresh = with_payload(keyboard, keyboard.payload)
    assert index_of(fresh) is not old
    untold = with_payload(keyboard, keyboard.payload)
    borrow(untold, keyboard)
    assert index_of(untold) is old
    borrow(fresh, keyboard)
    assert index_of(fresh) is not old


@given(st.data())
def test_bytes_that_are_kept_with_a_section_stay_those_that_it_is_written_as(data: DataObject) -> None:
    section = data.draw(st.sampled_from(sections()))
    payload = data.draw(st.binary(max_size=40))
    plain = section.replace_payload(section.payload)
    assert WIRE not in with_payload(plain, payload).__dict__
    plain.__dict__[WIRE] = plain.to_bytes()
    made = with_payload(plain, payload)
    assert made.__dict__[WIRE] == section.replace_payload(payload).to_bytes()
    again = altered(plain, 0, plain.payload[:1])
    assert again.__dict__[WIRE] == section.to_bytes()


def test_what_has_no_schema_or_is_ram_has_no_index() -> None:
    for section in stream("pc-small").sections:
        assert (index_of(section) is None) == (section.name == "ram")
    timer = next(section for section in sections() if section.name == "timer")
    assert known(with_payload(timer, b"")).patterns == ()
    assert index_of(replace(timer, name="ram")) is None
    bare = Section(timer.kind, 1, "nobody", 0, 1, bytes(4), None, 1)
    assert index_of(bare) is None


@pytest.mark.parametrize(
    ("pattern", "moves"),
    [
        ("name@length", True),
        ("sub@version", True),
        ("virtio@end", True),
        ("virtio.head.config_len", True),
        ("virtio.queues.num", True),
        ("virtio.queues.queue[].num", False),
        ("config[].header_type", True),
        ("config[].cap[].next", True),
        ("config[].vendor_id", False),
        ("ticks", False),
    ],
)
def test_which_values_say_where_others_stand(pattern: str, moves: bool) -> None:
    assert moves_others(pattern) is moves
