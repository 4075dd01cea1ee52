"""The law of `model.quiet`: outcomes are those of loads that pass over nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import mutants
import pytest
from mutants import PC, Q35

from fuzz.corpus import find_machine, find_stream
from fuzz.work.build import make_mutator
from model import DESIGNS, Machine, load
from model.errors import Again
from model.quiet import QuietRecords, is_quiet, is_silent
from model.schedule import Schedule, split
from vmformat import Kind, Section, Stream, read, write
from vmformat.reader import BUFFER

if TYPE_CHECKING:
    from model.outcome import Outcome

SILENT = ("per-device", "wrap-main", "v7-rcu-dispatch")


def passing(machine: Machine, quiet: QuietRecords, data: bytes, design: str) -> tuple[Outcome | None, int]:
    """A load that passes over what it can, None where that must not be; and how many it passed over."""
    quiet.begin()
    try:
        outcome = load(machine, data, DESIGNS[design](), quiet=quiet)
        quiet.end()
    except Again:
        outcome = None
    count = len(machine.left_out)
    machine.reset()
    return outcome, count


def plainly(machine: Machine, data: bytes, design: str) -> Outcome:
    outcome = load(machine, data, DESIGNS[design]())
    machine.reset()
    return outcome


@pytest.mark.parametrize(("name", "wanted"), [(PC, 60), (Q35, 30), ("q35-sata", 30), ("bridges", 20)])
def test_outcomes_are_the_same(name: str, wanted: int) -> None:
    machine = mutants.machine(name)
    plain = Machine(machine.description)
    plain.remembers = False
    seeds = [path.read_bytes() for path in find_machine(name).seeds]
    mutator, dice = make_mutator(machine.description, seeds), random.Random(3)
    inputs = list(seeds)
    while len(inputs) < wanted:
        inputs.append(split(mutator.mutate(dice.choice(inputs), mutator.max_size, dice.getrandbits(31)))[0])
    quiet = QuietRecords(machine)
    passed_over = again = 0
    for data in inputs * 2:
        for design in SILENT:
            outcome, count = passing(machine, quiet, data, design)
            expected = plainly(plain, data, design)
            passed_over += count
            if outcome is None:
                again += 1
                continue
            assert outcome == expected
            assert repr(outcome) == repr(expected)
            assert outcome.situation == expected.situation
    assert passed_over > 10 * len(inputs)
    assert again < len(inputs)


def seed(name: str = PC) -> Stream:
    return read(find_stream(f"{name}/after").read_bytes(), mutants.machine(name).schemas)


def place(stream: Stream, name: str) -> int:
    return next(n for n, one in enumerate(stream.records) if isinstance(one, Section) and one.name == name)


def known(machine: Machine, data: bytes) -> QuietRecords:
    """The quiet records of a machine that has loaded this three times."""
    quiet = QuietRecords(machine)
    for _ in range(3):
        passing(machine, quiet, data, "per-device")
    return quiet


def test_a_record_is_passed_over_from_the_third_time_on() -> None:
    machine, data = mutants.machine(PC), write(seed())
    quiet = QuietRecords(machine)
    counts = [passing(machine, quiet, data, "per-device")[1] for _ in range(4)]
    assert counts[:2] == [0, 0]
    assert counts[2] == counts[3] > 15


@pytest.mark.parametrize("kind", [Kind.FULL, Kind.END])
@pytest.mark.parametrize("first", [0, 1])
def test_what_was_passed_over_is_made_up_for_when_there_is_more(kind: Kind, first: int) -> None:
    machine, stream = mutants.machine(PC), seed()
    quiet = known(machine, write(stream))
    at = place(stream, "i8254")
    one = stream.records[at]
    assert isinstance(one, Section)
    for payload in (one.payload, bytes([first ^ one.payload[0]]) + one.payload[1:], one.payload[:9]):
        more = replace(one, kind=kind, payload=payload)
        data = write(replace(stream, records=(*stream.records[: at + 1], more, *stream.records[at + 1 :])))
        for design in SILENT:
            outcome, count = passing(machine, quiet, data, design)
            assert outcome == plainly(machine, data, design)
            assert outcome.situation == plainly(machine, data, design).situation
            assert count > 10


def test_whoever_runs_meanwhile_runs_all_the_same() -> None:
    machine, stream = mutants.machine(PC), write(seed())
    quiet = known(machine, stream)
    for turn, (point, number) in enumerate(product(("wait", "fields", "turn", "ram", "inside"), range(0, 30, 3))):
        who = ("vcpu-access 0x1000 4", "monitor-plug", "listener")[turn % 3]
        schedule = Schedule.parse(f"{point} {number}: {who}")
        for design in SILENT:
            quiet.begin()
            outcome = load(machine, stream, DESIGNS[design](), schedule=schedule, quiet=quiet)
            machine.reset()
            assert outcome == load(machine, stream, DESIGNS[design](), schedule=schedule)
            machine.reset()


def test_a_buffer_that_the_end_cuts_off_comes_out_as_ever() -> None:
    """Where QEMU's own buffer stands goes by all buffers that were taken before."""
    machine = mutants.machine(Q35)
    data = write(seed(Q35))
    quiet = known(machine, data)
    given_up = 0
    for at in range(BUFFER - 500, len(data), 977):
        for design in SILENT[:2]:
            outcome, _ = passing(machine, quiet, data[:at], design)
            given_up += outcome is None
            assert outcome is None or outcome == plainly(machine, data[:at], design)
    assert given_up > 5


def test_near_the_end_of_its_budget_a_load_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, stream = mutants.machine(PC), write(seed())
    quiet = known(machine, stream)
    steps = plainly(machine, stream, "per-device").steps
    monkeypatch.setattr("model.load_state.MAX_STEPS", steps // 2 - len(stream))
    assert passing(machine, quiet, stream, "per-device")[0] is None
    assert plainly(machine, stream, "per-device").verdict == "hung"


def test_who_is_looked_at_is_not_quiet() -> None:
    """rtl8139 looks at the clock that the section `timer` brings."""
    for name, expected in (("linux-pc", False), (PC, True)):
        machine = mutants.machine(name)
        timer = machine.find_handler("timer", 0)
        assert timer is not None
        assert (timer in QuietRecords(machine)._quiet) is expected
    assert not any(is_quiet(one, frozenset()) for one in machine.handlers if one.function is not None)


def test_designs_that_do_something_at_a_section_take_no_part() -> None:
    assert is_silent(DESIGNS["wrap-main"])
    assert not is_silent(DESIGNS["threaded-sections"])
    assert not is_silent(DESIGNS["commit-before-post-load"])


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, stream = mutants.machine(PC), seed()
    data = write(stream)
    quiet = known(machine, data)
    monkeypatch.setattr("model.quiet.records.MOST_BYTES", most := quiet._cost + 4000)
    at = place(stream, "i8254")
    one = stream.records[at]
    assert isinstance(one, Section)
    for number in range(40):
        other = replace(one, payload=one.payload[:-1] + bytes([number]))
        altered = replace(stream, records=(*stream.records[:at], other, *stream.records[at + 1 :]))
        assert passing(machine, quiet, write(altered), "per-device")[0] == plainly(
            machine, write(altered), "per-device"
        )
        assert quiet._cost < most
    monkeypatch.setattr("model.quiet.records.MOST_HEADS", 0)
    assert passing(machine, quiet, data, "per-device") == (plainly(machine, data, "per-device"), 0)
