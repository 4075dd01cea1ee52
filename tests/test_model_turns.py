"""Who runs when: each point, under designs that let go of the lock at different places, on the smallest machine."""

from __future__ import annotations

import struct

import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from model import DESIGNS, Machine, Outcome, load
from model.actors import ACTORS
from model.devices import ram
from model.schedule import POINTS, Schedule, Step

BAR = 0xFE000000
RAM = tiny.ram({0x3000: tiny.ring(1), 0x4000: tiny.ring(1)})
BLK = tiny.blk(command=6, bar=BAR, desc=0x2000, avail=0x3000, used=0x4000, last_avail=1)
NATURAL = tiny.HEADER + tiny.timer() + RAM + BLK + tiny.EOF
"""Records: 0 timer, 1 the start of RAM, 2 its end, 3 virtio-blk, 4 EOF."""
LATE = tiny.HEADER + BLK + RAM + tiny.timer() + tiny.EOF
"""The BAR is mapped before RAM lets go of the lock."""
PACKAGE = tiny.timer() + RAM + tiny.blk(section_id=5) + tiny.EOF
PACKAGED = tiny.HEADER + struct.pack(">BHHI", 8, 7, 4, len(PACKAGE)) + PACKAGE + tiny.EOF
"""Records: 0 the package; in it 1 timer, 2 and 3 RAM, 4 virtio-blk, 5 EOF."""


@pytest.fixture(scope="module")
def machine() -> Machine:
    return tiny.machine()


def outcome(machine: Machine, data: bytes, design: str, schedule: str, *, loadvm: bool = False) -> Outcome:
    try:
        return load(machine, data, DESIGNS[design](), loadvm=loadvm, schedule=Schedule.parse(schedule))
    finally:
        machine.reset()


PER_DEVICE, THREAD = "per-device", "threaded-sections"
WHERE = {
    # (stream, design, step, where it runs)
    "data is waited for": (NATURAL, PER_DEVICE, "wait 3: rcu-reclaim", "wait 3"),
    "within a section, too": (NATURAL, PER_DEVICE, "fields 0: rcu-reclaim", "fields 0"),
    "RAM lets go by itself": (NATURAL, PER_DEVICE, "ram 1: rcu-reclaim", "ram 1"),
    "a thread takes turns": (NATURAL, THREAD, "turn 0: rcu-reclaim", "turn 0"),
    "a coroutine does not": (NATURAL, PER_DEVICE, "turn 0: rcu-reclaim", "ram 0"),
    "twice, behind its config space": (NATURAL, PER_DEVICE, "fields 1: rcu-reclaim", "fields 1"),
    "a thread keeps the lock within a section": (LATE, THREAD, "fields 0: rcu-reclaim", "turn 0"),
    "but has none between them": (NATURAL, THREAD, "wait 1: rcu-reclaim", "wait 1"),
    "who waits does not make the loader wait": (LATE, PER_DEVICE, "turn 1: rcu-reclaim", "end"),
    "a package waits for no data": (PACKAGED, PER_DEVICE, "wait 1: rcu-reclaim", "ram 0"),
    "nor within its sections": (PACKAGED, PER_DEVICE, "fields 0: rcu-reclaim", "end"),
    "RAM lets go in a package": (PACKAGED, PER_DEVICE, "ram 1: rcu-reclaim", "ram 1"),
    "who needs no lock needs not wait": (PACKAGED, PER_DEVICE, "wait 1: vcpu-access 0 4", "wait 1"),
    "even there": (PACKAGED, PER_DEVICE, "fields 0: vcpu-access 0 4", "fields 0"),
    "a point that never comes": (NATURAL, PER_DEVICE, "wait 77: rcu-reclaim", "end"),
    "of a few transactions": (NATURAL, PER_DEVICE, "inside 77: vcpu-access 0 4", "end"),
}


@pytest.mark.parametrize(("data", "design", "step", "where"), WHERE.values(), ids=WHERE.keys())
def test_where_a_step_runs(machine: Machine, data: bytes, design: str, step: str, where: str) -> None:
    found = outcome(machine, data, design, step)
    assert [(str(one.step), one.where, one.result) for one in found.acted] == [(step, where, "done")]
    assert found.verdict == "accepted"


def test_within_a_section_its_own_changes_are_pending(machine: Machine) -> None:
    """Even a transaction around each section is open where the loader waits for more of it."""
    found = outcome(machine, NATURAL, "per-section", "fields 0: monitor-mtree; wait 3: monitor-mtree")
    assert [one.result for one in found.acted] == ["done", "harmful"]
    assert "released-at-fields" in {finding.cause.change for finding in found.findings}


@pytest.mark.parametrize("design", [PER_DEVICE, "wrap-main", THREAD])
def test_a_snapshot_load_lets_go_when_it_is_over(machine: Machine, design: str) -> None:
    steps = "wait 3: rcu-reclaim; ram 0: monitor-mtree; wait 0: vcpu-access 0 4"
    for data, verdict in ((NATURAL, "accepted"), (NATURAL[:-1], "refused")):
        found = outcome(machine, data, design, steps, loadvm=True)
        assert [one.where for one in found.acted] == ["wait 0", "end", "end"]
        assert found.verdict == verdict
        assert not [finding for finding in found.findings if finding.cause.oracle == "lock"]


def test_a_refused_migration_ends_the_process_and_with_it_who_waits(machine: Machine) -> None:
    assert outcome(machine, NATURAL[:-1], PER_DEVICE, "wait 9: rcu-reclaim").acted == ()


def test_steps_of_one_point_run_in_their_order_behind_those_that_wait(machine: Machine) -> None:
    found = outcome(machine, NATURAL, PER_DEVICE, "ram 0: monitor-mtree; ram 0: rcu-reclaim; turn 0: monitor-plug")
    assert [one.step.actor for one in found.acted] == ["monitor-plug", "monitor-mtree", "rcu-reclaim"]


@pytest.mark.parametrize(
    "step", ["ram 0: nobody", "ram 0: vcpu-access", "ram 0: vcpu-command 00:1f.0 1", "inside 0: rcu-reclaim-me"]
)
def test_a_step_that_nobody_can_do_is_idle(machine: Machine, step: str) -> None:
    found = outcome(machine, NATURAL, PER_DEVICE, step)
    assert [one.result for one in found.acted] == ["idle"]
    assert (found.verdict, found.findings) == ("accepted", ())


def test_the_lock_is_let_go_of_with_changes_pending(machine: Machine) -> None:
    def locks(data: bytes, design: str, schedule: str = "") -> set[str]:
        found = outcome(machine, data, design, schedule)
        return {finding.cause.change for finding in found.findings if finding.cause.oracle == "lock"}

    assert locks(LATE, "wrap-main") == {"released-at-ram"}
    assert locks(NATURAL, "wrap-main") == set()  # nothing is pending yet
    assert locks(NATURAL, "wrap-main", "wait 4: monitor-mtree") == {"released-at-wait"}
    assert locks(NATURAL, "wrap-main", "wait 4: vcpu-command 0000:00:02.0 0") == {"released-at-wait"}
    assert locks(LATE, PER_DEVICE, "wait 4: monitor-mtree") == set()
    assert "released-at-turn" in locks(NATURAL, "threaded-batch")


def test_ram_lets_go_again_and_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ram, "YIELDS", 2)
    assert outcome(machine, NATURAL, PER_DEVICE, "ram 3: rcu-reclaim").acted[0].where == "ram 3"


WORDS = st.sampled_from(["0000:00:02.0", "4", "0", hex(BAR), "0x3000", "0x102", "0xfffff", "x"])
STEPS = st.builds(
    Step,
    st.sampled_from(POINTS),
    st.integers(0, 6),
    st.sampled_from([*ACTORS, "nobody"]),
    st.lists(WORDS, max_size=3).map(tuple),
)


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=5), st.sampled_from(list(DESIGNS)), st.booleans())
def test_any_schedule_can_be_loaded_and_undone(steps: list[Step], design: str, loadvm: bool) -> None:
    """Nothing is raised, each step runs once at most, the same twice, and the machine is as it was."""
    schedule = Schedule(tuple(steps))
    fresh = load(TINY, LATE, DESIGNS[PER_DEVICE]())
    TINY.reset()
    one, two = (outcome(TINY, LATE, design, str(schedule), loadvm=loadvm) for _ in range(2))
    assert one == two
    assert sorted(one_step.step for one_step in one.acted) == sorted(schedule) or one.verdict != "accepted"
    again = load(TINY, LATE, DESIGNS[PER_DEVICE]())
    TINY.reset()
    assert again == fresh


TINY = tiny.machine()
