"""The patterns of past loader bugs as arms: each makes what its number says, of real streams, and most of it parses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fuzz.mutate import ARMS, Dice
from fuzz.mutate.index import index_of, read_leaf
from fuzz.mutate.meaning import capacities, means
from fuzz.mutate.patterns import capacity, signed, units
from fuzz.work.build import make_mutator, read_description
from model import section_schemas
from vmformat import Section, StreamError, read, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.mutate import Arm, Scene
    from fuzz.mutate.index import Index
    from vmformat import Stream

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
DESCRIPTION = read_description(CORPUS / "machines" / "pc-small.json")
SCHEMAS = section_schemas(DESCRIPTION)
SEED = (CORPUS / "seeds" / "pc-small" / "after.vmstate").read_bytes()


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_mutator(DESCRIPTION, [SEED])._scene


@pytest.fixture(scope="module")
def stream(scene: Scene) -> Stream:
    return scene.donors[0]


def section(stream: Stream, end: str) -> Section:
    return next(section for section in stream.sections if section.name.endswith(end))


def index(found: Section) -> Index:
    known = index_of(found)
    assert known is not None
    return known


def changes(arm: Arm, stream: Stream, scene: Scene, number: int = 60) -> Iterator[tuple[Section, Section]]:
    """Sections that an arm altered where they stand, before and after."""
    for seed in range(number):
        mutant = arm(stream, Dice(seed), scene)
        if mutant is not None and len(mutant.records) == len(stream.records):
            for old, new in zip(stream.sections, mutant.sections, strict=True):
                if old is not new:
                    yield old, new


def values(found: Section, known: Index) -> dict[str, int]:
    leaves = {pattern: places[0].element(0) for pattern, places in known.places.items()}
    return {pattern: read_leaf(found, leaf) for pattern, leaf in leaves.items() if leaf.size in {1, 2, 4, 8}}


def test_all_thirteen_have_an_arm_that_is_called_after_them() -> None:
    numbers = {name.partition("-")[0] for name in ARMS if name[0].isdigit()}
    assert numbers == {str(number) for number in range(1, 14)}


@pytest.mark.parametrize("name", [name for name in ARMS if name[0].isdigit()])
def test_most_of_what_they_make_parses(name: str, stream: Stream, scene: Scene) -> None:
    made = [mutant for seed in range(30) if (mutant := ARMS[name][0](stream, Dice(seed), scene)) is not None]
    assert len(made) >= 10
    parsed = 0
    for mutant in made:
        try:
            read(write(mutant), SCHEMAS)
        except StreamError:
            continue
        parsed += 1
    assert parsed >= 0.7 * len(made)


@pytest.mark.parametrize("arm", [capacity, signed, units])
def test_counts_and_indices_are_what_is_altered(arm: Arm, stream: Stream, scene: Scene) -> None:
    seen = 0
    for old, new in changes(arm, stream, scene):
        before, after = values(old, index(old)), values(new, index(old))
        meant = {pattern for meaning in ("count", "index") for pattern in means(index(old)).get(meaning, ())}
        altered = {pattern for pattern in before if before[pattern] != after.get(pattern)}
        assert altered <= meant
        seen += len(altered)
    assert seen > 10


def test_names_tell_what_a_field_is_for_and_what_it_has_room_for(stream: Stream) -> None:
    keys = index(section(stream, "ps2kbd"))
    assert set(means(keys)["index"]) >= {"parent_obj.queue.rptr", "parent_obj.queue.wptr"}
    assert "parent_obj.queue.count" in means(keys)["count"]
    assert capacities(keys)["parent_obj.queue.rptr"] == (256,)
    hpet = index(section(stream, "hpet"))
    assert "num_timers" in means(hpet)["count"]
    assert capacities(hpet)["num_timers"] == (3,)
    assert "virtio.queues.queue[].desc" in means(index(section(stream, "virtio-net")))["address"]
