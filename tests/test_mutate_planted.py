"""Trials of what rings say: three indices, as far apart as they can be."""

from __future__ import annotations

from mutants import machine, stream

from fuzz.mutate import Scene
from fuzz.mutate.places import Places
from fuzz.mutate.planted import trials_of_planted
from model import REFERENCE, Outcome, load
from vmformat import Stream, write

SCENE = Scene(places=Places(below_4g=16 << 20))


def outcomes() -> list[Outcome]:
    one, pc = stream("pc-small"), machine("pc-small")
    found = []
    for _, change in trials_of_planted(one, SCENE):
        made = change(one)
        assert made is not None
        found.append(load(pc, write(made), REFERENCE()))
        pc.reset()
    return found


def test_a_ring_is_full_of_new_requests_or_of_those_under_way() -> None:
    found = outcomes()
    queues = [
        device.queues[0] for one in found for device in one.devices if one.verdict == "accepted" and device.queues
    ]
    heads = {(queue.shadow_avail - queue.last_avail) & 0xFFFF for queue in queues}
    assert {0, 1, 255, 256} <= heads
    assert {0, 1, 255, 256} <= {queue.inuse for queue in queues}


def test_one_more_breaks_it_or_is_refused() -> None:
    found = outcomes()
    assert any(device.broken for one in found for device in one.devices)
    assert any("< last_avail_idx" in line for one in found for line in one.messages)


def test_without_a_virtio_device_there_is_nothing_to_plant() -> None:
    whole = stream("pc-small")
    bare = Stream(records=tuple(one for one in whole.records if "virtio" not in getattr(one, "name", "")))
    assert list(trials_of_planted(bare, SCENE)) == []
