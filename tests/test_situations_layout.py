"""The layout as facts: which regions are seen and what lies beside what, wherever it is mapped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.targets.situations.layout import PIECES, distinct, kind_of, of_spaces, of_view

RAM = (0, 0x9FFFF, "pc.ram", 0, False, "pc.ram")
ROM = (0xA0000, 0xFFFFF, "pc.ram", 0xA0000, True, "pc.ram")
BAR = (0xFEB00000, 0xFEB00FFF, "virtio-pci-0", 0, False, "blk0:virtio-pci-0")


def piece(start: int, name: str = "a", key: str = "a") -> tuple[int, int, str, int, bool, str]:
    return (start, start + 0xF, name, 0, False, key)


def test_a_view_by_what_is_seen_and_what_lies_beside_it() -> None:
    facts = [*of_view("memory", (RAM, ROM, BAR))]
    assert len(facts) == len({*facts})
    assert {*facts} == {
        ("shown", "pc.ram", "", ""),
        ("shown", "pc.ram", "read-only", "from inside"),
        ("shown", "virtio-pci-#", "", ""),
        ("neighbours", "", "pc.ram", "touching"),
        ("neighbours", "pc.ram", "pc.ram", "touching"),
        ("neighbours", "pc.ram", "virtio-pci-#", "apart"),
        ("pieces", "pc.ram", 2),
        ("ranges", "memory", 3),
        ("ranges-cut", "memory", 3, 1),
    }


def test_of_nothing_there_are_only_numbers() -> None:
    assert [*of_view("I/O", ())] == [("ranges", "I/O", 0), ("ranges-cut", "I/O", 0, 0)]


@given(st.integers(0xA0001, (1 << 64) - 0x1000))
def test_addresses_are_no_facts(at: int) -> None:
    moved = (at, at + 0xFFF, *BAR[2:])
    assert [*of_view("memory", (RAM, BAR))] == [*of_view("memory", (RAM, moved))]


def test_a_byte_between_two_is_told() -> None:
    for gap, how in ((0, "touching"), (1, "apart")):
        rows = (piece(0), piece(0x10 + gap, "b", "b"))
        assert ("neighbours", "a", "b", how) in {*of_view("memory", rows)}
    assert ("neighbours", "", "a", "apart") in {*of_view("memory", (piece(1),))}


def test_pieces_are_those_of_one_region_not_of_one_name_and_many_are_as_many() -> None:
    alike = tuple(piece(0x10 * number, "port", f"port {number}") for number in range(9))
    assert not [fact for fact in of_view("memory", alike) if fact[0] == "pieces"]
    cut = tuple(piece(0x10 * number) for number in range(40))
    counts = {fact[2] for fact in of_view("memory", cut) if fact[0] == "pieces"}
    assert counts == {*range(2, PIECES + 1)}


def test_spaces_that_show_the_same_are_told_so() -> None:
    rows = (RAM,)
    layout = (("memory", rows), ("I/O", (BAR,)), ("cpu-memory-0", rows), ("virtio-blk-pci", ()), ("nic", (BAR, RAM)))
    assert [*of_spaces(layout)] == [
        ("space", "memory", "the view of memory"),
        ("space", "I/O", "the view of I/O"),
        ("space", "processor", "the view of memory"),
        ("space", "device", "nothing"),
        ("space", "device", "the view of device"),
    ]


def test_each_view_is_looked_at_once_and_none_that_is_empty() -> None:
    rows, other = (RAM,), (RAM, BAR)
    layout = (("cpu-memory-0", rows), ("memory", rows), ("nic", ()), ("disk", other), ("nic", other))
    assert [*distinct(layout)] == [("processor", rows), ("device", other)]
    assert [*distinct(())] == []


@pytest.mark.parametrize(
    ("space", "kind"),
    [
        ("memory", "memory"),
        ("I/O", "I/O"),
        ("cpu-memory-0", "processor"),
        ("cpu-smm-17", "processor"),
        ("virtio-blk-pci", "device"),
        ("memory-backend", "device"),
    ],
)
def test_spaces_of_a_kind(space: str, kind: str) -> None:
    assert kind_of(space) == kind
