"""Guest memory in the stream: pages are found in any bytes, planted where RAM is, and keep what they held."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import tiny
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mutants import stream

from fuzz.mutate import Dice, Places, Scene
from fuzz.mutate.ram import MOST_PAGES, PAGE, memory, pages, plant, records
from vmformat import Kind, Section, read, write

if TYPE_CHECKING:
    from fuzz.mutate import Arm
    from vmformat import Stream

PLACES = Places(tiny.MIB)
ROOM = 1 << 20


def page(address: int, data: bytes = b"", *, named: str = "pc.ram") -> bytes:
    head = (address | (8 if data else 2) | (0 if named else 0x20)).to_bytes(8, "big")
    name = bytes([len(named)]) + named.encode() if named else b""
    return head + name + (data.ljust(PAGE, b"\0") if data else b"\0")


EOS = (0x10).to_bytes(8, "big")
HEAD = (tiny.MIB | 4).to_bytes(8, "big") + b"\6pc.ram" + tiny.MIB.to_bytes(8, "big") + EOS


def ram(*payloads: bytes) -> Stream:
    """A stream whose ram section has these payloads behind the block list."""
    head = Section(Kind.START, 2, "ram", 0, 4, HEAD, None, 2)
    rest = [Section(Kind.END, 2, "ram", 0, 4, payload, None, 2) for payload in payloads]
    return read(tiny.HEADER + tiny.EOF).with_records([head, *rest])


def shown(found: Stream, address: int, block: str = "pc.ram") -> bytes:
    """What a page holds at the end of a load: the latest record of it wins."""
    content = bytes(PAGE)
    last = ""
    for section in found.sections:
        for name, at, place in pages(section.payload, last):
            last = name
            if (name, at) == (block, address):
                content = section.payload[place : place + PAGE] if place >= 0 else bytes(PAGE)
    return content


def scene(**more: object) -> Scene:
    return Scene(PLACES, (), ROOM, **more)  # type: ignore[arg-type]


# Pages


def test_pages_by_block_address_and_place() -> None:
    payload = page(0x1000, b"a") + page(0x2000, named="") + page(0, b"b", named="vga") + page(0x3000, b"c", named="")
    found = [*pages(HEAD[:-8] + payload + EOS)]
    assert [(block, address, place >= 0) for block, address, place in found] == [
        ("pc.ram", 0x1000, True), ("pc.ram", 0x2000, False), ("vga", 0, True), ("vga", 0x3000, True)
    ]  # fmt: skip
    whole = HEAD[:-8] + payload + EOS
    assert [whole[place : place + 2] for _, _, place in found if place >= 0] == [b"a\0", b"b\0", b"c\0"]


def test_a_block_that_is_named_earlier_is_the_one_that_goes_on() -> None:
    assert [*pages(page(0x1000, named="") + EOS, "vga")] == [("vga", 0x1000, -1)]


@pytest.mark.parametrize("behind", [EOS, b"", b"\0\0\0", (0x40).to_bytes(8, "big"), (0x1002).to_bytes(8, "big")])
def test_it_ends_with_what_is_not_understood(behind: bytes) -> None:
    assert [*pages(page(0x1000) + behind + page(0x2000))][:1] == [("pc.ram", 0x1000, -1)]
    assert len([*pages(page(0x1000) + behind)]) == 1


@settings(max_examples=50)
@given(st.binary(max_size=100), st.text(max_size=3))
@example((1 << 60 | 4).to_bytes(8, "big") + b"\xff", "")
@example((0x1004).to_bytes(8, "big") + b"\0" * 20, "")
def test_any_bytes_have_pages_or_none(payload: bytes, block: str) -> None:
    for _, address, place in pages(payload, block):
        assert address % PAGE == 0
        assert -1 <= place <= len(payload)


# Planting


@pytest.mark.parametrize(
    ("case", "contents", "expected"),
    [
        ("a new page", {0x1002: b"\7\0"}, {0x1000: {2: b"\7"}}),
        ("an old page keeps what it holds", {0x8010: b"\7"}, {0x8000: {0x10: b"\7", 0: b"ab", 0x20: b"z"}}),
        ("across two pages", {0x1FFF: b"ab"}, {0x1000: {0xFFF: b"a"}, 0x2000: {0: b"b"}}),
        ("two places of one page", {0x1000: b"a", 0x1800: b"b"}, {0x1000: {0: b"a", 0x800: b"b"}}),
        ("the last byte of RAM", {tiny.MIB - 1: b"ab"}, {tiny.MIB - PAGE: {PAGE - 1: b"a"}}),
        ("the latest of two records", {0x9001: b"\7"}, {0x9000: {0: b"y\7"}}),
        ("a page that became zeros", {0xA001: b"\7"}, {0xA000: {0: b"\0\7"}}),
    ],
)
def test_planting(case: str, contents: dict[int, bytes], expected: dict[int, dict[int, bytes]]) -> None:
    old = page(0x8000, b"ab" + bytes(0x1E) + b"z") + page(0x9000, b"x") + page(0xA000, b"q")
    source = ram(old + EOS, page(0x9000, b"y") + page(0xA000) + EOS)
    before = write(source)
    made = plant(source, scene(), contents)
    assert made is not None
    assert write(source) == before
    for address, inside in expected.items():
        content = shown(made, address)
        for offset, data in inside.items():
            assert content[offset : offset + len(data)] == data, case
        marked = {i for offset, data in inside.items() for i in range(offset, offset + len(data))}
        assert {i for i in range(PAGE) if content[i]} <= marked
    untouched = {0x8000, 0x9000, 0xA000} - {*expected}
    assert all(shown(made, address) == shown(source, address) for address in untouched)
    assert made.sections[-1].payload.endswith(EOS)


def test_memory_above_4_gib_is_behind_that_below() -> None:
    both = Scene(Places(tiny.MIB, tiny.MIB), (), ROOM)
    made = plant(ram(EOS), both, {(1 << 32) + 0x1002: b"\7"})
    assert made is not None
    assert shown(made, tiny.MIB + 0x1000)[2] == 7


def test_the_block_is_the_machines() -> None:
    other = Scene(replace(PLACES, ram_block="microvm.ram"), (), ROOM)
    made = plant(ram(EOS), other, {0x1002: b"\7"})
    assert made is not None
    assert [block for block, _, _ in pages(made.sections[-1].payload)] == ["microvm.ram"]


@pytest.mark.parametrize(
    ("case", "source", "contents"),
    [
        ("beyond RAM", ram(EOS), {tiny.MIB: b"a"}),
        ("nothing", ram(EOS), {}),
        ("no ram section", read(tiny.HEADER + tiny.timer() + tiny.EOF), {0x1000: b"a"}),
        ("an end that is none", ram(page(0x1000)), {0x1000: b"a"}),
        ("as many pages as may be", ram(page(0x1000, b"a") * MOST_PAGES + EOS), {0x1000: b"a"}),
    ],
)
def test_where_nothing_can_be_planted(case: str, source: Stream, contents: dict[int, bytes]) -> None:
    assert plant(source, replace(scene(), max_size=4096), contents) is None, case


# Arms


def made(arm: Arm, source: Stream, number: int = 200, where: Scene | None = None) -> list[Stream]:
    before = write(source)
    found = [arm(source, Dice(seed), where or scene()) for seed in range(number)]
    assert write(source) == before
    return [one for one in found if one is not None]


def test_a_byte_that_is_there_is_altered_or_a_word_is_planted() -> None:
    source = ram(page(0x8000, b"ab") + EOS)
    altered = planted = 0
    for mutant in made(memory, source, 100):
        old, new = source.sections[1].payload, mutant.sections[1].payload
        if len(old) == len(new):
            differs = [i for i in range(len(old)) if old[i] != new[i]]
            assert differs in ([], [15], [16])
            altered += 1
        else:
            addresses = [address for _, address, _ in pages(new)]
            assert addresses[0] == 0x8000
            assert len(addresses) == 2
            planted += 1
    assert altered > 40
    assert planted > 10


def test_records_are_altered_in_one_place_or_one_more_is_there() -> None:
    source = ram(page(0x8000, b"ab") + EOS)
    flags, other, longer = set(), 0, 0
    for mutant in made(records, source):
        (pair,) = [(old, new) for old, new in zip(source.sections, mutant.sections, strict=True) if old is not new]
        old, new = pair[0].payload, pair[1].payload
        if len(old) == len(new):
            differs = [i for i in range(len(old)) if old[i] != new[i]]
            assert len(differs) <= 1
            flags |= {old[7] ^ new[7]} if differs == [7] else set()
            other += differs != [7]
        else:
            assert new[: len(old) - 8] == old[:-8]
            ((block, _, place),) = pages(new[len(old) - 8 :])
            assert (block, place) == ("pc.ram", -1)
            assert new.endswith(EOS)
            longer += 1
    assert {0x02, 0x20, 0x10, 0x08, 0x80, 0x40} <= flags
    assert other > 20
    assert longer > 20


def test_a_record_that_is_put_in_is_of_a_block_that_the_machine_has() -> None:
    other = Scene(replace(PLACES, ram_block="microvm.ram"), (), ROOM)
    blocks = {
        block
        for mutant in made(records, ram(EOS), where=other)
        for section in mutant.sections[1:]
        for block, _, _ in pages(section.payload)
    }
    assert blocks == {"microvm.ram"}


def test_without_ram_there_is_nothing_to_do() -> None:
    bare = stream("pc-small").with_records(one for one in stream("pc-small").sections if not one.is_ram)
    assert made(memory, bare) == made(records, bare) == []
    short = ram(b"\0\0\0").with_records(ram(b"\0\0\0").records[1:])
    assert made(records, short) == []
