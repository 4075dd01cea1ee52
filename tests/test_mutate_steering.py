"""Trials of a chipset's own bases: onto what others take, of every length, and two bits at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import stream

from fuzz.mutate import Scene
from fuzz.mutate.places import Places
from fuzz.mutate.registers import config_of, get
from fuzz.mutate.steering import pairs_of_bits, trials_of_bases

if TYPE_CHECKING:
    from vmformat import Section

BAR, PORTS = (0xFE602000, 0x1000), (0xC040, 0x20)


def made(machine: str, kind: str) -> dict[str, Section]:
    whole = stream(machine)
    section = next(one for one in whole.sections if one.name.endswith(f"/{kind}"))
    config = config_of(section)
    assert config is not None
    scene = Scene(Places(below_4g=64 << 20), (whole,))
    found = {name: change(section) for _, name, _, change in trials_of_bases(section, config, scene, [BAR], [PORTS])}
    return {name: one for name, one in found.items() if one is not None}


def value(section: Section, offset: int, size: int) -> int:
    config = config_of(section)
    assert config is not None
    return get(section, config, offset, size)


def test_the_ports_of_power_management_are_put_onto_others_and_beside_them() -> None:
    found = made("q35-modern", "ICH9LPC")
    assert value(found["base:0x40:0xc000:0"], 0x40, 4) & ~0x7F == PORTS[0] & ~0x7F
    assert value(found["base:0x40:0xc000:0"], 0x44, 1) & 0x80
    own = value(next(iter(found.values())), 0x40, 4) & 0x7F
    assert {value(one, 0x40, 4) & 0x7F for one in found.values()} == {own}, "what is no address stays"


def test_the_root_complex_is_put_into_the_large_window_of_another_function() -> None:
    found = made("q35-modern", "ICH9LPC")
    for address in 0xB0000000, 0xB8000000:
        assert value(found[f"base:0xf0:{address:#x}:0"], 0xF0, 4) == address | 1


def test_every_length_of_the_large_window_has_places_that_others_would_not_fit() -> None:
    found = [value(one, 0x60, 8) for one in made("q35-modern", "mch").values()]
    assert {one & 7 for one in found} == {1, 3, 5}
    assert {0xB2000005, 0xB4000005, 0xB4000003, 0xB8000003, 0xB0000005, 0xB0000003} <= {*found}


def test_the_two_ranges_of_one_function_meet() -> None:
    found = made("pc-small", "piix4_pm")
    smbus = value(next(iter(found.values())), 0x90, 4) & ~0x3F
    assert value(found[f"base:0x40:{smbus:#x}:0"], 0x40, 4) & ~0x3F == smbus


@pytest.mark.parametrize("kind", ["virtio-blk", "I440FX"])
def test_others_have_no_bases(kind: str) -> None:
    assert not made("pc-small", kind)


def test_each_two_bits_that_a_guest_can_set_are_turned_over_together() -> None:
    writable = bytearray(256)
    writable[0x9D], writable[0x9E] = 0x48, 0x81
    found = {name: (register, masks) for _, name, register, masks in pairs_of_bits("mch", bytes(writable))}
    assert len(found) == 6
    assert (0x9D, b"\x48") in found.values()
    assert (0x9D, b"\x40\x80") in found.values()
    assert (0x9E, b"\x81") in found.values()


def test_the_bits_of_shadow_ranges_are_left_to_their_own_trials() -> None:
    assert not [*pairs_of_bits("I440FX", bytes(0x59) + b"\x33" * 7 + bytes(160))]
    assert not [*pairs_of_bits("virtio-blk", b"\xff" * 256)]
