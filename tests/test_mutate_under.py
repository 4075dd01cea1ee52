"""Memory under a ring changes behind the section that has the ring: by the chipset, a BAR, the function itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mutants import leaf_of, stream

from fuzz.mutate import Dice
from fuzz.mutate.index import read_leaf
from fuzz.mutate.registers import config_of, get
from fuzz.mutate.under import under
from fuzz.work.build import make_mutator, read_description
from model import REFERENCE, Machine, load
from vmformat import Section, write

if TYPE_CHECKING:
    from fuzz.mutate import Scene
    from vmformat import Stream

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
DESCRIPTION = read_description(CORPUS / "machines" / "pc-small.json")
SPREAD = 0x51ED2701
"""Throws of neighbouring seeds are alike in the beginning."""
DISK = "0000:00:02.0/virtio-blk"


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_mutator(DESCRIPTION, [write(stream("pc-small"))])._scene


def changed(made: Stream) -> list[tuple[str, bool]]:
    """Sections that are new: their names, and whether they stand behind the disk's."""
    old = set(stream("pc-small").sections)
    places = [section.name for section in made.sections]
    behind = places.index(DISK)
    return [(one.name, at > behind) for at, one in enumerate(made.sections) if one not in old]


def test_what_is_changed_under_it_comes_behind_it(scene: Scene) -> None:
    kinds: set[str] = set()
    for seed in range(600):
        made = under(stream("pc-small"), Dice(seed * SPREAD), scene)
        if made is None:
            continue
        by_others = {name for name, is_behind in changed(made) if is_behind and not name.startswith(DISK)}
        again = [section.name for section in made.sections].count(DISK) == 2
        assert by_others or again or "virtio-net" in str(changed(made))
        kinds |= {name.rpartition("/")[2] for name in by_others} | ({"itself"} if again else set())
    assert {"I440FX", "virtio-net", "itself"} <= kinds


def test_a_bar_covers_a_part_of_the_ring(scene: Scene) -> None:
    source = stream("pc-small")
    disk = source.section(DISK)
    assert disk is not None
    desc = read_leaf(disk, leaf_of(disk, "queue[0].desc"))
    bars = set()
    for seed in range(600):
        made = under(source, Dice(seed * SPREAD), scene)
        for section in made.sections if made is not None else ():
            config = config_of(section)
            if section.name.endswith("/virtio-net") and config is not None:
                bars.add(get(section, config, 0x14, 4) & ~0xFFF)
    assert desc in bars
    assert desc + 0x2000 in bars, "the used ring, which is a page of its own"


def test_loads_of_such_streams_end_and_many_change_what_is_cached(scene: Scene) -> None:
    machine, verdicts = Machine(DESCRIPTION), []
    for seed in range(40):
        made = under(stream("pc-small"), Dice(seed * SPREAD), scene)
        if made is not None:
            verdicts.append(load(machine, write(made), REFERENCE()).verdict)
            machine.reset()
    assert verdicts.count("accepted") > len(verdicts) // 2 > 10


def test_a_stream_without_rings_is_left_alone(scene: Scene) -> None:
    source = stream("pc-small")
    bare = source.with_records(one for one in source.records if not (isinstance(one, Section) and "virtio" in one.name))
    assert under(bare, Dice(1), scene) is None
