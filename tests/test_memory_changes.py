"""Spans of changes: merging, giving up, and that remembered renderings are found again."""

from __future__ import annotations

import random
from typing import Any

import pytest

from model.memory import T64, Kind, Memory, Region, changes, rendering
from model.memory.reference import reference_render

IO = Kind.IO


@pytest.mark.parametrize(
    ("spans", "merged"),
    [
        pytest.param([], [], id="none"),
        pytest.param([(5, 9), (1, 3)], [(1, 3), (5, 9)], id="apart"),
        pytest.param([(1, 3), (3, 4)], [(1, 4)], id="touching"),
        pytest.param([(1, 9), (2, 3), (4, 12)], [(1, 12)], id="overlapping"),
    ],
)
def test_merge(spans: list[tuple[int, int]], merged: list[tuple[int, int]]) -> None:
    assert changes.merge(set(spans)) == merged


class Counted:
    """Counts renderings: whole, patched, and with nothing to do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[int | None] = []
        genuine = rendering.render

        def render(root: Region, old: object = None, spans: list[tuple[int, int]] | None = None) -> object:
            self.calls.append(None if spans is None else len(spans))
            return genuine(root, old, spans)  # type: ignore[arg-type]

        monkeypatch.setattr(rendering, "render", render)


def board() -> tuple[Memory, Region, list[Region]]:
    m = Memory()
    root = Region("root", Kind.CONTAINER, T64)
    leaves = [Region(f"r{i}", IO, 0x100) for i in range(20)]
    for i, leaf in enumerate(leaves):
        m.add_subregion(root, i * 0x1000, leaf)
    m.add_space("memory", root)
    return m, root, leaves


def test_one_change_is_patched_and_many_are_rendered_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    m, root, leaves = board()
    counted = Counted(monkeypatch)
    m.set_enabled(leaves[3], False)
    m.set_size(Region("orphan", IO, 1), 2)
    m.begin()
    for leaf in leaves:
        m.set_enabled(leaf, not leaf.enabled)
    m.commit()
    assert counted.calls == [1, 0, None]
    assert reference_render(root).same_content(m.spaces[0].current)


def test_the_same_mutations_find_the_same_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    m, _, leaves = board()
    m.checkpoint()
    counted = Counted(monkeypatch)
    views = []
    for _ in range(3):
        m.set_address(leaves[0], 0x100000)
        m.set_enabled(leaves[1], False)
        views.append(m.spaces[0].current)
        m.rollback()
    assert counted.calls == [2, 1]
    assert views[0] is not views[1]
    assert views[0].starts is views[1].starts


def test_another_way_to_batch_finds_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    m, _, leaves = board()
    m.checkpoint()
    m.set_address(leaves[0], 0x100000)
    m.set_enabled(leaves[1], False)
    m.rollback()
    counted = Counted(monkeypatch)
    m.begin()
    m.set_address(leaves[0], 0x100000)
    assert m.fresh_view(m.spaces[0]).text() == m.fresh_view(m.spaces[0]).text()
    m.set_enabled(leaves[1], False)
    m.commit()
    assert counted.calls == []


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.memory.memory._MAX_NODES", 50)
    monkeypatch.setattr("model.memory.memory._MAX_CONTENTS", 20)
    m, root, leaves = board()
    m.checkpoint()
    for turn in range(30):
        for i in range(7):
            m.set_address(leaves[i], 0x100000 + turn * 0x10000 + i * 0x800)
            assert reference_render(root).same_content(m.spaces[0].current)
        m.rollback()
        assert m._nodes <= 50
        assert m._contents <= 20


def test_what_others_came_by_again_outlives_a_pruning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.memory.memory._MAX_NODES", 40)
    m, root, leaves = board()
    m.checkpoint()
    counted = Counted(monkeypatch)
    for turn in range(60):
        if turn % 3 == 0:  # the stream that all the others come from
            before = len(counted.calls)
            m.set_address(leaves[0], 0x200000)
            m.set_enabled(leaves[1], False)
            assert reference_render(root).same_content(m.spaces[0].current)
            assert turn < 3 or len(counted.calls) == before
            m.rollback()
        calls = len(counted.calls)
        m.set_address(leaves[0], 0x100000 + turn * 0x800)
        m.set_enabled(leaves[2], False)
        assert reference_render(root).same_content(m.spaces[0].current)
        assert len(counted.calls) > calls
        m.rollback()
        assert m._nodes <= 40


def test_a_rendering_without_lists_of_its_own_takes_no_room() -> None:
    m, _, leaves = board()
    m.checkpoint()
    before = m.spaces[0].current
    m.set_size(Region("orphan", Kind.IO, 1), 2)
    assert m.spaces[0].current is not before
    assert m.spaces[0].current.kept is before.kept
    assert m._contents == 0
    m.set_address(leaves[0], 0x200000)
    assert m._contents == 1


def windows(dice: random.Random) -> tuple[Memory, list[Region], list[Region]]:
    """Buses behind windows that may overlap, shown again by a second space, and devices with parts of their own."""
    m = Memory()
    system, ports = Region("system", Kind.CONTAINER, T64), Region("ports", IO, 0x10000)
    top = Region("top", Kind.CONTAINER, T64)
    buses = [Region(f"bus{i}", Kind.CONTAINER, T64, readonly=i == 2) for i in range(3)]
    shown = [Region(f"w{i}", Kind.ALIAS, 0x8000, alias=buses[i], alias_offset=0x8000 * i) for i in range(3)]
    m.add_subregion(top, 0, Region("all", Kind.ALIAS, T64, alias=system))
    m.add_subregion(top, 0x1000, Region("over", IO, 0x800), 1)
    for i, window in enumerate(shown):
        m.add_subregion((system, system, buses[0])[i], 0x8000 * i, window, dice.randrange(2))
    devices = []
    for i in range(6):
        device = Region(f"d{i}", Kind.CONTAINER if i % 2 else IO, 0x2000)
        m.add_subregion(device, 0x800, Region(f"part{i}", Kind.RAM if i == 3 else IO, 0x400))
        devices.append(device)
    m.add_space("memory", system)
    m.add_space("cpu", top)
    m.add_space("I/O", ports)
    m.checkpoint()
    return m, [*buses, system, ports], [*devices, *shown]


@pytest.mark.parametrize("seed", range(30))
def test_what_is_found_along_the_ways_is_all_there_is(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)
    m, containers, movable = windows(dice)
    along, sound = 0, rendering._walk_along

    def counting(*given: Any) -> None:
        nonlocal along
        along += 1
        sound(*given)

    monkeypatch.setattr(rendering, "_walk_along", counting)
    for _ in range(12):
        for _ in range(12):
            m.begin()
            for _ in range(dice.choice((1, 1, 2, 3))):
                one = dice.choice(movable)
                what = dice.randrange(6)
                if what == 0:
                    m.set_enabled(one, not one.enabled)
                elif what == 1:
                    m.set_size(one, dice.choice((0, 0x1800, 0x2000, 0x8000)))
                elif what == 2 and one.alias is not None:
                    m.set_alias_offset(one, dice.randrange(0, 0x10000, 0x800))
                elif one.container is not None:
                    m.del_subregion(one.container, one)
                elif one.alias is None or what > 3:
                    container = containers[3] if one.alias is not None else dice.choice(containers)
                    m.add_subregion(container, dice.randrange(0, 0x18000, 0x800), one, dice.randrange(3))
            m.commit()
            for space in m.spaces:
                root = space.resolved
                assert root is None or reference_render(root).same_content(space.current)
        m.rollback()
    assert along > 20


def test_who_remembers_nothing_looks_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    m, root, leaves = board()
    monkeypatch.setattr(rendering, "_walk_along", None)
    m.remembers = False
    m.set_address(leaves[3], 0x100000)
    assert reference_render(root).same_content(m.spaces[0].current)
    m.remembers = True
    with pytest.raises(TypeError):
        m.set_address(leaves[3], 0x200000)
