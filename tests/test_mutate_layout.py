"""Addresses that a stream speaks of: its BARs, ROMs, windows and rings, and the edges of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import dword, index_of, leaf_of, machine, on, put, qword, stream, without, word

from fuzz.mutate import Dice, Places, Scene
from fuzz.mutate.layout import address, bar_spans, ring_spans, spans
from fuzz.mutate.sections import replace_record
from vmformat import Section, Stream

if TYPE_CHECKING:
    from mutants import Change

PC, Q35 = stream("pc-small"), stream("q35-modern")
NET, PORT = "virtio-net", "0000:00:02.0/pcie-root-port"
SIZES = {"0000:00:03.0": {0: 0x20, 1: 0x2000, 2: 0x4000, 6: 0x40000}}
SCENE = Scene(Places(64 << 20), bars=SIZES)
NO_BARS = on(*(dword(NET, 0x10 + 4 * slot, 0) for slot in range(6)), dword(NET, 0x30, 0))


def of_net(*edits: Change) -> set[tuple[int, int]]:
    """Spans of the network device's config space after edits of it, those of the others aside."""
    others = {*bar_spans(without(NET)(PC), SCENE)}
    return {*bar_spans(on(NO_BARS, *edits)(PC), SCENE)} - others


@pytest.mark.parametrize(
    ("case", "edits", "expected"),
    [
        ("nothing is mapped", (), set()),
        ("32 bits", (dword(NET, 0x14, 0xE0000000),), {(0xE0000000, 0x2000)}),
        ("prefetchable", (dword(NET, 0x14, 0xE0000008),), {(0xE0000000, 0x2000)}),
        ("64 bits", (qword(NET, 0x18, 0x7F_E000000C),), {(0x7F_E0000000, 0x4000)}),
        ("64 bits asked of the last slot", (dword(NET, 0x24, 0xE0000004), dword(NET, 0x28, 7)), {(0xE0000000, 0x1000)}),
        ("ports", (dword(NET, 0x10, 0xC001),), set()),
        ("below the first page", (dword(NET, 0x14, 0xFF0),), set()),
        ("of a size that nobody knows", (dword(NET, 0x20, 0xE0001000),), {(0xE0001000, 0x1000)}),
        ("a ROM", (dword(NET, 0x30, 0xE1000801),), {(0xE1000800, 0x40000)}),
        ("two", (dword(NET, 0x14, 0x10000), dword(NET, 0x20, 0x20000)), {(0x10000, 0x2000), (0x20000, 0x1000)}),
    ],
)
def test_what_a_function_maps(case: str, edits: tuple[Change, ...], expected: set[tuple[int, int]]) -> None:
    assert of_net(*edits) == expected, case


@pytest.mark.parametrize(
    ("case", "base", "limit", "expected"),
    [
        ("one megabyte", 0xE000, 0xE000, (0xE0000000, 0x100000)),
        ("some", 0xE000, 0xE12F, (0xE0000000, 0x1300000)),
        ("none", 0xE010, 0xE000, None),
    ],
)
def test_what_a_bridge_lets_through(case: str, base: int, limit: int, expected: tuple[int, int] | None) -> None:
    for first in (0x20, 0x24):
        edits = (word(PORT, 0x20, 0xFFF0), word(PORT, 0x22, 0), word(PORT, 0x24, 0xFFF0), word(PORT, 0x26, 0))
        shut = {*bar_spans(on(*edits)(Q35), SCENE)}
        opened = {*bar_spans(on(*edits, word(PORT, first, base), word(PORT, first + 2, limit))(Q35), SCENE)}
        assert opened - shut == ({expected} if expected else set()), case


def test_rings_are_as_long_as_their_queue_says() -> None:
    disk = "virtio-blk"
    edited = on(put(disk, "queues.queue[0].desc", 0x7F000), put(disk, "queues.queue[0].num", 128))(PC)
    assert (0x7F000, 16 * 128) in ring_spans(edited, SCENE)
    assert (0x7F000, 16 * 128) not in ring_spans(PC, SCENE)
    gone = put(disk, "queues.queue[0].desc", 0)(edited)
    assert {*ring_spans(edited, SCENE)} - {*ring_spans(gone, SCENE)} == {(0x7F000, 16 * 128)}


def test_spans_of_bars_and_of_rings_are_all_and_each_is_there_once() -> None:
    for source in (PC, Q35):
        bars, rings = bar_spans(source, SCENE), ring_spans(source, SCENE)
        assert bars
        assert rings
        assert spans(source, SCENE) == bars + rings
        assert len({*bars}) == len(bars)
        assert len({*rings}) == len(rings)


def test_what_is_kept_goes_with_the_section_that_says_so() -> None:
    before, at = spans(PC, SCENE), index_of(PC, NET)
    old, new = PC.records[at], dword(NET, 0x14, 0xE0000000)(PC).records[at]
    assert isinstance(old, Section)
    assert isinstance(new, Section)
    mutant = replace_record(PC, at, new)
    assert {*spans(mutant, SCENE)} - {*before} == {(0xE0000000, 0x2000)}
    assert spans(PC, SCENE) == spans(replace_record(mutant, at, old), SCENE) == before


def test_the_shipped_machine_has_its_bars_at_their_sizes() -> None:
    sizes = {
        entry.function: {bar.slot: bar.size for bar in entry.bars}
        for entry in machine("q35-modern").description.functions
    }
    fresh = stream("q35-modern").with_records(one.replace_payload(one.payload) for one in Q35.sections)
    found = bar_spans(fresh, Scene(bars=sizes))
    for device in ("virtio-net", "virtio-blk"):
        section = Q35.records[index_of(Q35, device)]
        assert isinstance(section, Section)
        leaf = leaf_of(section, ".vendor_id")
        base = int.from_bytes(section.payload[leaf.offset + 0x20 :][:8], "little") & ~0xF
        assert (base, sizes[section.name.rpartition("/")[0]][4]) in found


def test_addresses_are_of_64_bits_and_many_lie_at_an_edge_of_what_is_mapped() -> None:
    mapped, scene = on(NO_BARS, qword(NET, 0x18, 0x7F_E000000C))(PC), Scene(bars={"0000:00:03.0": {2: 1 << 30}})
    edges = {base + end for base, size in spans(mapped, scene) for end in (0, size)}
    drawn = [address(mapped, Dice(seed), scene) for seed in range(2000)]
    assert all(0 <= one < 1 << 64 for one in drawn)
    assert sum(one in edges for one in drawn) > 200
    assert {0x7F_E0000000, 0x80_20000000} <= {*drawn}
    assert {edge - 1 for edge in edges} & {*drawn}
    assert {0xE8000, 0xC0000, 64 << 20} <= {*drawn}


def test_where_nothing_is_mapped_addresses_are_those_of_the_machine() -> None:
    empty = Stream(PC.header, PC.configuration, (), b"")
    assert spans(empty, SCENE) == ()
    drawn = {address(empty, Dice(seed), Scene(Places(1 << 20, known=(0xFED90000,)))) for seed in range(2000)}
    assert {1 << 20, 0xA0000, 0xFED90000} <= drawn
    assert len(drawn) > 200
