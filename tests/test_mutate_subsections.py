"""Subsections come and go: each that a schema knows can be added, and what is dropped again leaves what was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import leaf_of, stream

from fuzz.mutate.index import altered
from fuzz.mutate.subsections import added, dropped, missing, present, repeated, strange

if TYPE_CHECKING:
    from vmformat import Section

SECTIONS = {
    f"{name}, {section.name}": section for name in ("pc-small", "q35-modern") for section in stream(name).sections
}
LACKING = {f"{name}: {path}": (section, path) for name, section in SECTIONS.items() for path in missing(section)}


def section(name: str) -> Section:
    return SECTIONS[f"pc-small, {name}"]


def names(found: Section) -> list[str]:
    return [piece.name for piece in present(found)]


def test_a_good_many_are_missing_in_shipped_streams() -> None:
    assert len(LACKING) > 50
    assert [path for found, path in LACKING.values() if found is section("ps2kbd")] == [
        "ps2kbd/ledstate",
        "ps2kbd/need_high_bit",
        "ps2kbd/command_reply_queue",
    ]


@pytest.mark.parametrize("case", LACKING)
def test_what_is_missing_can_be_added_once_and_dropped_again(case: str) -> None:
    found, path = LACKING[case]
    name = path.rpartition("\t")[2]
    longer = added(found, path)
    assert longer is not None
    assert longer.read_payload()[1] is None
    assert names(longer).count(name) == 1
    assert {*names(longer)} - {name} == {*names(found)}
    assert path not in missing(longer)
    assert added(longer, path) is None
    number = names(longer).index(name)
    piece = present(longer)[number]
    head = bytes([5, len(name)]) + name.encode()
    assert longer.payload[piece.start :].startswith(head)
    assert piece.end - piece.start == len(longer.payload) - len(found.payload) >= len(head) + 4
    shorter = dropped(longer, number)
    assert shorter is not None
    assert shorter.payload == found.payload


def test_those_of_a_payload_stand_in_the_order_of_the_wire_to_their_ends() -> None:
    disk = section("0000:00:02.0/virtio-blk")
    assert names(disk) == ["virtio/64bit_features", "virtio/extra_state", "virtio/started"]
    pieces = present(disk)
    assert [one.end for one in pieces[:-1]] == [one.start for one in pieces[1:]]
    assert pieces[-1].end == len(disk.payload)
    assert disk.payload[pieces[2].start : pieces[2].end] == b"\x05\x0evirtio/started\0\0\0\1\1"
    assert names(section("fdc")) == ["fdrive/media_rate"] * 2  # one for each drive
    assert names(section("timer")) == []


def test_one_inside_another_lies_within_it() -> None:
    disk = SECTIONS["q35-modern, 0000:00:02.1:00.0/virtio-blk"]
    pieces = {piece.name: piece for piece in present(disk)}
    outer, inner = pieces["virtio/extra_state"], pieces["virtio_pci/modern_state"]
    assert outer.start < inner.start < inner.end == outer.end
    number = names(disk).index("virtio/extra_state")
    shorter = dropped(disk, number)
    assert shorter is not None
    assert {*names(disk)} - {*names(shorter)} == {"virtio/extra_state", "virtio_pci/modern_state"}


def test_one_that_is_repeated_follows_itself() -> None:
    disk = section("0000:00:02.0/virtio-blk")
    for number, piece in enumerate(present(disk)):
        twice = repeated(disk, number)
        assert twice is not None
        bytes_ = disk.payload[piece.start : piece.end]
        assert twice.payload == disk.payload[: piece.end] + bytes_ + disk.payload[piece.end :]


def test_what_is_not_there_is_neither_dropped_nor_repeated_nor_added() -> None:
    keyboard = section("ps2kbd")
    assert dropped(keyboard, 0) is None
    assert repeated(keyboard, 0) is None
    assert added(keyboard, "ps2kbd/nobody") is None
    assert added(section("ram"), "ps2kbd/ledstate") is None
    assert missing(section("ram")) == ()
    assert present(section("ram")) == ()


def test_what_is_added_holds_zeros_and_the_version_of_the_schema() -> None:
    longer = added(section("hpet"), "hpet/offset")
    assert longer is not None
    version, value = leaf_of(longer, "hpet/offset@version"), leaf_of(longer, "hpet_offset")
    assert longer.payload[version.offset :][:4] == b"\0\0\0\1"
    assert longer.payload[value.offset :][: value.size] == bytes(8)


def test_a_payload_that_is_cut_off_or_goes_on_gets_nothing() -> None:
    hpet = section("hpet")
    for payload in (hpet.payload[:-1], hpet.payload + b"\0"):
        assert added(hpet.replace_payload(payload), "hpet/offset") is None


def test_one_whose_name_was_spoilt_is_none_any_more() -> None:
    disk = section("0000:00:02.0/virtio-blk")
    spoilt = altered(disk, present(disk)[1].start + 2, b"V")
    assert names(spoilt) == ["virtio/64bit_features", "virtio/started"]


def test_one_that_nobody_knows_stands_at_the_end_and_is_named_as_the_section_is() -> None:
    before = section("ps2kbd")
    after = strange(before)
    assert after is not None
    assert after.payload == before.payload + b"\5\15ps2kbd/nobody\0\0\0\1"


def test_one_that_comes_again_may_say_something_else() -> None:
    section = next(one for one in stream("pc-small").sections if one.name == "cpu")
    piece = present(section)[0]
    again, other = repeated(section, 0), repeated(section, 0, filled=0xFF)
    assert again is not None
    assert other is not None
    size = piece.end - piece.start
    assert len(again.payload) == len(other.payload) == len(section.payload) + size
    mine, theirs = (one.payload[piece.end : piece.end + size] for one in (again, other))
    fields = 6 + len(piece.name)
    assert theirs == mine[:fields] + b"\xff" * (size - fields)
    assert mine == section.payload[piece.start : piece.end]
