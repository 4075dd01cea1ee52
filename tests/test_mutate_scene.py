"""The setting of mutations: what of a machine arms are told, and what every arm keeps to."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
import tiny
from mutants import machine, stream

from fuzz.mutate import ARMS, Dice, Scene
from fuzz.mutate.commands import wrap
from fuzz.work.build import SLACK, make_mutator
from model import from_json
from vmformat import Stream, StreamError, read, write

if TYPE_CHECKING:
    from fuzz.mutate import Arm

MACHINES = ("pc-small", "q35-virtio-iommu", "microvm-virtio", "virtio-zoo")


@cache
def scene(name: str) -> Scene:
    return make_mutator(machine(name).description, [write(stream(name))])._scene


@pytest.mark.parametrize("name", MACHINES)
def test_ram_is_the_block_that_the_machine_shows(name: str) -> None:
    places = scene(name).places
    description = machine(name).description
    rows = dict(machine(name).layout())["memory"]
    shown = next(row for row in rows if row[0] <= 0x1000 <= row[1])
    assert places.ram_block == shown[2]
    assert places.ram_block in {block.name for block in description.blocks}
    assert (places.below_4g, places.above_4g) == (description.below_4g, description.above_4g)


def test_without_a_name_that_tells_it_ram_is_the_largest_block() -> None:
    document = tiny.description()
    document["ram"]["blocks"].insert(0, {"name": "small", "length": "0x1000"})
    for region in document["regions"]:
        region["name"] = region["name"].replace("ram-below-4g", "ram")
    places = make_mutator(from_json(document), [])._scene.places
    assert (places.ram_block, places.below_4g, places.above_4g) == ("pc.ram", tiny.MIB, 0)


def test_functions_have_the_bars_and_masks_of_the_description() -> None:
    description, found = machine("pc-small").description, scene("pc-small")
    assert [name for name, _ in found.functions] == [entry.function for entry in description.functions]
    for entry in description.functions:
        slots = {bar.slot: bar.size for bar in entry.bars}
        assert dict(found.functions)[entry.function] == tuple(slots)
        assert found.bars[entry.function] == slots
        assert found.masks[entry.function] == (entry.writable, entry.compare)


def test_donors_are_the_seeds_that_can_be_read_and_mutants_may_be_twice_as_long() -> None:
    seed = write(stream("pc-small"))
    found = make_mutator(machine("pc-small").description, [b"no stream", seed, seed[:40]])._scene
    assert [write(donor) for donor in found.donors] == [seed]
    assert found.max_size == 2 * len(seed) + SLACK
    assert make_mutator(machine("pc-small").description, [seed], 5000)._scene.max_size == 5000
    assert make_mutator(machine("pc-small").description, [])._scene.max_size > 4096


@cache
def sources(name: str) -> tuple[Stream, ...]:
    """The machine's stream, one with a package, one whose payloads are cut in half, and some with next to nothing."""
    whole = stream(name)
    packed = next(one for seed in range(50) if (one := wrap(whole, Dice(seed), scene(name))) is not None)
    halves = [one.replace_payload(one.payload[: len(one.payload) // 2]) for one in whole.sections[:12]]
    return (whole, packed, whole.with_records(halves), whole.with_records(()), whole.with_records(whole.records[-1:]))


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_never_changes_its_argument_and_raises_nothing_else(name: str) -> None:
    """What does not decode may be a StreamError; the dice decide all."""
    arm: Arm = ARMS[name][0]
    for source in sources("pc-small"):
        before = [id(record) for record in source.records]
        payloads = [getattr(record, "payload", b"") for record in source.records]
        for seed in range(8):
            one, same = (came_to(arm, source, seed) for _ in range(2))
            assert one == same
        assert [id(record) for record in source.records] == before
        assert [getattr(record, "payload", b"") for record in source.records] == payloads


def came_to(arm: Arm, source: Stream, seed: int) -> object:
    try:
        made = arm(source, Dice(seed), scene("pc-small"))
    except StreamError:
        return "does not decode"
    assert made is None or isinstance(made, Stream)
    return made


ON = {"pci-window": "q35-modern", "picture": "virtio-zoo", "request": "virtio-zoo"}


@pytest.mark.parametrize("name", ARMS)
def test_each_arm_changes_a_stream_of_some_machine(name: str) -> None:
    where = ON.get(name, "pc-small")
    source = sources(where)[name == "unwrap"]
    assert any(
        made is not None and made.records != source.records
        for seed in range(100)
        if (made := ARMS[name][0](source, Dice(seed), scene(where))) or True
    )


def test_an_empty_scene_is_one() -> None:
    source = read(tiny.HEADER + tiny.timer() + tiny.EOF)
    for name, (arm, _) in ARMS.items():
        for seed in range(5):
            made = arm(source, Dice(seed), Scene())
            assert made is None or isinstance(made, Stream), name
