"""Config space is altered where it steers memory: each arm touches its registers, of one function, and nothing else."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from mutants import differing, machine, stream

from fuzz.mutate import Dice, Scene
from fuzz.mutate.pci import ARMS, bar, chipset, command, config, pam, power, window
from fuzz.mutate.registers import BARS, COMMAND, HEADER, Config, config_of, functions, get, put
from fuzz.mutate.sections import kind_of
from fuzz.work.build import make_mutator
from model import REFERENCE, load
from vmformat import Section, Stream, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.mutate import Arm

PC, Q35 = "pc-small", "q35-modern"


@cache
def scene(name: str) -> Scene:
    return make_mutator(machine(name).description, [write(stream(name))])._scene


def changes(arm: Arm, name: str, number: int = 150) -> Iterator[tuple[Section, Section, dict[int, tuple[int, int]]]]:
    """The section that was altered, before and after, and by register the bytes that differ."""
    source = stream(name)
    for seed in range(number):
        mutant = arm(source, Dice(seed), scene(name))
        if mutant is not None:
            yield from differences(source, mutant)


def differences(source: Stream, mutant: Stream) -> Iterator[tuple[Section, Section, dict[int, tuple[int, int]]]]:
    pairs = [(old, new) for old, new in zip(source.records, mutant.records, strict=True) if old is not new]
    assert len(pairs) <= 1
    for old, new in pairs:
        assert isinstance(old, Section)
        assert isinstance(new, Section)
        at = space(old).offset
        found = {i - at: (old.payload[i], new.payload[i]) for i in differing(old.payload, new.payload)}
        if found:
            yield old, new, found


def space(section: Section) -> Config:
    found = config_of(section)
    assert found is not None
    return found


def function(section: Section) -> str:
    return section.name.rpartition("/")[0]


def test_a_function_is_turned_on_or_off() -> None:
    bits, names = set(), set()
    for old, _, differs in changes(command, PC):
        ((register, (before, after)),) = differs.items()
        assert register == COMMAND
        assert (before ^ after) & ~7 == 0
        bits.add(before ^ after)
        names.add(old.name)
    assert {1, 2, 4} <= bits
    assert names == {section.name for _, section, _ in functions(stream(PC))}


def test_a_bar_goes_elsewhere_and_keeps_its_kind() -> None:
    slots, addresses = set(), set()
    for old, new, differs in changes(bar, PC, 400):
        place = space(old)
        bars = {register - BARS >> 2 for register in differs if BARS <= register < BARS + 24}
        assert {*differs} <= {*range(BARS, BARS + 24), *range(0x30, 0x34), COMMAND}
        for slot in bars & {*scene(PC).bars[function(old)]}:
            before, after = (get(section, place, BARS + 4 * slot, 4) for section in (old, new))
            low = 1 if before & 1 else 0xF
            assert before & low == after & low
            slots.add((function(old), slot))
            addresses.add(after & ~0xF)
        if COMMAND in differs:
            assert get(new, place, COMMAND, 1) & 3 == 3
    assert slots == {(name, slot) for name, sizes in scene(PC).bars.items() for slot in sizes if slot < 6}
    assert any(0xA0000 <= address < 0x100000 for address in addresses)
    assert 0xFFFFFFF0 in addresses


def test_a_rom_is_moved_now_and_then_where_a_bridge_has_its_own() -> None:
    ends = {
        (get(old, space(old), HEADER, 1) & 0x7F, register & ~3)
        for name in (PC, Q35)
        for old, _, differs in changes(bar, name, 300)
        for register in differs
    }
    assert {(0, 0x30), (1, 0x38)} <= ends
    assert not {(0, 0x38), (1, 0x30)} & ends


def test_the_upper_half_of_a_bar_of_64_bits_is_altered_too() -> None:
    uppers = set()
    for old, new, differs in changes(bar, Q35, 400):
        for slot in scene(Q35).bars[function(old)]:
            if get(old, space(old), BARS + 4 * slot, 4) & 7 == 4 and slot < 5:
                register = BARS + 4 * slot + 4
                if any(register <= one < register + 4 for one in differs):
                    uppers.add(get(new, space(new), register, 4))
    assert {1, 0x80, 0xFFFFFFFF} <= uppers


def test_windows_are_those_of_bridges() -> None:
    registers = set()
    for old, _, differs in changes(window, Q35, 400):
        assert get(old, space(old), HEADER, 1) & 0x7F == 1
        registers |= {*differs}
        if 0x6D in differs:
            assert {*differs} == {0x6D}
            assert kind_of(old) == "pcie-root-port"
    assert registers >= {0x1C, 0x1D, 0x20, 0x22, 0x24, 0x26, 0x28, 0x2C, 0x30, 0x32, 0x3E, 0x6D}
    assert registers <= {*range(0x1C, 0x34), 0x3E, 0x6D} - {0x1E, 0x1F}
    assert window(stream(PC), Dice(1), scene(PC)) is None, "there is no bridge"


def test_the_power_of_a_slot_goes_off_and_on_again() -> None:
    for old, new, differs in changes(power, Q35, 20):
        assert {register: before ^ after for register, (before, after) in differs.items()} == {0x6D: 4}
        records = [new if one is old else one for one in stream(Q35).records]
        again = {*power_of(stream(Q35).with_records(records))}
        assert stream(Q35).with_records(stream(Q35).records) in again
    assert power(stream(PC), Dice(1), scene(PC)) is None


def power_of(source: Stream) -> Iterator[Stream]:
    for seed in range(20):
        made = power(source, Dice(seed), scene(Q35))
        assert made is not None
        yield made


STEERING = {
    "mch": {*range(0x60, 0x68), *range(0x90, 0x97), 0x9C, 0x9D, 0x9E},
    "I440FX": {*range(0x59, 0x60), 0x72},
    "ICH9LPC": {*range(0x40, 0x45), *range(0xF0, 0xF4)},
    "piix4_pm": {*range(0x40, 0x44), 0x80, *range(0x90, 0x94), 0xD2},
}


@pytest.mark.parametrize(("name", "kinds"), [(PC, {"I440FX", "piix4_pm"}), (Q35, {"mch", "ICH9LPC"})])
def test_the_chipset_is_switched_without_touching_what_steers_nothing(name: str, kinds: set[str]) -> None:
    seen: dict[str, set[int]] = {}
    for old, _, differs in changes(chipset, name, 300):
        assert {*differs} <= STEERING[kind_of(old)]
        seen.setdefault(kind_of(old), set()).update(differs)
    assert {*seen} == kinds
    assert all(len(seen[kind]) > len(STEERING[kind]) // 2 for kind in kinds)


@pytest.mark.parametrize(
    ("address", "segment", "mask"),
    [
        (0xC0000, 1, 0x03), (0xC3FFF, 1, 0x03), (0xC4000, 1, 0x30), (0xC8000, 2, 0x03), (0xE8000, 6, 0x03),
        (0xEC000, 6, 0x30), (0xEFFFF, 6, 0x30), (0xF0000, 0, 0x30), (0xFFFFF, 0, 0x30),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("name", "first"), [(PC, 0x59), (Q35, 0x90)])
def test_the_segment_of_an_address_is_switched(name: str, first: int, address: int, segment: int, mask: int) -> None:
    attributes = set()
    for seed in range(30):
        for _, new, differs in differences(stream(name), pam(stream(name), Dice(seed), address)):
            ((register, (before, after)),) = differs.items()
            assert register == first + segment
            assert (before ^ after) & ~mask == 0
            attributes.add((get(new, space(new), register, 1) & mask) // (mask & -mask))
    assert len(attributes) >= 3


def test_a_segment_that_was_switched_is_seen_so() -> None:
    bench = machine(PC)
    shown = set()
    for seed in range(8):
        outcome = load(bench, write(pam(stream(PC), Dice(seed), 0xE8000)), REFERENCE())
        bench.reset()
        assert outcome.verdict == "accepted"
        shown.add(next((row[2], row[4]) for row in dict(outcome.layout)["memory"] if row[0] <= 0xE8000 <= row[1]))
    assert len(shown) > 1


def test_without_such_a_chipset_nothing_is_switched() -> None:
    bare = stream(PC).with_records(one for one in stream(PC).records if getattr(one, "name", "").find("I440FX") < 0)
    assert pam(bare, Dice(1), 0xE8000) is bare


def test_one_bit_anywhere_is_flipped_early_ones_likelier() -> None:
    registers = []
    for _, _, differs in changes(config, Q35, 300):
        ((register, (before, after)),) = differs.items()
        assert (before ^ after).bit_count() == 1
        registers.append(register)
    assert sum(register < 0x40 for register in registers) > len(registers) // 3
    assert max(registers) > 0x400


@pytest.mark.parametrize("arm", [*(arm for arm, _ in ARMS.values()), power])
def test_a_stream_without_functions_is_left_alone(arm: Arm) -> None:
    bare = stream(PC).with_records(one for one in stream(PC).sections if config_of(one) is None)
    assert arm(bare, Dice(1), scene(PC)) is None


def test_what_the_bits_were_before_decides_what_they_are() -> None:
    """A command is turned, not set: twice with the same dice gives what was there."""
    for seed in range(20):
        once = command(stream(PC), Dice(seed), scene(PC))
        assert once is not None
        twice = command(once, Dice(seed), scene(PC))
        assert twice is not None
        assert write(twice) == write(stream(PC))
    _, section, place = functions(stream(PC))[0]
    assert put(section, place, COMMAND, 2, get(section, place, COMMAND, 2)) == section
