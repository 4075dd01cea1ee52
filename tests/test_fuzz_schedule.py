"""Schedules in a campaign: arms make steps that can be done, streams and schedules are mutated side by side."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.mutate import Dice, Mutator
from fuzz.mutate.schedule import ARMS, Setting, mix
from fuzz.targets.stream import StreamTarget
from fuzz.work.build import Destination, make_mutator
from model import DESIGNS, REFERENCE, from_json
from model.actors import ACTORS, check
from model.schedule import EMPTY_SCHEDULE, MAX_STEPS, Schedule, Step, join, split

if TYPE_CHECKING:
    from fuzz.engine.target import Feature

BLK = tiny.blk(command=6, bar=0xFE000000, desc=0x2000, avail=0x3000, used=0x4000)
SEED = tiny.HEADER + tiny.timer() + BLK + tiny.EOF
NATURAL = tiny.HEADER + tiny.ram({}) + 5 * tiny.timer() + BLK + tiny.timer() + tiny.EOF
DESCRIPTION = from_json(tiny.description())
STEPS = Schedule.parse("wait 2: vcpu-access 0xfe000000 4; ram 0: vcpu-remap 0000:00:02.0 4 0xfd000000")


@cache
def mutator(*, schedules: bool = True) -> Mutator:
    return make_mutator(DESCRIPTION, [SEED], schedules=schedules)


@cache
def setting() -> Setting:
    made = mutator()
    return Setting(made._scene, made.parse(SEED))


@settings(max_examples=40)
@given(st.sampled_from(list(ARMS)), st.integers(0, 1 << 32), st.lists(st.integers(0, 1 << 32), max_size=6))
def test_an_arm_makes_steps_that_can_be_done(name: str, seed: int, before: list[int]) -> None:
    arm, _ = ARMS[name]
    machine = Destination(DESCRIPTION).machine
    schedule = EMPTY_SCHEDULE
    for one in before:
        schedule = ARMS["schedule-add"][0](schedule, Dice(one), setting()) or schedule
    changed = arm(schedule, Dice(seed), setting())
    assert changed == arm(schedule, Dice(seed), setting())
    if changed is None:
        assert not schedule or name != "schedule-remove"
        return
    check(changed, ACTORS, machine)
    assert Schedule.parse(str(changed)) == changed
    grows = len(changed) - len(schedule)
    wanted = {
        "schedule-add": {1},
        "schedule-duplicate": {1},
        "schedule-remap-and-read": {2},
        "schedule-move": {0},
        "schedule-change": {0},
    }
    assert grows in wanted.get(name, set(range(-len(schedule), 0)))


def test_every_actor_and_point_is_tried_and_addresses_are_those_of_the_stream() -> None:
    add, _ = ARMS["schedule-add"]
    steps = [one.steps[0] for seed in range(600) if (one := add(EMPTY_SCHEDULE, Dice(seed), setting()))]
    assert {step.actor for step in steps} == set(ACTORS)
    assert {step.point for step in steps} == {"wait", "fields", "ram", "turn", "inside"}
    asked = {int(step.arguments[0], 0) for step in steps if step.actor == "vcpu-access"}
    assert {0xFE000000, 0x2000, 0x3000, 0x4000} <= asked
    assert any(0xC0000 <= address < 0x100000 for address in asked)


def test_of_two_schedules_comes_one_or_both() -> None:
    other = Schedule((Step("ram", 1, "rcu-reclaim"),))
    mixed = {mix(STEPS, other, Dice(seed)) for seed in range(60)}
    assert {STEPS, other} < mixed
    assert all(set(one) <= {*STEPS, *other} for one in mixed)
    assert mix(EMPTY_SCHEDULE, EMPTY_SCHEDULE, Dice(1)) == EMPTY_SCHEDULE
    long = Schedule(STEPS.steps * (MAX_STEPS // 2))
    assert max(len(mix(long, long, Dice(seed))) for seed in range(60)) <= MAX_STEPS


def test_a_stream_with_a_schedule_is_mutated_as_one_without() -> None:
    made, whole = mutator(), join(SEED, STEPS)
    mutants = [made.mutate(whole, 65536, seed) for seed in range(400)]
    assert mutants == [made.mutate(whole, 65536, seed) for seed in range(400)]
    parts = [split(mutant) for mutant in mutants]
    kept = sum(schedule == STEPS for _, schedule in parts)
    assert 200 < kept < 340
    assert 20 < sum(stream == SEED and schedule != STEPS for stream, schedule in parts) < 100
    assert sum(made.parse(stream) is not None for stream, _ in parts) > 200
    assert not any(b"VMFZSCHD" in stream for stream, _ in parts)
    # What is too long loses its schedule first.
    assert all(len(made.mutate(whole, len(SEED), seed)) <= len(SEED) for seed in range(40))
    crossed = [split(made.crossover(whole, SEED, 65536, seed))[1] for seed in range(40)]
    assert {*crossed} == {STEPS, EMPTY_SCHEDULE} or {*crossed} == {STEPS}
    assert all(len(made.crossover(whole, whole, len(whole), seed)) <= len(whole) for seed in range(40))


def test_most_inputs_of_a_campaign_have_none() -> None:
    made, corpus = mutator(), [SEED]
    for seed in range(800):
        corpus.append(made.mutate(corpus[seed * 7919 % len(corpus)], 65536, seed))
    share = sum(bool(split(data)[1]) for data in corpus) / len(corpus)
    print(f"{share:.0%} of inputs have a schedule")
    assert 0.05 < share < 0.35


def test_where_nobody_looks_at_schedules_none_are_made() -> None:
    made = mutator(schedules=False)
    mutants = [made.mutate(SEED, 65536, seed) for seed in range(200)]
    assert not any(split(mutant)[1] for mutant in mutants)
    assert not set(ARMS) & set(made.counts())


@pytest.mark.parametrize("design", ["thread-local-check", "wrap-main"])
def test_the_target_loads_under_the_schedule(design: str) -> None:
    target = StreamTarget(lambda: Destination(DESCRIPTION), REFERENCE, [DESIGNS[design]])
    alone, scheduled = target.run(SEED), target.run(join(SEED, STEPS))
    assert {found.cause for found in scheduled.found} - {found.cause for found in alone.found}
    facts = {fact for fact in scheduled.features if fact[0] == "acted"}
    assert ("acted", "vcpu-access", "wait", "done") in facts  # under the reference
    assert ("died" if design == "thread-local-check" else "harmful") in {fact[3] for fact in facts}
    assert not [fact for fact in alone.features if fact[0] == "acted"]


KNOWN = {
    # what is known of the design and shows by a schedule: part of a cause
    "thread-local-check": "verdict/loader/accepted->aborted/",
    "v4-depth-or-rcu": "guard/vcpu-remap/missed-",
    "p21-bql-assert": "guard/vcpu-access/missed-",
    "threaded-sections": "layout/flat-view/",
    "threaded-batch": "flat-view-while-pending/vcpu-remap/region:unmapped-to-io/",
}
EXECUTIONS = 3000


@pytest.mark.parametrize("design", KNOWN)
def test_what_is_known_to_show_by_a_schedule_is_found(design: str) -> None:
    """A campaign in small: an input with a new fact is kept, and mutated in its turn."""
    made, corpus = mutator(), [NATURAL]
    facts: set[Feature] = set()
    target = StreamTarget(lambda: Destination(DESCRIPTION), REFERENCE, [DESIGNS[design]])
    for seed in range(1, EXECUTIONS):
        data = made.mutate(corpus[seed * 7919 % len(corpus)], 65536, seed)
        execution = target.run(data)
        if any(KNOWN[design] in found.cause for found in execution.found):
            break
        fresh = {*execution.features} - facts
        if fresh:
            facts |= fresh
            corpus.append(data)
    print(f"{design}: {seed} executions")
    assert seed < EXECUTIONS - 1
    assert split(data)[1]
