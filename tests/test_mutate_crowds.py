"""Trials on the sections of a seed: who has a section to himself, who shares, who has to wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fuzz.mutate.crowds import Crowds
from fuzz.mutate.pokes import Poke
from fuzz.mutate.trial import Trial
from vmformat import Kind, Section, Stream

FIRST = Section(Kind.FULL, 7, "hpet", 0, 1, bytes(8), footer=7)
SECOND = replace(FIRST, section_id=8, instance=1, footer=8)
ELSE = replace(FIRST, section_id=9, name="apic", footer=9)
SEED = Stream(records=(FIRST, SECOND, ELSE))
WHERE = {"hpet": [0, 1], "apic": [2]}


def poke(offset: int, kind: str = "hpet", *, register: int = -1, which: int = 0) -> Trial:
    """A byte that is written in place."""
    return Trial(kind, f"f{offset}", Poke(lambda _: (offset, b"\xff")), which=which, register=register)


def remade(kind: str = "hpet") -> Trial:
    """A section that is made anew, one byte longer."""
    return Trial(kind, "longer", lambda one: replace(one, payload=one.payload + b"!"))


def crowds() -> Crowds:
    return Crowds(SEED, WHERE)


def made(of: Crowds, trial: Trial, *, shares: bool = True, trials: int = 1) -> int | None:
    """Where a trial was made; None where it found no place."""
    at = of.place(trial, shares=shares)
    assert at is None or of.take(trial, at, trials, shares=shares)
    return at


def test_free_sections_come_first_then_those_who_share_come_together() -> None:
    some = crowds()
    assert [made(some, poke(offset)) for offset in range(4)] == [0, 1, 0, 0]
    changed = some.changed()
    assert {at: [one.payload.hex() for one in sections] for at, sections in changed.items()} == {
        0: ["ff00ffff00000000"],
        1: ["00ff000000000000"],
    }


def test_who_does_not_share_has_a_section_to_himself() -> None:
    some = crowds()
    assert made(some, poke(0), shares=False) == 0
    assert made(some, poke(1)) == 1
    assert made(some, poke(2), shares=False) is None
    assert [made(some, poke(offset)) for offset in (3, 4)] == [1, 1]
    assert made(some, poke(5, "apic"), shares=False) == 2


def test_a_section_has_room_for_six_and_for_more_where_there_is_much_to_try() -> None:
    for trials, room in ((1, 6), (499, 6), (500, 7), (1500, 9)):
        one = Crowds(Stream(records=(replace(ELSE, payload=bytes(64)),)), {"apic": [0]})
        places = [made(one, poke(offset, "apic"), trials=trials) for offset in range(20)]
        assert places == [0] * room + [None] * (20 - room)


def test_a_kind_that_the_seed_has_not() -> None:
    some = crowds()
    assert not some.knows("vga")
    assert some.place(poke(0, "vga"), shares=True) is None
    assert some.changed() == {}


def test_which_of_them_a_trial_is_for_even_if_others_are_full() -> None:
    some = crowds()
    assert made(some, poke(0, which=1)) == 1
    assert made(some, poke(1, which=1)) == 1  # and not the free one before it
    assert made(some, poke(2, which=1), shares=False) is None
    assert made(some, poke(3), shares=False) == 0


def test_registers_that_stand_near_each_other_do_not_meet() -> None:
    one = Crowds(SEED, {"apic": [2]})
    assert made(one, poke(0, "apic", register=0x40)) == 2
    assert one.place(poke(1, "apic", register=0x44), shares=True) is None
    assert made(one, poke(2, "apic", register=0x60)) == 2


def test_nobody_writes_where_another_one_has_written() -> None:
    one = Crowds(SEED, {"apic": [2]})
    assert one.take(poke(3, "apic"), 2, 1, shares=True)
    assert one.take(poke(3, "apic"), 2, 1, shares=True) is False
    assert [section.payload[3] for section in one.changed()[2]] == [0xFF]


def test_what_has_nothing_to_do_leaves_no_trace() -> None:
    one = Crowds(SEED, {"apic": [2]})
    assert one.take(Trial("apic", "idle", lambda _: None), 2, 1, shares=True) is None
    assert one.changed() == {}


def test_what_makes_a_section_anew_goes_by_what_those_before_have_written() -> None:
    one = Crowds(SEED, {"apic": [2]})
    for trial in (poke(0, "apic"), remade("apic"), poke(1, "apic")):
        assert one.take(trial, 2, 1, shares=True)
    assert [section.payload for section in one.changed()[2]] == [b"\xff\xff" + bytes(6) + b"!"]


@pytest.mark.parametrize(("others", "found"), [((), 1), ((0,), 1), ((0, 1), 1), ((0, 1, 2, 3, 4, 5, 6, 7), None)])
def test_the_next_section_of_a_kind_as_long_as_it_has_room(others: tuple[int, ...], found: int | None) -> None:
    some = crowds()
    for offset in others:
        assert some.take(poke(offset), 1, 1, shares=True) if offset < 6 else True
    assert some.next_alike(poke(0), 0) == found
    assert some.next_alike(poke(0, "apic"), 2) is None
