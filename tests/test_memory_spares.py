"""Regions made at run time come again after a rollback, and trees with them are known."""

from __future__ import annotations

import pytest

from model.memory import T64, Kind, Memory, Region, spares


def board() -> tuple[Memory, Region, Region]:
    memory = Memory()
    root, ram = Region("root", Kind.CONTAINER, T64), Region("ram", Kind.RAM, 0x4000)
    memory.add_space("memory", root)
    memory.add_subregion(root, 0, ram)
    memory.add_subregion(root, 0x100000, Region("io", Kind.IO, 1))
    memory.checkpoint()
    return memory, root, ram


def test_the_same_one_comes_again_as_it_was_made() -> None:
    memory, root, ram = board()
    made = []
    for _ in range(3):
        alias = memory.create("rom", Kind.ALIAS, 0x1000, alias=ram, alias_offset=0x800)
        assert (alias.container, alias.addr, alias.enabled, alias.size) == (None, 0, True, 0x1000)
        assert ram.aliases == [alias]
        memory.add_subregion(root, 0x8000, alias, 3)
        memory.set_size(alias, 0x800)
        made.append(alias)
        memory.rollback()
        assert ram.aliases == []
    assert made[0] is made[1] is made[2]


def test_two_in_one_run_are_two() -> None:
    memory, _, ram = board()
    pairs = []
    for _ in range(2):
        pairs.append([memory.create("rom", Kind.ALIAS, 0x1000, alias=ram) for _ in range(2)])
        assert ram.aliases == pairs[-1]
        memory.rollback()
    assert pairs[0][0] is not pairs[0][1]
    assert set(pairs[0]) == set(pairs[1])


def test_another_is_made_for_who_asks_for_another() -> None:
    memory, _, ram = board()
    first = memory.create("rom", Kind.ALIAS, 0x1000, alias=ram)
    memory.rollback()
    assert memory.create("rom", Kind.ALIAS, 0x1000, alias=ram, alias_offset=1) is not first
    assert memory.create("rom", Kind.ALIAS, 0x2000, alias=ram) is not first
    with pytest.raises(ValueError, match="without an alias target"):
        memory.create("rom", Kind.ALIAS, 0x1000)


def test_who_remembers_nothing_gets_a_new_one() -> None:
    memory, _, ram = board()
    memory.remembers = False
    first = memory.create("rom", Kind.ALIAS, 0x1000, alias=ram)
    memory.rollback()
    assert memory.create("rom", Kind.ALIAS, 0x1000, alias=ram) is not first


def test_a_known_tree_is_found_again() -> None:
    memory, root, ram = board()
    views = []
    for _ in range(2):
        memory.add_subregion(root, 0x8000, memory.create("rom", Kind.ALIAS, 0x1000, alias=ram))
        views.append(memory.spaces[0].current)
        memory.rollback()
    assert views[0] is not views[1]
    assert views[0].starts is views[1].starts


def test_they_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares, "MOST", 10)
    memory, _, ram = board()
    for number in range(40):
        memory.create("rom", Kind.ALIAS, 0x1000, alias=ram, alias_offset=number)
        memory.rollback()
        assert sum(map(len, memory._spares._waiting.values())) <= 10
