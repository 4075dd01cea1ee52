"""Trials of the framing: numbers of a section's head that are far from its own."""

from __future__ import annotations

import pytest
from mutants import stream

from fuzz.mutate.framing import FRAMING
from vmformat import Section

CHANGES = {name: change for _, name, change, _ in FRAMING}


def made(name: str, section: str = "timer") -> Section:
    found = CHANGES[name](sent(section))
    assert isinstance(found, Section)
    return found


def sent(name: str) -> Section:
    section = stream("pc-small").section(name)
    assert section is not None
    return section


def test_each_has_a_name_of_its_own_and_changes_something() -> None:
    assert len(CHANGES) == len(FRAMING)
    for name, change in CHANGES.items():
        if name not in {"old instance", "number 0"}:
            assert change(sent("timer")) != sent("timer"), name


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("version below zero", "version", 0x8000_0002),
        ("any instance", "instance", 0xFFFF_FFFF),
        ("far instance", "instance", 0x1_0000),
        ("short name", "name", "time"),
        ("long name", "name", "timerx"),
    ],
)
def test_a_number_of_the_head_is_far_away_where_all_else_is_as_it_was(name: str, field: str, value: object) -> None:
    found, before = made(name), sent("timer")
    assert getattr(found, field) == value
    assert found.payload == before.payload
    assert found.footer == before.footer == before.section_id


def test_a_section_of_a_high_number_ends_with_that_number_and_a_far_footer_with_another() -> None:
    assert made("high number").footer == made("high number").section_id == sent("timer").section_id | 1 << 31
    far = made("far footer")
    assert far.footer == far.section_id ^ 1 << 16


def test_a_device_that_had_another_number_is_sent_by_it() -> None:
    assert made("old instance", "i8254").instance == 0x40
    assert CHANGES["old instance"](sent("timer")) is None
