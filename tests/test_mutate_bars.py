"""Places for BARs: edges of the space, of RAM and of other BARs, all of them such as a guest can ask for."""

from __future__ import annotations

from fuzz.mutate.bars import memory_places, port_places
from fuzz.mutate.places import Places

PLACES = Places(below_4g=16 << 20, known=(0xCF8, 0xA0000, 0xFEC00000))


def test_the_last_byte_of_the_space_and_another_bar_come_first() -> None:
    found = memory_places(0x1000, PLACES, [(0xFEBFE000, 0x4000)], [(0xFEBF0000, 0x1000)])
    assert found[:2] == (0xFFFFF000, 0xFEBFE000)
    assert {0xFFF000, 0x1000000} < set(found), "the end of RAM: as its last page, and behind it"
    assert {0xFEC02000, 0xFEBFD000, 0xFEC00000} < set(found), "behind the other, in front of it, over its second half"
    assert {0xFEBF0000, 0xFEBF1000, 0xFEBEF000, 0xA0000, 0xFEC00000} < set(found)
    assert 0xCF8 not in found


def test_ports_end_at_64_ki_and_registers_reach_beyond() -> None:
    found = port_places(0x20, PLACES, [], [(0xC080, 0x20)])
    assert found[:2] == (0xFFE0, 0x10000)
    assert {0xC080, 0xC0A0, 0xC060, 0xCE0, 0xFFFFFFE0} < set(found)
    assert 0xFEC00000 not in found


def test_a_place_is_a_multiple_of_the_size_and_comes_once() -> None:
    for size in (0x10, 0x100, 0x1000):
        for found in (memory_places(size, PLACES, [], [(0xFEBF0000, size)]), port_places(size, PLACES, [], [])):
            assert all(at % size == 0 and at < 1 << 32 for at in found)
            assert len(found) == len(set(found)) > 5
