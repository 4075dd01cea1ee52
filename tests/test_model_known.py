"""The law of `model.known`: outcomes are those that `model.load` gives on a machine that has loaded nothing before.

What they light is held to the same law by `test_laws_history.py`, whose targets `pair` and `stream` load this way.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest

from fuzz.corpus import find_machine
from fuzz.work.build import make_mutator
from model import DESIGNS, Loads, Machine, load, parse
from model.known import known as known_module
from model.known.guide import Guide
from model.known.known import Known
from model.schedule import EMPTY_SCHEDULE, Schedule, split
from vmformat import Command, Section, read, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model import Outcome
    from model.commands import Done
    from model.load_state import LoadState
    from vmformat import Reader, Record, Stream

PAIR = ("per-device", "wrap-main")
OTHERS = ("lazy-epoch", "commit-before-post-load", "per-section", "v1-flag-eof", "v6-do-commit")


@cache
def plain(name: str) -> Machine:
    """A machine on which loads are done one by one."""
    return Machine(parse(find_machine(name).description.read_bytes()))


def fresh(name: str) -> Loads:
    """A machine that has loaded nothing yet."""
    return Loads(Machine(plain(name).description))


@cache
def mutants(name: str, wanted: int) -> tuple[bytes, ...]:
    """Seeds, mutants of them, and mutants of mutants, with schedules and without."""
    machine = plain(name)
    seeds = [path.read_bytes() for path in find_machine(name).seeds]
    mutator = make_mutator(machine.description, seeds, schedules=True)
    dice = random.Random(11)
    parents, made = list(seeds), list(seeds)
    while len(made) < wanted:
        made.append(mutator.mutate(dice.choice(parents), mutator.max_size, dice.getrandbits(31)))
        if dice.random() < 0.2:
            parents.append(made[-1])
    return tuple(made)


def remembered(loads: Loads, data: bytes, design: str, schedule: Schedule = EMPTY_SCHEDULE) -> Outcome:
    outcome = loads.load(data, DESIGNS[design](), schedule)
    loads.machine.reset()
    return outcome


def sound(name: str, data: bytes, design: str, schedule: Schedule = EMPTY_SCHEDULE) -> Outcome:
    machine = plain(name)
    outcome = load(machine, bytes(bytearray(data)), DESIGNS[design](), schedule=schedule)
    machine.reset()
    return outcome


def check(name: str, inputs: Sequence[bytes], designs: Sequence[str], loads: Loads | None = None) -> None:
    """One machine loads all of them, in this order."""
    loads = loads or fresh(name)
    for number, data in enumerate(inputs):
        stream, schedule = split(data)
        for design in designs:
            found, wanted = remembered(loads, stream, design, schedule), sound(name, stream, design, schedule)
            assert found == wanted, f"input {number} under {design}"
            assert found.situation == wanted.situation, f"input {number} under {design}"


@pytest.mark.parametrize(("name", "wanted"), [("pc-small", 100), ("q35-modern", 20)])
def test_outcomes_do_not_depend_on_what_was_loaded_before(name: str, wanted: int) -> None:
    inputs = mutants(name, wanted)
    check(name, inputs, PAIR)
    check(name, inputs[::-1], PAIR)


@pytest.mark.parametrize("name", ["bridges", "q35-sata", "virtio-zoo", "q35-intel-iommu", "microvm-virtio"])
def test_nor_on_machines_whose_devices_look_at_each_other(name: str) -> None:
    check(name, mutants(name, 9), PAIR)


def test_nor_under_designs_that_do_more_at_a_section() -> None:
    check("pc-small", mutants("pc-small", 30), OTHERS)


def test_nothing_is_loaded_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    data = find_machine("pc-small").seeds[-1].read_bytes()
    loads = fresh("pc-small")
    first = [remembered(loads, data, design) for design in PAIR]
    monkeypatch.setattr(known_module, "load", None)
    assert [remembered(loads, data, design) for design in PAIR] == first


def test_what_follows_a_change_that_shows_nowhere_is_not_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that keeps to itself loads another value: its record is new, and all others are known."""
    loads = fresh("pc-small")
    seed = find_machine("pc-small").seeds[-1].read_bytes()
    remembered(loads, seed, "wrap-main")
    at = seed.index(b"dma", seed.index(b"dma") + 1)
    other = bytearray(seed)
    other[at + 20] ^= 1
    taken: list[int] = []
    take = Guide.take

    def counted(self: Guide, load: LoadState, reader: Reader) -> Done | None:
        taken.append(reader.offset)
        return take(self, load, reader)

    monkeypatch.setattr(Guide, "take", counted)
    assert remembered(loads, bytes(other), "wrap-main") == sound("pc-small", bytes(other), "wrap-main")
    assert len(taken) == 1


def test_a_machine_whose_functions_are_replaced_remembers_nothing() -> None:
    loads = fresh("pc-small")
    known = Known(loads.machine)
    data = find_machine("pc-small").seeds[-1].read_bytes()
    assert known.takes(data, DESIGNS["wrap-main"]())
    loads.machine.remembers = False
    assert not known.takes(data, DESIGNS["wrap-main"]())
    assert remembered(loads, data, "wrap-main") == sound("pc-small", data, "wrap-main")


def test_designs_that_hold_something_are_loaded_under() -> None:
    known = Known(plain("pc-small"))
    taken = {name for name, design in DESIGNS.items() if known.takes(b"x", design())}
    assert {*PAIR, *OTHERS} <= taken
    assert not {"v2-postponed-checks", "stale-list", "threaded-sections"} & taken


def test_memory_is_bounded_and_forgetting_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_module, "MOST", 60)
    forgotten: list[Known] = []
    forget = Known.forget

    def counted(self: Known) -> None:
        forgotten.append(self)
        forget(self)

    monkeypatch.setattr(Known, "forget", counted)
    check("pc-small", mutants("pc-small", 40), PAIR)
    assert len(forgotten) > 3


def changed(change: Callable[[list[Record]], list[Record]]) -> bytes:
    """The seed with other records."""
    stream: Stream = read(find_machine("pc-small").seeds[-1].read_bytes(), plain("pc-small").schemas)
    return write(replace(stream, records=tuple(change(list(stream.records)))))


def named(records: list[Record], name: str) -> int:
    return next(i for i, record in enumerate(records) if isinstance(record, Section) and record.name.endswith(name))


def repeated(*names: str) -> bytes:
    """Sections come again behind all others."""

    def change(records: list[Record]) -> list[Record]:
        last = named(records, "globalstate")
        return [*records[:last], *(records[named(records, name)] for name in names), *records[last:]]

    return changed(change)


def test_sections_that_come_twice() -> None:
    seed = find_machine("pc-small").seeds[-1].read_bytes()
    again = [repeated("hpet"), repeated("dma", "virtio-net", "dma"), repeated("kvm-tpr-opt", "fw_cfg", "I440FX", "ide")]
    check("pc-small", [seed, *again, seed, *again[::-1]], PAIR)


def test_streams_cut_anywhere() -> None:
    """A buffer that the end cuts off comes out as all before it have it, whatever was left out."""
    seed = find_machine("pc-small").seeds[-1].read_bytes()
    dice = random.Random(3)
    cuts = sorted(dice.sample(range(len(seed)), 40))
    check("pc-small", [seed, *(seed[:cut] for cut in cuts)], ("wrap-main",))


def test_packages_and_commands() -> None:
    def packed(first: str, last: str, *, tail: int = 0) -> bytes:
        def change(records: list[Record]) -> list[Record]:
            begin, end = named(records, first), named(records, last)
            header = read(find_machine("pc-small").seeds[-1].read_bytes(), plain("pc-small").schemas)
            whole = write(replace(header, records=tuple(records[begin:end])))
            bare = write(replace(header, records=()))
            body = whole[len(bare) :] + bytes(1 + tail)
            command = Command(7, len(body).to_bytes(4, "big") + body)
            return [*records[:begin], command, *records[end:]]

        return changed(change)

    inputs = [packed("dma", "hpet"), packed("ide", "virtio-net", tail=3), packed("dma", "virtio-blk")]
    check("pc-small", [*inputs, *inputs[::-1]], PAIR)


SCHEDULES = (
    "wait 3: vcpu-access 0xfebfe000 8",
    "turn 7: vcpu-command 0000:00:03.0 0x2\nwait 16: vcpu-access 0xfebfe000 8",
    "fields 4: vcpu-remap 0000:00:02.0 4 0xfe000000\nram 1: monitor-mtree",
    "inside 2: vcpu-access 0xc0000 64\nwait 30: monitor-plug",
    "fields 900: rcu-reclaim",
)


def test_schedules_over_one_stream() -> None:
    """Who runs at one point for one input runs at another for the next, and sections that were left out come again."""
    streams = [find_machine("pc-small").seeds[-1].read_bytes(), repeated("dma", "hpet", "virtio-blk")]
    loads = fresh("pc-small")
    for text in ("", *SCHEDULES, *SCHEDULES[::-1]):
        schedule = Schedule.parse(text)
        for data in streams:
            for design in PAIR:
                found, wanted = remembered(loads, data, design, schedule), sound("pc-small", data, design, schedule)
                assert found == wanted, f"{text!r} under {design}"
