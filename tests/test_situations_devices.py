"""States of devices as facts: each part of a queue for itself, its place by the kind of memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fuzz.targets.situations.devices import of_device
from model import DeviceState, QueueState

CACHES = ("pc.ram+0x0:0x80", "pc.ram+0x1000:0x46", "vga.vram+0x10:0x14")
QUEUE = QueueState(0, 8, 65530, 2, 65522, 8, CACHES)


def facts(*queues: QueueState, **more: object) -> set[tuple[object, ...]]:
    return {*of_device(DeviceState("s", "virtio-blk", queues=queues, **more))}  # type: ignore[arg-type]


def told(name: str, *queues: QueueState) -> set[tuple[object, ...]]:
    return {fact[2:] for fact in facts(*queues) if fact[0] == name}


def test_a_queue_by_its_parts() -> None:
    assert facts(QUEUE, broken=True) == {
        ("device", "virtio-blk", True, False),
        ("queues", "virtio-blk", 1),
        ("queue-size", "virtio-blk", 4, True),
        ("queue-heads", "virtio-blk", "all"),
        ("queue-inuse", "virtio-blk", "all"),
        ("queue-wraps", "virtio-blk", True, False),
        ("ring", "virtio-blk", "desc", "pc.ram", "at 0", ""),
        ("ring", "virtio-blk", "used", "pc.ram", "", ""),
        ("ring", "virtio-blk", "avail", "vga.vram", "", ""),
        ("rings", "virtio-blk", "in several"),
    }


def test_a_device_without_queues_is_what_it_derived_without_numbers() -> None:
    assert facts(started=True, derived=(("timer 3", "at 0x7f of 'x'"), ("timer 4", "at 0x80 of 'y'"))) == {
        ("device", "virtio-blk", False, True),
        ("derived", "virtio-blk", "timer #", "at # of '"),
        ("queues", "virtio-blk", 0),
    }


def test_sections_and_numbers_of_queues_are_no_facts() -> None:
    one = DeviceState("0000:00:02.0/virtio-blk", "virtio-blk", queues=(QUEUE,))
    other = DeviceState("0000:00:03.0/virtio-blk", "virtio-blk", queues=(replace(QUEUE, index=5),))
    assert [*of_device(one)] == [*of_device(other)]


def test_a_queue_that_nobody_set_up_counts_and_tells_nothing() -> None:
    unused = QueueState(1, 0, 0, 0, 0, 0)
    assert facts(unused) == facts(unused, replace(unused, used=7)) - {("queues", "virtio-blk", 2)} | {
        ("queues", "virtio-blk", 1)
    }
    assert told("queue-size", replace(unused, last_avail=1)) == {(0, True)}, "one without a size that was used"


@pytest.mark.parametrize(
    ("num", "size"), [(1, (1, True)), (2, (2, True)), (3, (2, False)), (256, (9, True)), (255, (8, False))]
)
def test_sizes_that_are_no_power_of_two_are_told_apart(num: int, size: tuple[int, bool]) -> None:
    assert told("queue-size", replace(QUEUE, num=num)) == {size}


@pytest.mark.parametrize(
    ("last", "shadow", "words"),
    [
        (5, 5, "none"),
        (0, 3, "some"),
        (0, 7, "all but one"),
        (65535, 7, "all"),
        (65535, 8, "one too many"),
        (8, 7, "too many"),
    ],
)
def test_heads_that_wait_are_counted_modulo_the_index(last: int, shadow: int, words: str) -> None:
    assert told("queue-heads", replace(QUEUE, last_avail=last, shadow_avail=shadow)) == {(words,)}


@pytest.mark.parametrize(
    ("caches", "rings", "place"),
    [
        ((), set(), "none"),
        (("pc.ram+0x10:0x0",), {("desc", "pc.ram", "", "of nothing")}, "in one region"),
        (
            ("bar-1+0x0:0x8", "bar-2+0x0:0x8"),
            {("desc", "bar-#", "at 0", ""), ("used", "bar-#", "at 0", "")},
            "in one region",
        ),
        (
            ("a+b:c+0x10:0x8", "x+0x0:0x8", "a+b:c+0x0:0x8"),
            {("desc", "a+b:c", "", ""), ("used", "x", "at 0", ""), ("avail", "a+b:c", "at 0", "")},
            "in several",
        ),
    ],
)
def test_rings_by_the_memory_that_they_lie_in(caches: tuple[str, ...], rings: set[tuple[str, ...]], place: str) -> None:
    assert told("ring", replace(QUEUE, caches=caches)) == rings
    assert told("rings", replace(QUEUE, caches=caches)) == {(place,)}
