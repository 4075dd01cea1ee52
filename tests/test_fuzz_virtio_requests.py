"""Requests that are put into streams: each kind of device gets one, and it is read as one."""

from __future__ import annotations

import pytest
from mutants import machine, stream

from fuzz.mutate.dice import Dice
from fuzz.mutate.places import Places
from fuzz.mutate.scene import Scene
from fuzz.mutate.virtio_requests import picture, request
from model import REFERENCE, load
from vmformat import write

RAM = 16 << 20
MACHINES = {
    "virtio-console": "virtio-zoo",
    "scsi-disk": "virtio-zoo",
    "virtio-gpu": "virtio-zoo",
    "virtio-blk": "q35-modern",
}


@pytest.mark.parametrize(("kind", "name"), MACHINES.items())
def test_what_is_put_in_is_mapped(kind: str, name: str) -> None:
    source, bench = stream(name), machine(name)
    scene = Scene(Places(RAM), (source,), 1 << 20)
    mapped = refused = 0
    for seed in range(60):
        mutant = request(source, Dice(seed), scene)
        assert mutant is not None
        changed = [new for old, new in zip(source.sections, mutant.sections, strict=True) if old != new]
        assert len(changed) == 1
        if not changed[0].name.endswith(kind):
            continue
        outcome = load(bench, write(mutant), REFERENCE())
        bench.reset()
        assert outcome.verdict in {"accepted", "refused", "aborted"}
        mapped += any(name.startswith("request segment") for device in outcome.devices for name, _ in device.derived)
        refused += outcome.verdict != "accepted"
    assert mapped
    assert refused


def test_a_picture_may_come_twice_with_one_number() -> None:
    source = stream("virtio-zoo")
    scene = Scene(Places(RAM), (source,), 1 << 20)
    twice = 0
    for seed in range(60):
        mutant = picture(source, Dice(seed), scene)
        assert mutant is not None
        screen = next(one for one in mutant.sections if one.name.endswith("virtio-gpu"))
        names = [
            leaf for leaf in screen.leaves if leaf.path.startswith("virtio-gpu.resources") and "@more" in leaf.path
        ]
        numbers = [screen.payload[leaf.offset : leaf.offset + leaf.size] for leaf in names]
        twice += len(numbers) > len(set(numbers))
    assert 5 <= twice <= 30
