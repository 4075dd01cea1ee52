"""States that devices derived: broken or started, how their rings stand, in what memory these lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.targets.situations.words import bucket, message_kind, part_of
from model.situation import bare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.engine.target import Feature
    from model.outcome import DeviceState, QueueState

RINGS: Final = ("desc", "used", "avail")
"""The caches of a queue, in their order."""


def of_device(device: DeviceState) -> Iterator[Feature]:
    """One device."""
    kind = device.kind
    yield ("device", kind, device.broken, device.started)
    for name, value in device.derived:
        yield ("derived", kind, bare(name), message_kind(value))
    yield ("queues", kind, bucket(len(device.queues)))
    for queue in device.queues:
        if queue.num or queue.last_avail:
            yield from _of_queue(kind, queue)


def _of_queue(kind: str, queue: QueueState) -> Iterator[Feature]:
    """The parts of a queue's state, each for itself: together there are as many as inputs."""
    num = queue.num
    yield ("queue-size", kind, bucket(num), num & (num - 1) == 0 if num else True)
    yield ("queue-heads", kind, part_of((queue.shadow_avail - queue.last_avail) & 0xFFFF, num))
    yield ("queue-inuse", kind, part_of(queue.inuse, num))
    yield ("queue-wraps", kind, queue.shadow_avail < queue.last_avail, queue.last_avail < queue.used)
    if not queue.caches:
        yield ("rings", kind, "none")
        return
    regions = set()
    for ring, cache in zip(RINGS, queue.caches, strict=False):
        where, _, length = cache.rpartition(":")
        region, _, offset = where.rpartition("+")
        region = bare(region)
        regions.add(region)
        yield ("ring", kind, ring, region, "at 0" if offset == "0x0" else "", "" if length != "0x0" else "of nothing")
    yield ("rings", kind, "in one region" if len(regions) == 1 else "in several")
