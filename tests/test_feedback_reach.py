"""How far a search got: layouts are counted without their addresses, facts each once."""

from __future__ import annotations

import json

from fuzz.feedback.reach import Counted, Reach

RAM = (0, 0xFFF, "ram", 0, False, "pc.ram")
ROM = (0x1000, 0x1FFF, "ram", 0x1000, True, "pc.ram")
MOVED = (0x8000, 0x8FFF, "ram", 0, False, "pc.ram")
WRITABLE = (0x1000, 0x1FFF, "ram", 0x1000, False, "pc.ram")


def shapes(*layouts: tuple[tuple[str, tuple[object, ...]], ...]) -> int:
    counted = Counted()
    for layout in layouts:
        counted.add([layout], [])  # type: ignore[list-item]
    return counted.reach().shapes


def memory(*rows: object) -> tuple[tuple[str, tuple[object, ...]], ...]:
    return (("memory", rows),)


def test_shapes_are_layouts_without_addresses() -> None:
    assert shapes(memory(RAM), memory(MOVED)) == 1
    assert shapes(memory(RAM), memory(RAM), memory(RAM)) == 1
    assert shapes(memory(RAM, ROM), memory(ROM, RAM)) == 2
    assert shapes(memory(RAM, ROM), memory(RAM, WRITABLE)) == 2
    assert shapes(memory(RAM), memory(RAM, ROM), memory()) == 3
    assert shapes((*memory(RAM), *memory(ROM)), (*memory(ROM), *memory(RAM))) == 2


def test_more_rows_than_are_remembered_are_counted_all_the_same() -> None:
    counted = Counted()
    for number in range(3000):  # nobody but the count keeps them, so that another may lie where one lay
        counted.add([memory((0, 1, "r", 0, False, f"region {number % 1500}"))], [])  # type: ignore[list-item]
    assert counted.reach().shapes == 1500
    assert len(counted._rows) <= 1000


def test_facts_are_counted_once_each_by_group() -> None:
    counted = Counted()
    counted.add([], [("ranges", "memory", 3), ("shown", "ram", "", ""), ("verdict", "d", "accepted")])
    counted.add([], [("ranges", "memory", 3), ("ranges", "memory", 4), ("nobody", 1)])
    reach = counted.reach()
    assert reach == Reach(2, 0, {"": 1, "ends": 1, "layout": 3})
    assert reach.situations == 5


def test_it_goes_into_a_file_and_back() -> None:
    reach = Reach(10, 3, {"layout": 4, "reads": 1}, {"a/b": 7}, 12)
    assert Reach.from_json(json.loads(json.dumps(reach.to_json()))) == reach
