"""What is kept of reading a section changes nothing: the same outcomes as when every load reads for itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import mutants
import pytest
from mutants import PC, Q35

from fuzz.confirm.parity import Bench, mutant
from fuzz.corpus import find_machine, find_stream
from fuzz.work.build import make_mutator
from model import DESIGNS, Machine, load
from model.walks import Walks
from vmformat import Section, read, write

if TYPE_CHECKING:
    from model import Outcome
    from vmformat import Stream

CHOSEN = ("per-device", "wrap-main", "assert-depth", "commit-before-post-load", "threaded-sections")


def outcomes(machine: str, data: bytes, *, shared: bool) -> list[Outcome]:
    """Under some designs one after the other; not `shared`: each reads for itself."""
    bench = mutants.machine(machine)
    found = []
    for name in CHOSEN:
        if not shared:
            bench.walks = Walks()
        found.append(load(bench, data, DESIGNS[name]()))
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
    assert again == load(Machine(bench.description), data, DESIGNS["wrap-main"]())
    bench.reset()


def kept(walks: Walks) -> set[bytes]:
    """The bytes of the sections that are kept."""
    return {data for shelf in walks._shelves.values() for data in shelf._things}


def test_sections_are_not_read_again_wherever_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = find_stream(f"{PC}/after").read_bytes()
    longer = write(with_twice(read(stream, mutants.machine(PC).schemas)))
    bench = mutants.machine(PC)
    monkeypatch.setattr(bench, "walks", walks := Walks())
    counts = []
    for data in (stream, stream, longer, stream):
        load(bench, data, DESIGNS["per-device"]())
        bench.reset()
        counts.append(len(kept(walks)))
    assert counts[0] == 0, "most machines load once"
    assert counts[1] > 20
    assert counts[1:] == [counts[1]] * 3, "the section that comes twice is one of those that are known"


def with_twice(stream: Stream) -> Stream:
    """The stream with its first section of a device moved: everything behind it stands elsewhere."""
    at = next(n for n, one in enumerate(stream.records) if isinstance(one, Section) and one.name == "timer")
    return replace(stream, records=(*stream.records[: at + 1], *stream.records[at:]))


def test_what_did_not_come_again_goes_when_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = mutants.machine(PC)
    seeds = [path.read_bytes() for path in find_machine(PC).seeds]
    expected, costs = [], []
    for room in (1 << 20, 1 << 13):
        monkeypatch.setattr(bench, "walks", walks := Walks())
        monkeypatch.setattr("model.walks.MOST_BYTES", room)
        for data in [*seeds, *seeds]:
            expected.append(load(bench, data, DESIGNS["per-device"]()))
            bench.reset()
        costs.append(walks._cost)
        assert walks._cost == sum(walk.cost for shelf in walks._shelves.values() for walk in shelf._things.values())
    half = len(expected) // 2
    assert expected[:half] == expected[half:]
    assert costs[1] < costs[0] / 2


def test_a_section_with_too_much_to_show_is_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.walks.MOST", 3)
    data = find_stream(f"{PC}/after").read_bytes()
    bench = mutants.machine(PC)
    monkeypatch.setattr(bench, "walks", walks := Walks())
    for _ in range(3):
        load(bench, data, DESIGNS["per-device"]())
        bench.reset()
    few = len(kept(walks))
    assert all(len(walk.events) <= 3 for shelf in walks._shelves.values() for walk in shelf._things.values())
    monkeypatch.setattr("model.walks.MOST", 2000)
    load(bench, data, DESIGNS["per-device"]())
    bench.reset()
    assert 0 < few < len(kept(walks))


def test_a_machine_that_does_not_remember_keeps_none() -> None:
    data = find_stream(f"{PC}/after").read_bytes()
    bench = Machine(mutants.machine(PC).description)
    bench.remembers = False
    for _ in range(3):
        load(bench, data, DESIGNS["per-device"]())
        bench.reset()
    assert not kept(bench.walks)
