"""Test vectors of memory.md 3.5 and the edge cases of 3.2, for the fast renderer and for the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from model.memory import T64, FlatView, Kind, Memory, MemoryAbort, Region
from model.memory.reference import reference_render
from model.memory.rendering import render, sections_needed

if TYPE_CHECKING:
    from collections.abc import Callable

C, IO, RAM, A = Kind.CONTAINER, Kind.IO, Kind.RAM, Kind.ALIAS


@pytest.fixture(params=[render, reference_render], ids=["fast", "reference"])
def draw(request: pytest.FixtureRequest) -> Callable[[Region], FlatView]:
    return request.param  # type: ignore[no-any-return]


def build(memory: Memory, parent: Region, *children: tuple[Region, int, int]) -> Region:
    for child, offset, priority in children:
        memory.add_subregion(parent, offset, child, priority)
    return parent


def test_priorities_and_containers(draw: Callable[[Region], FlatView]) -> None:
    m = Memory()
    b = build(m, Region("B", C, 0x4000), (Region("D", IO, 0x1000), 0, 0), (Region("E", IO, 0x1000), 0x2000, 0))
    a = build(m, Region("A", C, 0x8000), (b, 0x2000, 2), (Region("c", IO, 0x6000), 0, 1))
    assert draw(a).text() == "c 0+2000 | D 2000+1000 | c(off 3000) 3000+1000 | E 4000+1000 | c(off 5000) 5000+1000"


def test_last_added_wins_and_moving_adds_again(draw: Callable[[Region], FlatView]) -> None:
    m = Memory()
    a, b = Region("a", IO, 0x1000), Region("b", IO, 0x1000)
    r = build(m, Region("r", C, 0x10000), (a, 0, 0), (b, 0x800, 0))
    assert draw(r).text() == "a 0+800 | b 800+1000"
    m.set_address(a, 0x100)
    assert draw(r).text() == "a 100+1000 | b(off 900) 1100+700"
    m.set_size(b, 0x900)
    assert draw(r).text() == "a 100+1000"


def test_a_terminating_region_is_its_own_background(draw: Callable[[Region], FlatView]) -> None:
    m = Memory()
    r = build(m, Region("bg", IO, 0x1000), (Region("ch", IO, 0x100), 0x100, 0), (Region("over", IO, 0x100), 0xF80, 0))
    assert draw(r).text() == "bg 0+100 | ch 100+100 | bg(off 200) 200+d80 | over f80+80"


def test_adjacent_aliases_fuse_unless_flags_differ(draw: Callable[[Region], FlatView]) -> None:
    m = Memory()
    ram = Region("m", RAM, 0x4000)
    root = Region("root", C, 0x10000)
    for at, offset, readonly in (
        (0, 0, 0),
        (0x1000, 0x1000, 0),
        (0x2000, 0x2000, 1),
        (0x3000, 0x3000, 0),
        (0x4000, 0, 0),
    ):
        alias = Region("p", A, 0x1000, alias=ram, alias_offset=offset, readonly=bool(readonly))
        m.add_subregion(root, at, alias)
    assert draw(root).text() == "m 0+2000 | m(off 2000) 2000+1000 ro | m(off 3000) 3000+1000 | m 4000+1000"


def test_alias_of_alias(draw: Callable[[Region], FlatView]) -> None:
    m = Memory()
    tg = build(
        m, Region("tg", C, 0x10000), (Region("t1", IO, 0x1000), 0x1000, 0), (Region("t3", IO, 0x1000), 0x3000, 0)
    )
    n1 = Region("n1", A, 0x3000, alias=tg, alias_offset=0x800)
    n2 = Region("n2", A, 0x2000, alias=n1, alias_offset=0x400)
    root = build(m, Region("root", C, 0x100000), (n2, 0x50000, 0))
    assert draw(root).text() == "t1 50400+1000"
    m.add_subregion(Region("elsewhere", C, 0x100000), 0x7000, n1)
    assert draw(root).text() == "t1 50400+1000"


def test_readonly_is_inherited_through_containers(draw: Callable[[Region], FlatView]) -> None:
    m = Memory()
    inner = build(m, Region("in", C, 0x1000, readonly=True), (Region("rw", RAM, 0x1000), 0, 0))
    root = build(m, Region("rc", C, 0x10000), (inner, 0x2000, 0), (Region("x", IO, 4), 0x8000, 0))
    assert draw(root).text() == "rw 2000+1000 ro | x 8000+4"


@pytest.mark.parametrize(
    ("offset", "size", "alias_offset", "expected"),
    [
        pytest.param(T64 - 0x1000, 0x2000, 0, "m fffffffffffff000+1000", id="clipped at the top"),
        pytest.param(0, 0x8000, 0, "m 0+4000", id="alias longer than its target"),
        pytest.param(0, 0x4000, T64 - 0x1000, "", id="huge offset does not wrap"),
        pytest.param(0, 0, 0, "", id="size 0"),
        pytest.param(0x1000, T64, 0x1000, "m(off 1000) 1000+3000", id="offset in the middle"),
    ],
)
def test_alias_edges(
    draw: Callable[[Region], FlatView], offset: int, size: int, alias_offset: int, expected: str
) -> None:
    m = Memory()
    alias = Region("a", A, size, alias=Region("m", RAM, 0x4000), alias_offset=alias_offset)
    root = build(m, Region("root", C, T64), (alias, offset, 0))
    assert draw(root).text() == expected


def test_disabled_target_shows_nothing(draw: Callable[[Region], FlatView]) -> None:
    m = Memory()
    ram = Region("m", RAM, 0x4000, enabled=False)
    root = build(m, Region("root", C, T64), (Region("a", A, 0x4000, alias=ram), 0, 0))
    assert draw(root).text() == ""


def test_everything_under_everything_aborts(draw: Callable[[Region], FlatView]) -> None:
    m = Memory()
    root = build(m, Region("root", C, T64), (Region("below", IO, T64), 0, 0))
    assert draw(root).text() == f"below 0+{T64:x}"
    m.add_subregion(root, 0, Region("above", IO, T64), 1)
    with pytest.raises(MemoryAbort):
        draw(root)


def test_a_root_is_rendered_at_its_own_address(draw: Callable[[Region], FlatView]) -> None:
    m = Memory()
    ram = Region("m", RAM, 0x1000)
    build(m, Region("root", C, T64), (ram, 0x5000, 0))
    assert draw(ram).text() == "m 5000+1000"


@pytest.mark.parametrize(
    ("count", "start", "stride", "size", "sections"),
    [
        pytest.param(4095, 0, 0x2000, 0x1000, 4096, id="whole pages, the limit"),
        pytest.param(2047, 0, 0x1000, 4, 4095, id="lone sub-page ranges, the limit"),
        pytest.param(1, 0x800, 0x10000, 0x2000, 1 + 3 + 2, id="head, body and tail"),
        pytest.param(1, 0x800, 0x10000, 0x1000, 1 + 2 + 2, id="head and tail"),
        pytest.param(3, 0, 4, 4, 1 + 3 + 1, id="three in a page"),
    ],
)
def test_sections(count: int, start: int, stride: int, size: int, sections: int) -> None:
    m = Memory()
    root = Region("root", C, T64)
    for i in range(count):
        m.add_subregion(root, start + i * stride, Region(f"r{i}", IO, size))
    assert sections_needed(render(root)) == sections
    if sections >= 4095:
        m.add_subregion(root, 1 << 40, Region("one too many", IO, size))
        with pytest.raises(MemoryAbort):
            render(root)


def test_a_patch_sees_everything_under_everything() -> None:
    m = Memory()
    root = build(m, Region("root", C, T64), (Region("below", IO, T64), 0, 0), (Region("x", IO, 8), 0, 1))
    space = m.add_space("memory", root)
    above = Region("above", IO, T64 - 2)
    m.add_subregion(root, 0, above, 2)
    m.set_size(above, 8)
    assert space.current.text() == f"above 0+8 | below(off 8) 8+{T64 - 8:x}"
    m.begin()
    m.set_size(above, T64 - 2)
    m.set_size(above, T64)
    with pytest.raises(MemoryAbort):
        m.commit()


def test_a_patch_next_to_everything_under_everything_aborts_too() -> None:
    m = Memory()
    inner = build(m, Region("inner", C, T64 - 2), (Region("below", IO, T64), 0, 0))
    root = build(m, Region("root", C, T64), (Region("above", IO, T64), 0, 1), (inner, 0, 0))
    space = m.add_space("memory", root)
    assert space.current.text() == f"above 0+{T64:x}"
    with pytest.raises(MemoryAbort):
        m.set_size(inner, T64)
