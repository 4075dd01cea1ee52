"""Trials of the shadow ranges: one otherwise than those around it, and loaded again otherwise in the same bounds."""

from __future__ import annotations

import pytest
from mutants import stream

from fuzz.mutate.registers import config_of, get
from fuzz.mutate.shadows import trials_of_shadows
from vmformat import Section

HOSTS = [("pc-small", "I440FX", 0x59), ("q35-modern", "mch", 0x90)]


def host(machine: str, kind: str) -> Section:
    return next(one for one in stream(machine).sections if one.name.endswith(f"/{kind}"))


def made(machine: str, kind: str) -> dict[str, tuple[Section, ...]]:
    section = host(machine, kind)
    config = config_of(section)
    assert config is not None
    found = {}
    for _, name, change, later in trials_of_shadows(section, config):
        done = change(section)
        if done is not None:
            found[name] = (done,) if isinstance(done, Section) else done
            assert len(found[name]) == 1 + later
    return found


def shown(section: Section, first: int) -> list[int]:
    """Of each range what it shows, 0xf0000 in front."""
    config = config_of(section)
    assert config is not None
    at = [((index + 1) // 2, 0 if index % 2 else 4) for index in range(13)]
    return [get(section, config, first + byte, 1) >> shift & 3 for byte, shift in at]


@pytest.mark.parametrize(("machine", "kind", "first"), HOSTS)
def test_ranges_show_one_thing_and_another_in_turn(machine: str, kind: str, first: int) -> None:
    found = made(machine, kind)
    assert shown(found["shadows:33"][0], first) == [3] * 13
    assert shown(found["shadows:13"][0], first) == [1, 3] * 6 + [1]


@pytest.mark.parametrize(("machine", "kind", "first"), HOSTS)
def test_one_range_is_loaded_again_as_something_else_and_those_around_it_as_neither(
    machine: str, kind: str, first: int
) -> None:
    before, after = made(machine, kind)["shadow:4:13"]
    assert shown(before, first) == [0, 0, 0, 0, 1, *[0] * 8]
    assert shown(after, first) == [0, 0, 0, 0, 3, *[0] * 8]
    before, after = made(machine, kind)["shadow:0:10"]
    assert shown(before, first) == [1, *[3] * 12]
    assert shown(after, first) == [0, *[3] * 12]


def test_what_else_stands_in_the_registers_stays() -> None:
    section = host("pc-small", "I440FX")
    config = config_of(section)
    assert config is not None
    for sections in made("pc-small", "I440FX").values():
        for one in sections:
            assert get(one, config, 0x59, 1) & 0xF == get(section, config, 0x59, 1) & 0xF
            assert len(one.payload) == len(section.payload)


def test_a_device_without_such_ranges_has_none() -> None:
    assert made("pc-small", "piix4_pm") == {}
