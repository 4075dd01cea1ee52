"""What a load meets on its way: reads with what is pending, registers, distances to what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz.corpus import find_machine
from model import DESIGNS, Machine, load, parse
from model.description import BarEntry
from model.devices import Bar
from model.devices.checks.check import check, distance, watch_for
from model.devices.registers import bar_state
from model.memory import Kind, Region
from model.situation import PendingReads, bare
from vmformat import Field, Schema

if TYPE_CHECKING:
    from model.memory.changes import Mutation

PC_SMALL = find_machine("pc-small")
AFTER = next(seed.read_bytes() for seed in PC_SMALL.seeds if seed.stem == "after")


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine(parse(PC_SMALL.description.read_bytes()))


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("pc.ram", "pc.ram"),
        ("virtio-pci-common-virtio-blk", "virtio-pci-common-virtio-blk"),
        ("vtd-00.0-dmar", "vtd-dmar"),
        ("virtio.queues.queue[17].last_avail_idx", "virtio.queues.queue#.last_avail_idx"),
        ("cpu-memory-0", "cpu-memory-#"),
        ("cpu-memory-31", "cpu-memory-#"),
    ],
)
def test_names_without_what_makes_them_many(name: str, short: str) -> None:
    assert bare(name) == short


def mutation(name: str, region: str) -> Mutation:
    some, other = Region("container", Kind.CONTAINER, 0x1000), Region(region, Kind.IO, 0x10)
    return {"add": ("add", some, 0, other, 1), "del": ("del", some, other)}.get(name, (name, other, 1)), ()


def test_each_change_is_told_once_with_each_reader() -> None:
    reads = PendingReads()
    changes = [mutation("add", "bar-1"), mutation("enabled", "smram")]
    reads.note("reader", False, changes, ("virtio-blk", "memory", 1))
    reads.note("reader", True, changes, ("virtio-blk", "memory", 9))
    changes.append(mutation("del", "bar-2"))
    reads.note("reader", False, changes, ("virtio-net", "memory", 1))
    facts = set(reads.facts())
    assert {fact[1:] for fact in facts if fact[0] == "read-while-call"} == {
        ("reader", "benign", "add"), ("reader", "benign", "enabled"), ("reader", "benign", "del"),
        ("reader", "harmful", "add"), ("reader", "harmful", "enabled"),
    }  # fmt: skip
    assert ("read-while-region", "reader", "benign", "bar-#") in facts
    assert ("read-by", "reader", "benign", "virtio-blk", "enabled", "smram") in facts
    assert ("read-by", "reader", "benign", "virtio-net", "del", "bar-#") in facts
    assert ("read-at-depth", "reader", "harmful", "4") in facts


def test_what_a_rebuild_has_shown_is_pending_no_more() -> None:
    reads = PendingReads()
    reads.note("early", False, [mutation("size", "old")], ("a", "memory", 1))
    reads.note("late", False, [mutation("add", "new")], ("a", "memory", 1))
    assert [fact[1:] for fact in reads.facts() if fact[0] == "read-while-region"] == [
        ("early", "benign", "old"),
        ("late", "benign", "new"),
    ]


def test_a_load_tells_its_reads_and_another_design_has_none(machine: Machine) -> None:
    outcomes = {}
    for name in ("per-device", "wrap-main"):
        outcomes[name] = load(machine, AFTER, DESIGNS[name]())
        machine.reset()
    assert outcomes["per-device"].situation.reads == ()
    facts = outcomes["wrap-main"].situation.reads
    assert {(fact[1], fact[2]) for fact in facts if fact[0] == "read-in"} == {
        ("cpu_physical_memory_read", "harmful"),
        ("virtio_init_region_cache", "benign"),
    }
    assert ("read-while-region", "virtio_init_region_cache", "benign", "pam-rom") in facts
    assert outcomes["per-device"].situation.registers == outcomes["wrap-main"].situation.registers


def test_registers_are_told_by_kind_and_only_where_a_section_brought_them(machine: Machine) -> None:
    assert machine.registers.facts() == ()
    load(machine, AFTER, DESIGNS["per-device"]())
    facts = machine.registers.facts()
    machine.reset()
    assert ("command", "virtio-blk", "imb") in facts
    assert ("command", "virtio-net", "im-") in facts
    assert ("bar", "virtio-blk", "1", "mapped") in facts
    assert facts == tuple(sorted(set(facts)))


def bar(space: str, size: int = 0x1000, slot: int = 0) -> Bar:
    region = Region("bar", Kind.IO, size)
    return Bar(BarEntry(slot, space, size, "bar"), region, region, 0)


ONES = (1 << 64) - 1


@pytest.mark.parametrize(
    ("space", "command", "value", "slot", "state"),
    [
        ("memory", 2, 0xFEB00000, 0, "mapped"),
        ("memory", 2, 0x9000, 0, "below 1M"),
        ("memory", 1, 0xFEB00000, 0, "command off"),
        ("io", 1, 0xC001, 0, "mapped"),
        ("io", 2, 0xC001, 0, "command off"),
        ("memory", 2, 0, 0, "at 0"),
        ("memory", 2, 0xFFFFF000, 0, "at the top"),
        ("memory64", 2, 0xFFFFF000, 0, "mapped"),
        ("memory64", 2, 1 << 33, 0, "above 4G"),
        ("memory64", 2, ONES & ~0xFFF, 0, "at the top"),
        ("memory", 2, 0xFEB00000, 6, "ROM off"),
        ("memory", 2, 0xFEB00001, 6, "mapped"),
    ],
)
def test_why_a_bar_is_not_mapped(space: str, command: int, value: int, slot: int, state: str) -> None:
    config = bytearray(0x100)
    config[4] = command
    one = bar(space, slot=slot)
    config[one.offset : one.offset + 8] = value.to_bytes(8, "little")
    assert bar_state(one, bytes(config)) == state
    assert (one.wanted(bytes(config)) is not None) == (state in {"mapped", "below 1M", "above 4G"})


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        (8, 8, "equal"),
        (7, 8, "below by one"),
        (9, 8, "above by one"),
        (0, 8, "below by some"),
        (24, 8, "above by many"),
        (-90, 8, "below by many"),
    ],
)
def test_distances_in_few_words(left: int, right: int, words: str) -> None:
    assert distance(left, right) == words


def test_a_check_tells_how_far_its_fields_are_from_it() -> None:
    schema = Schema("dev", 1, 1, fields=(Field("count", "uint32", 4), Field("most", "uint32", 4)))
    checks = (check("dev", "count > most", "most & 0xf0 == 0x10"),)
    watch = watch_for(schema, {"dev": checks})
    assert watch is not None
    watch.values |= {"count": 4, "most": 5}
    assert watch.distances() == (("dev", "count > most", "below by one"), ("dev", "most == 16", "below by many"))
    watch.values["count"] = 5
    assert watch.distances()[0] == ("dev", "count > most", "equal")
