"""What is kept of reading a section changes nothing: the same outcomes as when every load reads for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mutants
import pytest
from mutants import PC, Q35

from fuzz.confirm.parity import Bench, mutant
from fuzz.corpus import find_machine, find_stream
from fuzz.work.build import make_mutator
from model import DESIGNS, load
from model.walks import Walks

if TYPE_CHECKING:
    from model import Outcome

CHOSEN = ("per-device", "wrap-main", "assert-depth", "commit-before-post-load", "threaded-sections")


def outcomes(machine: str, data: bytes, *, shared: bool) -> list[Outcome]:
    """Under some designs one after the other; not `shared`: each from bytes of its own."""
    bench = mutants.machine(machine)
    found = []
    for name in CHOSEN:
        mine = data if shared else bytes(bytearray(data))
        found.append(load(bench, mine, DESIGNS[name]()))
        bench.reset()
    return found


@pytest.mark.parametrize("name", [PC, Q35])
def test_outcomes_are_the_same(name: str) -> None:
    machine = mutants.machine(name)
    seeds = tuple((path.stem, path.read_bytes()) for path in find_machine(name).seeds)
    bench = Bench(name, machine, seeds, make_mutator(machine.description, [data for _, data in seeds]))
    inputs = [data for _, data in seeds] + [
        mutant(bench, number, 9, single=number % 2 == 0).data for number in range(40)
    ]
    for data in inputs:
        assert outcomes(name, data, shared=True) == outcomes(name, data, shared=False)


def test_a_device_that_refuses_in_a_repetition_is_told_in_full() -> None:
    """Under the reference the disk loads; under the batch it refuses, at a field that was walked over before."""
    name = "q35-sata"
    data = find_stream(f"{name}/after").read_bytes()
    bench = mutants.machine(name)
    for _ in range(2):
        load(bench, data, DESIGNS["per-device"]())
        bench.reset()
    again = load(bench, data, DESIGNS["wrap-main"]())
    bench.reset()
    assert again.verdict == "refused"
    assert again == load(bench, bytes(bytearray(data)), DESIGNS["wrap-main"]())
    bench.reset()


def test_walks_are_kept_of_one_stream_from_its_second_load_on(monkeypatch: pytest.MonkeyPatch) -> None:
    data = find_stream(f"{PC}/after").read_bytes()
    bench = mutants.machine(PC)
    walks = Walks()
    monkeypatch.setattr(bench, "walks", walks)
    kept = []
    for one in (data, data, data, bytes(bytearray(data))):
        load(bench, one, DESIGNS["per-device"]())
        bench.reset()
        kept.append(len(walks._known))
    assert kept[0] == kept[3] == 0
    assert kept[1] == kept[2] > 10


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.walks.MOST", 3)
    data = find_stream(f"{PC}/after").read_bytes()
    bench = mutants.machine(PC)
    monkeypatch.setattr(bench, "walks", walks := Walks())
    for _ in range(3):
        load(bench, data, DESIGNS["per-device"]())
        bench.reset()
    assert sum(len(events) for events, _ in walks._known.values()) <= 3
