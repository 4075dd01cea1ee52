"""Spans of changes: merging, giving up, and that remembered renderings are found again."""

from __future__ import annotations

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
