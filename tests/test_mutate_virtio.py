"""Virtio sections: rings move with indices that fit, sizes and indices go to their edges, subsections come and go."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import pytest
from mutants import differing, machine, stream

from fuzz.mutate import Dice, Scene, virtio
from fuzz.mutate.index import index_of, read_leaf
from fuzz.mutate.ram import PAGE, pages
from fuzz.mutate.rings import AVAIL, DESC, LAST, NUM, USED
from fuzz.mutate.sections import kind_of
from fuzz.mutate.virtio import head, indices, resize, ring, subsection, virtio_at
from fuzz.work.build import make_mutator
from vmformat import Section, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.mutate import Arm
    from vmformat import Leaf, Stream

PC, Q35 = "pc-small", "q35-modern"
T64 = 1 << 64
FIELDS = {"desc": DESC, "num": NUM, "last": LAST, "avail": AVAIL, "used": USED}


@cache
def scene(name: str) -> Scene:
    return make_mutator(machine(name).description, [write(stream(name))])._scene


def made(arm: Arm, name: str, number: int = 150) -> Iterator[Stream]:
    for seed in range(number):
        mutant = arm(stream(name), Dice(seed), scene(name))
        if mutant is not None:
            yield mutant


def changes(arm: Arm, name: str, number: int = 150) -> Iterator[tuple[Section, Section, Stream]]:
    """The virtio section that was altered, before and after, and the whole mutant."""
    for mutant in made(arm, name, number):
        for old, new in zip(stream(name).records, mutant.records, strict=True):
            if old is new or not isinstance(old, Section) or not isinstance(new, Section):
                continue
            if kind_of(old).startswith("virtio") and old.payload != new.payload:
                yield old, new, mutant


def value(section: Section, field: str, queue: int) -> int:
    index = index_of(section)
    leaf = index.nth(FIELDS[field], queue) if index is not None else None
    assert leaf is not None
    return read_leaf(section, leaf)


def altered(old: Section, new: Section) -> tuple[int, dict[str, tuple[int, int]]]:
    """The queue that differs, and its fields before and after; nothing else does but a subsection at the end."""
    keys = {key_of(old, at) for at in differing(old.payload, new.payload[: len(old.payload)])}
    queues = {queue for _, queue in keys} or {0}
    assert len(queues) == 1
    (queue,) = queues
    return queue, {field: (value(old, field, queue), value(new, field, queue)) for field, _ in keys}


def key_of(section: Section, at: int) -> tuple[str, int]:
    """The field of a queue that a byte is in, and the queue's number."""
    index = index_of(section)
    assert index is not None
    for name, pattern in FIELDS.items():
        before = 0
        for leaf in index.find(pattern):
            number, inside = divmod(at - leaf.offset, leaf.stride or leaf.size)
            if 0 <= number < leaf.count and inside < leaf.size:
                return name, before + number
            before += leaf.count
    raise KeyError(at)


def word(found: Stream, address: int) -> int | None:
    """What the stream says of the two bytes at an address; None where it says nothing."""
    content, last = None, ""
    for section in found.sections:
        for name, start, place in pages(section.payload, last) if section.is_ram else ():
            last = name
            if name == "pc.ram" and start == address & -PAGE:
                content = section.payload[place : place + PAGE] if place >= 0 else bytes(PAGE)
    return None if content is None else int.from_bytes(content[address % PAGE : address % PAGE + 2], "little")


@pytest.mark.parametrize("name", [PC, Q35, "virtio-zoo"])
def test_virtio_sections_are_found_by_their_names(name: str) -> None:
    names = [stream(name).records[at].name for at in virtio_at(stream(name))]  # type: ignore[union-attr]
    assert names == [one.name for one in stream(name).sections if "/virtio-" in one.name]
    assert names


def test_a_device_is_drawn_with_its_place_and_what_is_in_it() -> None:
    found = [virtio.device(stream(Q35), Dice(seed)) for seed in range(200)]
    assert {one[0] for one in found if one is not None} == {*virtio_at(stream(Q35))}
    for one in found:
        assert one is not None
        at, section, index = one
        assert stream(Q35).records[at] is section
        assert index is index_of(section)


def test_rings_of_an_old_driver_move_as_one_into_memory_that_firmware_switches() -> None:
    places = []
    for old, new, _ in changes(ring, PC):
        _, differs = altered(old, new)
        assert {*differs} <= {"desc", "num", "last"}
        places += [after for field, (_, after) in differs.items() if field == "desc"]
    assert sum(0xC0000 <= place < 0x100000 for place in places) > len(places) // 4
    assert len({*places}) > 30


@cache
def moved() -> tuple[tuple[int, dict[str, tuple[int, int]], Section, Stream], ...]:
    """Mutants whose rings are those of a modern driver: the queue, its fields, the section, all of it."""
    return tuple((*altered(old, new), new, mutant) for old, new, mutant in changes(ring, Q35, 200))


def test_rings_of_a_modern_driver_move_wholly_or_in_part() -> None:
    ways = Counter(frozenset({*differs} & {"desc", "avail", "used"}) for _, differs, _, _ in moved())
    assert all("desc" in way or len(way) <= 1 for way in ways)
    assert ways[frozenset({"desc", "avail", "used"})] > 20
    assert ways[frozenset({"avail"})] > 5
    assert ways[frozenset({"used"})] > 5


def test_indices_are_planted_where_the_rings_are_whether_they_moved_or_not() -> None:
    planted: Counter[str] = Counter()
    for queue, _, section, mutant in moved():
        places = {field: value(section, field, queue) for field in ("avail", "used")}
        pages_of = {place + 2 & -PAGE: field for field, place in places.items()}
        new = new_pages(mutant)
        assert new <= {*pages_of}
        planted.update(pages_of[page] for page in new)
    assert planted["avail"] > 30
    assert planted["used"] > 30


def new_pages(mutant: Stream) -> set[int]:
    """Addresses of pages that the mutant has and its parent has not."""
    lists = [
        [start for section in one.sections if section.is_ram for _, start, _ in pages(section.payload, "?")]
        for one in (stream(Q35), mutant)
    ]
    return {*lists[1][len(lists[0]) :]}


def test_indices_fit_what_was_seen_or_are_as_far_away_as_the_ring_is_long() -> None:
    steps: dict[str, set[int]] = {"avail": set(), "used": set()}
    for queue, _, section, mutant in moved():
        size, seen = value(section, "num", queue), value(section, "last", queue)
        far = {0: 0, 1: 1, size & 0xFFFF: 2, size + 1 & 0xFFFF: 3}
        for field, sign in (("avail", 1), ("used", -1)):
            place = value(section, field, queue) + 2
            if place & -PAGE in new_pages(mutant):
                there = word(mutant, place)
                assert there is not None
                steps[field].add(far[sign * (there - seen) & 0xFFFF])
    assert steps == {"avail": {0, 1, 2, 3}, "used": {0, 1, 2, 3}}


def test_indices_step_by_one_or_by_the_ring_and_places_by_a_little() -> None:
    seen: set[str] = set()
    for name in (PC, Q35):
        for old, new, _ in changes(indices, name, 200):
            queue, differs = altered(old, new)
            size = value(old, "num", queue)
            if "desc" in differs and (value(new, "desc", queue) or size == 0x1000):
                before, after = differs["desc"]
                assert min(after - before & T64 - 1, before - after & T64 - 1) in {1, 16, 0x1000}
                seen.add("moved")
            elif "desc" in differs:
                assert value(new, "last", queue) == 0
                seen.add("nowhere")
            elif "last" in differs:
                before, after = differs["last"]
                steps = {1, -1, size, -size, size + 1, -size - 1, 0x8000, -before}
                assert (after - before) & 0xFFFF in {step & 0xFFFF for step in steps}
                seen.add("last")
            else:
                assert {*differs} == {"num"}
                seen.add("size")
    assert seen == {"last", "moved", "nowhere", "size"}


def test_another_size_leaves_the_rings_where_they_were() -> None:
    sizes = set()
    for old, new, _ in changes(resize, Q35, 100):
        _, differs = altered(old, new)
        assert {*differs} == {"num"}
        sizes.add(differs["num"][1])
    assert {1, 255, 1024, 0xFFFFFFFF} <= sizes


def test_of_the_head_one_number_is_altered_and_none_that_hangs_the_loader() -> None:
    paths: set[str] = set()
    for name in (PC, Q35):
        for old, new, _ in changes(head, name, 200):
            (leaf,) = {owner(old, at) for at in differing(old.payload, new.payload)}
            paths.add(leaf.path)
            if leaf.path.endswith("config_len"):
                assert read_leaf(new, leaf) < 1 << 24
    ends = {path.rpartition(".")[2] for path in paths}
    assert {"status", "guest_features", "num", "config_len"} <= ends


def owner(section: Section, at: int) -> Leaf:
    """The field that a byte is in."""
    return max((leaf for leaf in section.leaves if leaf.offset <= at), key=lambda leaf: leaf.offset)


def test_subsections_are_split_off_whole_and_the_order_is_all_that_they_have() -> None:
    for at in virtio_at(stream(Q35)):
        section = stream(Q35).records[at]
        assert isinstance(section, Section)
        front, parts = virtio._split(section.payload)
        assert front + b"".join(parts) == section.payload
        assert parts
        for part in parts:
            assert part[0] == 5
            assert part[2 : 2 + part[1]].startswith(b"virtio/")
    assert virtio._split(b"no subsection") == (b"no subsection", [])
    assert virtio._split(b"") == (b"", [])
    lies = b"\x05\x09virtio/started\0\0\0\1\1"
    assert virtio._split(lies) == (lies, []), "a length that is not the name's"


def test_subsections_are_left_out_sent_twice_turned_round_emptied_or_put_in() -> None:
    ways = Counter[str]()
    for old, new, _ in changes(subsection, Q35, 300):
        (front, before), (same, after) = virtio._split(old.payload), virtio._split(new.payload)
        assert front == same
        fewer, more = Counter(before) - Counter(after), Counter(after) - Counter(before)
        if not fewer and not more:
            ways["order"] += 1
        elif not more:
            assert fewer.total() == 1
            ways["left out"] += 1
        else:
            assert (fewer.total(), more.total()) == (0, 1)
            (one,) = more
            empty = one in {part[: 6 + part[1]] + bytes(len(part) - 6 - part[1]) for part in before}
            ways["twice" if one in before else "emptied" if empty else "put in"] += 1
    assert {*ways} == {"order", "left out", "twice", "emptied", "put in"}
    assert min(ways.values()) > 5


@pytest.mark.parametrize("arm", [ring, indices, resize, head, subsection])
def test_a_stream_without_virtio_devices_is_left_alone(arm: Arm) -> None:
    bare = stream(PC).with_records(one for one in stream(PC).sections if "virtio" not in one.name)
    assert arm(bare, Dice(1), scene(PC)) is None


@pytest.mark.parametrize("arm", [ring, indices, resize, head])
def test_a_section_that_does_not_decode_is_left_alone(arm: Arm) -> None:
    only = [one for one in stream(PC).sections if one.name.endswith("virtio-blk")]
    cut = stream(PC).with_records([one.replace_payload(one.payload[:10]) for one in only])
    assert [arm(cut, Dice(seed), scene(PC)) for seed in range(5)] == [None] * 5
