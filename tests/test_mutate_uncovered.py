"""A BAR among the shadow ranges is seen there: where each trial puts it, the machine shows it once it has loaded."""

from __future__ import annotations

import pytest
from mutants import machine, stream

from fuzz.corpus import find_machine
from fuzz.mutate.scene import Scene
from fuzz.mutate.uncovered import trials_of_uncovered
from fuzz.work.build import read_description
from model import REFERENCE, load
from vmformat import write


def scene(name: str) -> Scene:
    functions = read_description(find_machine(name).description).functions
    return Scene(bars={entry.function: {bar.slot: bar.size for bar in entry.bars} for entry in functions})


@pytest.mark.parametrize("name", ["pc-small", "q35-modern"])
def test_what_is_put_there_is_shown(name: str) -> None:
    source, target = stream(name), machine(name)
    found = [*trials_of_uncovered(source, scene(name))]
    assert len(found) == len(dict(found)) >= 6
    for what, change in found:
        address = int(what.rpartition(":")[2], 16)
        made = change(source)
        assert made is not None
        assert load(target, write(made), REFERENCE()).verdict == "accepted"
        try:
            seen = [one.region.block for one in target.memory_space.current if one.start == address]
        finally:
            target.reset()
        assert seen == [""], what


def test_without_shadow_ranges_there_is_nothing_to_uncover() -> None:
    assert not [*trials_of_uncovered(stream("microvm-virtio"), scene("microvm-virtio"))]
