"""Devices that are told of a commit all at once end as those that are told one by one, and loads say the same of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mutants
import pytest
import tiny

from fuzz.corpus import find_stream
from model import DESIGNS, Loads, Machine, Outcome, load
from model.designs import Design
from model.devices.virtio.together import Rings
from model.rehearsal.rehearsal import leads
from model.rehearsal.transcript import COMMITTED, spelled_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.designs import Load
    from model.designs import Rings as Device
    from model.devices.virtio import Virtio

NAME = "seed-24"
AFTER = find_stream(f"{NAME}/after").read_bytes()


def loaded(monkeypatch: pytest.MonkeyPatch, machine: Machine, data: bytes, design: Design) -> tuple[Outcome, list[int]]:
    """The outcome, and of each commit that all devices were told of at once how many there were."""
    told = []
    sound = Rings.renewed

    def noting(rings: Rings, listeners: Sequence[object], devices: Sequence[Virtio], reader: str) -> bool:
        done = sound(rings, listeners, devices, reader)
        if done:
            told.append(len(devices))
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Rings, "renewed", noting)
        outcome = load(machine, data, design)
    machine.reset()
    return outcome, told


@pytest.mark.parametrize("design", ["per-device", "wrap-main", "v6-do-commit", "v2-postponed-checks"])
def test_outcomes_are_those_of_who_remembers_nothing(monkeypatch: pytest.MonkeyPatch, design: str) -> None:
    machine = mutants.machine(NAME)
    outcome, told = loaded(monkeypatch, machine, AFTER, DESIGNS[design]())
    again, told_again = loaded(monkeypatch, machine, AFTER, DESIGNS[design]())
    assert told == told_again
    assert bool(told) == (design in {"per-device", "wrap-main"}), "who does more is called each time"
    assert max(told, default=2) > 1
    machine.remembers = False
    plain, none = loaded(monkeypatch, machine, AFTER, DESIGNS[design]())
    machine.remembers = True
    assert outcome == again == plain
    assert (outcome.steps, outcome.cost) == (plain.steps, plain.cost)
    assert none == []


def test_a_ring_that_is_written_to_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ram = tiny.ram({0x3000: tiny.ring(1), 0x4000: tiny.ring(1), 0x6000: tiny.ring(1), 0x7000: tiny.ring(1)})
    bars = iter(range(0xFE00_0000, 0xFF00_0000, 0x10000))

    def disk(desc: int) -> bytes:
        return tiny.blk(command=6, bar=next(bars), desc=desc, avail=desc + 0x1000, used=desc + 0x2000, last_avail=1)

    data = tiny.HEADER + tiny.timer() + ram + disk(0x2000) + disk(0x2000) + disk(0x5000) + disk(0x5000) + tiny.EOF
    machine = tiny.machine()
    outcome, told = loaded(monkeypatch, machine, data, DESIGNS["per-device"]())
    assert outcome.verdict == "accepted"
    assert told
    assert outcome.devices[0].queues[0].caches[0].split("+")[1].startswith("0x5000")
    machine.remembers = False
    assert outcome == loaded(monkeypatch, machine, data, DESIGNS["per-device"]())[0]


class BuildsTwice(Design):
    """Does more at a commit than is usual."""

    name = "builds-twice"

    def listener_commit(self, load: Load, device: Device) -> None:
        """Once, and once more."""
        device.build_caches()
        device.build_caches()


class AsUsual(Design):
    """Another one that does what is usual."""

    name = "as-usual"


class InItsOwnWords(Design):
    """Says by itself what is usual."""

    name = "in-its-own-words"

    def listener_commit(self, load: Load, device: Device) -> None:
        """Once."""
        device.build_caches()


def test_what_is_written_down_stands_for_all_that_was_said() -> None:
    machine = mutants.machine(NAME)
    loads = Loads(machine, remembers=False)
    loads.load(AFTER, DESIGNS["per-device"]())
    machine.reset()
    (transcript,) = loads._transcripts
    short = [entry for entry in transcript.entries if entry[0] == COMMITTED]
    assert short
    whole = list(spelled_out(transcript.entries))
    assert len(whole) > len(transcript.entries) + 4 * len(short)
    assert leads(transcript, AsUsual())
    assert transcript._in_full is None
    assert leads(transcript, InItsOwnWords())
    assert transcript._in_full == whole
    assert not leads(transcript, BuildsTwice())
