"""Queue pairs of a device that has two; what the program does with one is in test_model_virtio."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from model.devices.virtio.queue import Queue
from model.devices.virtio.queue_pairs import FEATURES, QueuePairs
from model.errors import Abort

MQ = FEATURES & 1 << 22
LOAD: Any = SimpleNamespace(not_modelled=set())


def device(*sizes: int) -> Any:
    entry = SimpleNamespace(transport="pci", max_queue_pairs=2, queues=(256, 256, 256, 256, 64))
    queues = [Queue(index, size) for index, size in enumerate((*sizes, *[0] * 16))]
    return SimpleNamespace(entry=entry, queues=queues, use=lambda _count: None)


def sizes(found: Any) -> list[int]:
    return [queue.num for queue in found.queues if queue.num]


CHANGES = {
    "all pairs stay": ([MQ], [256, 256, 256, 256, 64]),
    "one pair": ([0], [256, 256, 64]),
    "one pair, then two": ([0, MQ], [256, 256, 256, 256, 64]),
    "one pair, twice": ([0, 0], [256, 256, 64]),
}


@pytest.mark.parametrize(("features", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_features_decide_how_many_pairs_there_are(features: list[int], expected: list[int]) -> None:
    found = device(256, 256, 256, 256, 64)
    pairs = QueuePairs(found)
    for value in features:
        pairs.set_features(LOAD, value)
    assert sizes(found) == expected
    assert not LOAD.not_modelled


DEATHS = {
    "a pair and no control queue": ((256, 256), 3, "old_num_queues >= 3"),
    "half a pair": ((256, 256, 256, 64), 5, "old_num_queues % 2 == 1"),
    "none wanted": ((256, 256, 256, 256, 64), 0, "SIGSEGV"),
    "far beyond its own": (tuple([64] * 15), 3, "SIGSEGV"),
}


@pytest.mark.parametrize(("present", "wanted", "line"), DEATHS.values(), ids=DEATHS.keys())
def test_numbers_that_the_program_does_not_survive(present: tuple[int, ...], wanted: int, line: str) -> None:
    with pytest.raises(Abort, match=line):
        QueuePairs(device(*present)).change(LOAD, wanted)
