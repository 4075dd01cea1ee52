"""Trials of several things at once: an index and a count beside it, registers of one word, a section and another."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from mutants import leaf_of, stream
from tried import trials_of

from fuzz.mutate import Scene
from fuzz.mutate.index import index_of, read_leaf
from fuzz.mutate.trial import are_apart
from fuzz.mutate.trials import enumerate_trials

PAIR = "parent_obj.queue.rptr+parent_obj.queue.count"


def test_an_index_is_tried_where_the_count_beside_it_lets_it_be_looked_at() -> None:
    source = stream("pc-small")
    keyboard = source.section("ps2kbd")
    assert keyboard is not None
    trials = [trial for trial in enumerate_trials([source], Scene()) if (trial.kind, trial.field) == ("ps2kbd", PAIR)]
    places = []
    for trial in trials:
        made = trial.apply(keyboard)
        assert made is not None
        assert read_leaf(made[0], leaf_of(made[0], "queue.count")) == 1
        places.append(read_leaf(made[0], leaf_of(made[0], "queue.rptr")))
    assert {256, 0xFFFFFFFF} <= set(places)
    assert len(places) == 4


def test_a_count_that_is_not_0_stays_as_it_is() -> None:
    source = stream("pc-small")
    fields = {trial.field for trial in enumerate_trials([source], Scene()) if trial.kind.startswith("virtio")}
    assert not any("+virtio." in field for field in fields)


def test_a_place_and_a_length_may_be_too_large_together() -> None:
    keyboard = stream("pc-small").section("ps2kbd")
    assert keyboard is not None
    found = set()
    for trial in trials_of("ps2kbd")["parent_obj.queue.rptr&parent_obj.queue.count"]:
        (made,) = trial.apply(keyboard) or ()
        found.add(tuple(read_leaf(made, leaf_of(made, f"queue.{name}")) for name in ("rptr", "count")))
    assert (255, 256) in found
    assert (1, 0) in found


def test_a_request_is_tried_where_there_is_none_and_what_stands_in_it() -> None:
    disk = stream("pc-small").section("0000:00:02.0/virtio-blk")
    assert disk is not None
    head = "list:virtio\tdevice\trequests:1:virtio.device.requests[].element."
    values = set()
    for trial in trials_of("virtio-blk")[f"{head}in_num"]:
        (made,) = trial.apply(disk) or ()
        index = index_of(made)
        leaf = index.value("virtio.device.requests[].element.in_num", 0) if index is not None else None
        assert leaf is not None
        values.add(read_leaf(made, leaf))
    assert {1025, 0xFFFFFFFF} & values


def test_of_many_devices_of_a_kind_a_few_stand_for_all() -> None:
    source = stream("pc-small")
    disk = next(section for section in source.sections if section.name.endswith("virtio-blk"))

    def tried(count: int) -> list[tuple[str, str, str]]:
        several = [replace(disk, name=f"0000:00:{8 + slot:02x}.0/virtio-blk") for slot in range(count)]
        longer = source.with_records([*source.records[:-1], *several, source.records[-1]])
        return [(trial.kind, trial.field, trial.value) for trial in enumerate_trials([longer], Scene())]

    assert tried(20) == tried(3)


def test_registers_that_follow_each_other_in_the_line_may_go_into_one_section() -> None:
    source = stream("pc-small")
    masks = {"0000:00:02.0": (b"\xff" * 256, b"")}
    line = enumerate_trials([source], Scene(donors=(source,), masks=masks))
    registers = [one.register for one in line if one.kind == "virtio-blk" and one.register >= 0]
    apart = sum(are_apart(one, [other]) for one, other in pairwise(registers))
    assert len(registers) > 100
    assert apart > 0.8 * len(registers)
