"""The law: a worker's memory does not grow beyond its corpus's own. Entries of caches are counted, after mutants of few
inputs and of hostile ones; nothing here measures a process."""

from __future__ import annotations

import random
from pathlib import Path
from sys import modules
from typing import TYPE_CHECKING

from fuzz.mutate.hostile import FAMILIES
from fuzz.programs import Stage, decode, run, seed_inputs
from fuzz.programs.worlds import WORLDS
from fuzz.targets.stream import StreamTarget
from fuzz.work.build import Destination, make_mutator, read_description
from model import REFERENCE, walks
from model.memory import memory as memory_core
from model.memory import pieces, publishing
from vmformat import read
from vmformat._layout import compile as compiling

if TYPE_CHECKING:
    import pytest

    from fuzz.mutate.mutator import Mutator

finding = modules["vmformat.leaves"]
CORPUS = Path(__file__).resolve().parent.parent / "corpus"


def the_mutator() -> tuple[Mutator, list[bytes]]:
    seeds = [path.read_bytes() for path in sorted((CORPUS / "seeds" / "pc-small").glob("*.vmstate"))]
    description = read_description(CORPUS / "machines" / "pc-small.json")
    return make_mutator(description, seeds, schedules=True), seeds


def test_a_payload_with_more_leaves_than_all_may_have_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MOST_LEAVES", 1000)
    for size in (50, 100, 200, 2000, 60):
        for section in read(FAMILIES["array_that_varies"](size)).sections:
            assert len(section.leaves) >= size
            assert ("_leaves" in section.__dict__) == (len(section.leaves) <= 256)
    kept = [len(found) for _, found in finding._KNOWN.values()]
    assert kept
    assert finding._KEPT[0] == sum(kept) <= 1000


def test_layouts_of_schemas_that_streams_bring_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "MOST_FIELDS", 500)
    for size in range(20, 60):
        for section in read(FAMILIES["described_fields"](size), tolerant=True).sections:
            section.decoded()
    fields = sum(1 + len(schema.fields) for schema, _ in compiling._LAYOUTS.values())
    assert compiling._FIELDS[0] == fields <= 500 + 100


def test_a_machine_keeps_no_more_after_many_mutants_than_after_few() -> None:
    mutator, seeds = the_mutator()
    destination = Destination(read_description(CORPUS / "machines" / "pc-small.json"))
    target = StreamTarget(lambda: destination, REFERENCE, [])
    dice = random.Random(2)
    machine, memory = destination.machine, destination.machine.memory
    pristine = {region: set(spaces) for region, spaces in memory._watch.items()}
    for _ in range(60):
        target.run(mutator.mutate(dice.choice(seeds), mutator.max_size, dice.getrandbits(31)))
        assert memory._watch == pristine
        assert not machine.process
        assert not memory._journal
    assert len(machine._bounds) <= 5
    nodes = [memory._node]
    for node in nodes:
        nodes += node.nexts.values()
        assert node.published is None or len(node.published.heard) <= publishing._MOST
        assert all(len(view.kept.pieces or ()) <= pieces._MOST for view in node.contents.values())
    assert len(nodes) <= memory_core._MAX_NODES
    assert machine.walks._cost <= walks.MOST_BYTES


def test_a_world_of_programs_watches_after_a_program_what_it_watched_before() -> None:
    for name, world in WORLDS.items():
        stage = Stage(world)
        before = {region: set(spaces) for region, spaces in stage.memory._watch.items()}
        for data in seed_inputs():
            program = decode(data)
            if program.world == name:
                stage.memory.forget()
                run(stage, program, REFERENCE())
                assert stage.memory._watch == before
