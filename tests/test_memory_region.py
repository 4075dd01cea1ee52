"""Regions: sibling order, types, resolving a view's root."""

from __future__ import annotations

import pytest

from model.memory import T64, Kind, Memory, Region
from model.memory.region import insert, view_root, whole_size

C, IO, RAM, A = Kind.CONTAINER, Kind.IO, Kind.RAM, Kind.ALIAS


def region(name: str, priority: int) -> Region:
    made = Region(name, IO, 1)
    made.priority = priority
    return made


def test_insert_before_the_first_of_lower_or_equal_priority() -> None:
    siblings: list[Region] = []
    for name, priority in (("a", 0), ("b", 1), ("c", 0), ("d", -1), ("e", 1), ("f", -2)):
        siblings = insert(siblings, region(name, priority))
    assert "".join(r.name for r in siblings) == "ebcadf"


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (T64 - 1, T64), (T64, T64), (T64 - 2, T64 - 2)])
def test_whole_size(size: int, expected: int) -> None:
    assert whole_size(size) == expected


@pytest.mark.parametrize("size", [-1, T64 + 1])
def test_impossible_size(size: int) -> None:
    with pytest.raises(ValueError, match="not in"):
        whole_size(size)


def test_kind_and_target_belong_together() -> None:
    with pytest.raises(ValueError, match="alias"):
        Region("x", A, 1)
    with pytest.raises(ValueError, match="alias"):
        Region("x", IO, 1, alias=Region("y", IO, 1))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (C, "i/o"),
        (IO, "i/o"),
        (RAM, "ram"),
        (Kind.ROM, "rom"),
        (Kind.ROMD, "romd"),
        (Kind.RAMD, "ramd"),
        (Kind.IOMMU, "i/o"),
    ],
)
def test_type_text(kind: Kind, text: str) -> None:
    made = Region("x", kind, 1)
    assert made.type_text == text
    assert Region("y", A, 1, alias=Region("z", A, 1, alias=made)).type_text == text


def test_type_text_follows_live_flags() -> None:
    m = Memory()
    flash, ram = Region("f", Kind.ROMD, 1), Region("m", RAM, 1)
    m.set_romd(flash, False)
    m.set_readonly(ram, True)
    assert (flash.type_text, ram.type_text) == ("i/o", "rom")


def test_view_root() -> None:
    m = Memory()
    system = Region("system", C, T64)
    m.add_subregion(system, 0, Region("a", RAM, 8))
    m.add_subregion(system, 8, Region("b", RAM, 8))
    assert view_root(system) is system
    whole = Region("whole", A, T64, alias=system)
    assert view_root(whole) is system
    assert view_root(shifted := Region("shifted", A, T64, alias=system, alias_offset=1)) is shifted
    shorter = Region("shorter", A, T64 - 2, alias=system)
    assert view_root(shorter) is shorter
    container = Region("container", C, T64)
    assert view_root(container) is None
    m.add_subregion(container, 0, whole)
    assert view_root(container) is system
    m.add_subregion(container, 0x100, Region("off", RAM, 8, enabled=False))
    assert view_root(container) is system
    m.set_address(whole, 0x10)
    assert view_root(container) is container
    m.set_enabled(container, False)
    assert view_root(container) is None
    io = Region("io", IO, 0x10000)
    assert view_root(io) is io
