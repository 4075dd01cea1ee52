"""Ring caches renewed all at once are those that are built ring by ring, and are counted alike."""

from __future__ import annotations

from typing import Any

import mutants
import pytest
import tiny
from mutants import PC

from fuzz.corpus import find_stream
from model import DESIGNS, Loads, Machine, Outcome, load
from model.devices.virtio import Virtio, device, renewal, together
from model.memory import cache
from model.rehearsal.transcript import spelled_out


def virtio_of(machine: Machine) -> Virtio:
    found = (getattr(handler, "effects", None) for handler in machine.handlers)
    return next(effects for effects in found if isinstance(effects, Virtio))


def stream(*, used: int = 0x4000, bars: int = 2) -> bytes:
    """A disk with a ring, then memory that moves behind it."""
    ram = tiny.ram({0x3000: tiny.ring(1), 0x4000: tiny.ring(1)})
    loaded = tiny.blk(command=6, bar=0xFE000000, desc=0x2000, avail=0x3000, used=used, last_avail=1)
    moves = b"".join(
        tiny.blk(command=6, bar=0xFE000000 + 0x10000 * number, desc=0x2000, avail=0x3000, used=used, last_avail=1)
        for number in range(bars)
    )
    return tiny.HEADER + tiny.timer() + ram + loaded + moves + tiny.EOF


def counted(monkeypatch: pytest.MonkeyPatch, machine: Machine, data: bytes, design: str) -> tuple[Outcome, int]:
    """The outcome, and how often renewing was enough."""
    times = 0
    sound = renewal.renewed

    def counting(which: Virtio, reader: str) -> bool:
        nonlocal times
        done = sound(which, reader)
        times += done
        return done

    at_once = together.Rings.renewed

    def counting_all(*given: Any) -> bool:
        nonlocal times
        done = at_once(*given)
        times += done
        return done

    with monkeypatch.context() as patch:
        patch.setattr(device, "renewed", counting)
        patch.setattr(together.Rings, "renewed", counting_all)
        outcome = load(machine, data, DESIGNS[design]())
    return outcome, times


@pytest.mark.parametrize("design", ["per-device", "wrap-main", "v6-do-commit", "per-section", "lazy-epoch"])
@pytest.mark.parametrize("used", [0x4000, 0xFE00_0000, (1 << 64) - 8])
def test_caches_are_the_same(monkeypatch: pytest.MonkeyPatch, design: str, used: int) -> None:
    found = []
    for remembers in (False, True):
        machine = tiny.machine()
        machine.remembers = remembers
        for _ in range(2):
            outcome, times = counted(monkeypatch, machine, stream(used=used), design)
            queue = virtio_of(machine).queues[0]
            if queue.caches is not None:
                assert all(one.view is machine.memory_space.current for one in queue.caches) or design != "per-device"
            machine.reset()
            found.append(outcome)
        assert times == 0 or (remembers and design in {"per-device", "per-section", "wrap-main", "lazy-epoch"})
        if remembers and design == "per-device":
            assert bool(times) == (used < 1 << 63), "a ring that cannot be mapped is built by itself"
    assert all(outcome == found[0] for outcome in found)


def test_a_replaced_seam_sees_every_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = tiny.machine()
    seen = []
    sound = cache.cache_init

    def watching(*args: object) -> cache.Cache:
        seen.append(args)
        return sound(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "cache_init", watching)
    outcome, times = counted(monkeypatch, machine, stream(), "per-device")
    assert (len(seen), times) == (outcome.cost.caches, 0)
    assert outcome.cost.caches > 6


def test_a_budget_that_ends_on_the_way_ends_at_the_same_place() -> None:
    data = find_stream("pc-small/after").read_bytes()
    machine = mutants.machine(PC)
    whole = load(machine, data, DESIGNS["per-device"]())
    machine.reset()
    found: dict[bool, list[tuple[str, int, object]]] = {True: [], False: []}
    for remembers, outcomes in found.items():
        machine.remembers = remembers
        for budget in range(1, whole.steps, 5):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("model.load_state.MAX_STEPS", budget - len(data))
                outcome = load(machine, data, DESIGNS["per-device"]())
            machine.reset()
            outcomes.append((outcome.verdict, outcome.steps, outcome.cost))
    machine.remembers = True
    assert found[True] == found[False]
    assert {verdict for verdict, *_ in found[True]} == {"hung"}


def test_a_load_that_is_written_down_says_what_was_read() -> None:
    machine = tiny.machine()
    data = stream(bars=3)
    found = []
    for remembers in (False, True):
        machine.remembers = remembers
        loads = Loads(machine, remembers=False)
        loads.load(data, DESIGNS["per-device"]())
        machine.reset()
        (transcript,) = loads._transcripts
        found.append(list(spelled_out(transcript.entries)))
    machine.remembers = True
    assert len(found[0]) == len(found[1]) > 50
    assert [entry[:2] for entry in found[0] if entry[1] == "flat_view"] == [
        entry[:2] for entry in found[1] if entry[1] == "flat_view"
    ]
    assert found[0] == found[1]
