"""Trials of rings: several numbers at once, where one has to fit another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import leaf_of, stream

from fuzz.mutate import Scene
from fuzz.mutate.index import index_of, read_leaf
from fuzz.mutate.places import Places
from fuzz.mutate.rings import AVAIL, USED, trials_of_rings
from fuzz.mutate.trials import enumerate_trials

if TYPE_CHECKING:
    import re

    from vmformat import Section

RAM = 16 << 20
PLACES = Places(below_4g=RAM)


def made(machine: str, kind: str) -> dict[str, Section]:
    section = next(one for one in stream(machine).sections if one.name.endswith(f"/{kind}"))
    index = index_of(section)
    assert index is not None
    found = {name: change(section) for _, name, change in trials_of_rings(section, index, PLACES)}
    return {name: one for name, one in found.items() if one is not None}


def number(section: Section, field: str) -> int:
    return read_leaf(section, leaf_of(section, field))


def test_rings_of_an_old_driver_end_with_ram_or_begin_there() -> None:
    found = made("pc-small", "virtio-blk")
    size = number(found["ring:0:no RAM"], "queue[0].num")
    used = number(found["ring:0:ends with RAM"], "queue[0].desc") + -(-(16 * size + 2 * size + 4) // 4096) * 4096
    assert used + 6 + 8 * size - 2 <= RAM < used + 6 + 8 * size + 16
    assert number(found["ring:0:table ends with RAM"], "queue[0].desc") + 16 * size == RAM
    assert number(found["ring:0:no RAM"], "queue[0].desc") == RAM
    assert number(found["ring:0:wraps"], "queue[0].desc") + 16 * size == 1 << 64


def test_rings_of_an_old_driver_lie_on_both_sides_of_an_edge() -> None:
    found = made("pc-small", "virtio-blk")
    for name, begins, length in ("table", 0, 16384), ("available", 16384, 2054), ("used", 20480, 8198):
        ring = found[f"ring:0:{name} across 0x100000"]
        assert number(ring, "queue[0].num") == 1024
        start = number(ring, "queue[0].desc") + begins
        assert start < 0x100000 < start + length


def test_the_index_seen_last_is_as_far_away_as_the_ring_is_long() -> None:
    found = made("pc-small", "virtio-blk")
    last, size = (number(found["ring:0:no RAM"], f"queue[0].{name}") for name in ("last_avail_idx", "num"))
    assert number(found["ring:0:last all"], "queue[0].last_avail_idx") == last + size
    assert number(found["ring:0:last one less"], "queue[0].last_avail_idx") == last - size - 1 & 0xFFFF


def test_queues_may_share_a_place() -> None:
    same = made("pc-small", "virtio-net")["ring:same:place"]
    assert number(same, "queue[0].desc") == number(same, "queue[1].desc") != 0


@pytest.mark.parametrize(("name", "pattern"), [("available in table", AVAIL), ("used in table", USED)])
def test_rings_of_a_modern_driver_lie_over_each_other(name: str, pattern: re.Pattern[str]) -> None:
    one = made("q35-modern", "virtio-net")[f"ring:0:{name}"]
    index = index_of(one)
    assert index is not None
    place = index.nth(pattern, 0)
    assert place is not None
    assert read_leaf(one, place) == number(one, "queues.queue[0].desc") + 16


def test_a_device_without_queues_has_no_such_trials() -> None:
    found = enumerate_trials([stream("pc-small")], Scene(places=PLACES))
    assert {trial.kind for trial in found if trial.field.startswith("ring:")} == {"virtio-blk", "virtio-net"}


def test_a_ring_of_an_old_driver_lies_across_the_end_of_ram_alone() -> None:
    found = made("pc-small", "virtio-blk")
    one = found["ring:0:available across the end of RAM"]
    table, size = number(one, "queue[0].desc"), number(one, "queue[0].num")
    assert table + 16 * size < RAM < table + 16 * size + 4 + 2 * size
    other = found["ring:0:used across the end of RAM"]
    table, size = number(other, "queue[0].desc"), number(other, "queue[0].num")
    used = -(-(table + 16 * size + 4 + 2 * size) // 4096) * 4096
    assert used < RAM < used + 4 + 8 * size
    ended = found["ring:0:ends a page"]
    assert (number(ended, "queue[0].desc") + 18 * number(ended, "queue[0].num") + 4) % 4096 == 0


@pytest.mark.parametrize(("machine", "kind"), [("pc-small", "virtio-net"), ("q35-modern", "virtio-blk")])
def test_all_queues_have_rings_of_their_own_of_other_sizes(machine: str, kind: str) -> None:
    found = made(machine, kind)
    for name in "smaller", "larger":
        ring = found[f"ring:all:{name}"]
        one, other = (number(ring, f"queue[{queue}].num") for queue in range(2))
        assert (one > other) == (name == "smaller")
        first, second = (number(ring, f"queue[{queue}].desc") for queue in range(2))
        assert first + 16 * one < second < second + 16 * other < RAM
    assert number(found["ring:all:first of none"], "queue[0].num") == 0
    for name, descs in ("first of none", 2), ("first is not there", 1):
        ring = found[f"ring:all:{name}"]
        assert sum(number(ring, f"queue[{queue}].desc") > 0 for queue in range(2)) == descs


def test_a_device_with_one_queue_has_no_others() -> None:
    assert not [name for name in made("pc-small", "virtio-blk") if name.startswith("ring:all")]
