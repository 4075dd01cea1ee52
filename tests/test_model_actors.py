"""Actors: each does what it says, and what it meets depends on where it runs."""

from __future__ import annotations

import struct

import pytest
import tiny
from test_model_turns import BAR, BLK, LATE, NATURAL, RAM, outcome

from model import DESIGNS, Machine, from_json, judge, load
from model.actors import ACTORS
from model.schedule import Schedule

FUNCTION = "0000:00:02.0"
ELSEWHERE = 0xFD000000
REMAP = f"vcpu-remap {FUNCTION} 4 {ELSEWHERE:#x}"


@pytest.fixture(scope="module")
def machine() -> Machine:
    return tiny.machine()


def results(machine: Machine, design: str, schedule: str, data: bytes = NATURAL) -> list[str]:
    return [one.result for one in outcome(machine, data, design, schedule).acted]


def bars(machine: Machine, design: str, schedule: str, data: bytes = NATURAL) -> list[int]:
    """Where the BAR lies at the end, in the view of `memory`."""
    layout = dict(outcome(machine, data, design, schedule).layout)
    return [row[0] for row in layout["memory"] if row[2] == "virtio-pci"]


MEETS = {
    # (step, under wrap-main, under per-device): the BAR has been loaded before record 4
    "nothing pending": ("wait 3: vcpu-access 0xfe000000 4", "done", "done"),
    "a vCPU at the BAR": ("wait 4: vcpu-access 0xfe000000 4", "harmful", "done"),
    "a vCPU beside it": ("wait 4: vcpu-access 0xfe004000 4", "pending", "done"),
    "a vCPU across its end": ("wait 4: vcpu-access 0xfe003fff 2", "harmful", "done"),
    "of any length": ("wait 4: vcpu-access 0xfdfff000 0xffffffffffffffff", "pending", "done"),
    "the monitor": ("wait 4: monitor-mtree", "harmful", "done"),
    "a device that is plugged": ("wait 4: monitor-plug", "harmful", "done"),
    "a vCPU that maps and uses": (f"wait 4: {REMAP}", "harmful", "done"),
    "one that switches off": (f"wait 4: vcpu-command {FUNCTION} 0", "done", "done"),
    "RCU": ("wait 4: rcu-reclaim", "done", "done"),
    "no other loader": ("wait 4: second-loader", "idle", "idle"),
    "no postcopy": ("wait 4: listener", "idle", "idle"),
    "no such BAR": (f"wait 4: vcpu-remap {FUNCTION} 0 0xfd000000", "idle", "idle"),
    "no such function": ("wait 4: vcpu-command 0000:00:1f.7 0", "idle", "idle"),
}


@pytest.mark.parametrize(("step", "wrapped", "alone"), MEETS.values(), ids=MEETS.keys())
def test_what_a_step_meets(machine: Machine, step: str, wrapped: str, alone: str) -> None:
    assert results(machine, "wrap-main", step) == [wrapped]
    assert results(machine, "per-device", step) == [alone]


def test_every_actor_is_met() -> None:
    assert {step.split()[2] for step, _, _ in MEETS.values()} == set(ACTORS)


def test_inside_a_transaction_a_reader_sees_the_view_of_before(machine: Machine) -> None:
    """QEMU as it is: the BAR's own transaction has it in the tree and not yet in the view."""
    found = outcome(machine, NATURAL, "per-device", f"inside 0: vcpu-access {BAR:#x} 4")
    assert [one.result for one in found.acted] == ["harmful"]
    assert [str(finding.cause) for finding in found.findings] == [
        "per-device/flat-view-while-pending/vcpu-access/region:unmapped-to-io/virtio-blk"
    ]
    assert results(machine, "per-device", f"inside 0: vcpu-access {ELSEWHERE:#x} 4") == ["pending"]


def test_a_bar_that_a_vcpu_maps_is_where_it_says(machine: Machine) -> None:
    assert bars(machine, "per-device", "") == [BAR]
    for design in ("per-device", "wrap-main", "threaded-batch"):
        assert bars(machine, design, f"wait 4: {REMAP}") == [ELSEWHERE], design
        # The section that comes behind has the last word.
        assert bars(machine, design, f"wait 3: {REMAP}") == [BAR], design
    # Wherever it may not lie it is not; low bits do not count.
    assert bars(machine, "per-device", f"wait 4: vcpu-remap {FUNCTION} 4 0") == []
    assert bars(machine, "per-device", f"wait 4: vcpu-remap {FUNCTION} 4 {ELSEWHERE + 0x123:#x}") == [ELSEWHERE]


def test_a_command_register_switches_decoding_and_bus_master() -> None:
    described = tiny.description()
    described["pci"][0]["writable"] = {"04": "07"}
    machine = Machine(from_json(described))
    for value, mapped, master in (("0", 0, 0), ("0xff", 1, 2), ("4", 0, 1), ("2", 1, 0)):
        found = outcome(machine, NATURAL, "per-device", f"wait 4: vcpu-command {FUNCTION} {value}")
        views = dict(found.layout)
        assert [row[2] for row in views["memory"]].count("virtio-pci") == mapped, value
        assert len(views["virtio-blk-pci"]) == master, value


def test_a_transaction_left_open_hides_what_a_vcpu_does_ever_after(machine: Machine) -> None:
    """v1's begin at a FULL section and no commit: a snapshot load that fails lets the process live on like that."""
    torn = tiny.HEADER + tiny.timer()
    step = Schedule.parse(f"wait 9: {REMAP}")
    for design, result in (("per-device", "done"), ("wrap-main", "done"), ("v1-flag-eof", "harmful")):
        found = load(machine, torn, DESIGNS[design](), loadvm=True, schedule=step)
        machine.reset()
        assert [(one.where, one.result) for one in found.acted] == [("end", result)], design


def test_a_device_that_is_plugged_hears_what_is_published_and_is_gone_after_a_reset(machine: Machine) -> None:
    spaces, listeners = list(machine.memory.spaces), list(machine.memory.listeners)
    load(
        machine, NATURAL, DESIGNS["wrap-main"](), schedule=Schedule.parse("wait 4: monitor-plug; wait 4: monitor-plug")
    )
    assert len(machine.memory.spaces) == len(spaces) + 2
    machine.reset()
    assert (machine.memory.spaces, machine.memory.listeners) == (spaces, listeners)


@pytest.mark.parametrize("design", ["v4-depth-or-rcu", "v5-bql-or-rcu"])
def test_a_guard_kills_who_plugs_a_device(machine: Machine, design: str) -> None:
    found = outcome(machine, NATURAL, design, "wait 4: monitor-plug")
    assert (found.verdict, [one.result for one in found.acted]) == ("aborted", ["died"])
    assert "address_space_set_flatview" in found.messages[-1]


def test_a_second_loader_changes_the_order_and_nothing_is_loaded_twice(machine: Machine) -> None:
    data = tiny.HEADER + RAM + tiny.timer() + BLK + tiny.timer() + tiny.EOF
    alone = outcome(machine, data, "threaded-sections", "")
    found = outcome(machine, data, "threaded-sections", "wait 2: second-loader")
    assert [one.result for one in found.acted] == ["done"]
    assert (found.verdict, found.layout, found.devices) == (alone.verdict, alone.layout, alone.devices)
    assert found.rebuilds == alone.rebuilds
    # There must be two FULL sections ahead.
    assert results(machine, "threaded-sections", "wait 5: second-loader", data) == ["idle"]
    # What it fails at, the load fails at.
    bad = data.replace(struct.pack(">II", 0, 2) + bytes(8), struct.pack(">II", 0, 9) + bytes(8))
    bad = tiny.HEADER + RAM + BLK + bad[len(tiny.HEADER + RAM) :]
    one, two = (outcome(machine, bad, "threaded-sections", step) for step in ("", "wait 2: second-loader"))
    assert (one.verdict, one.at) == (two.verdict, two.at)
    assert one.verdict == "refused"


def test_the_listener_loads_a_record_of_the_channel_beside_the_package(machine: Machine) -> None:
    advise, listen, run = (struct.pack(">BHH", 8, command, 0) for command in (3, 4, 5))
    body = listen + tiny.timer() + run
    head = tiny.HEADER + advise + struct.pack(">BHHI", 8, 7, 4, len(body)) + body
    # Records: 0 advise, 1 the package; in it 2 listen, 3 timer, 4 run. What is behind it is the channel's.
    found = outcome(machine, head + tiny.timer() + tiny.EOF, "per-device", "wait 3: listener")
    assert [(one.where, one.result) for one in found.acted] == [("wait 3", "done")]
    assert found.verdict == "accepted"
    assert results(machine, "per-device", "wait 1: listener", head + tiny.EOF) == ["idle"]
    # A device that it loads commits without the lock.
    died = outcome(machine, head + BLK + tiny.EOF, "per-device", "wait 3: listener")
    assert (died.verdict, [one.result for one in died.acted]) == ("aborted", ["died"])


def test_a_schedule_shows_what_a_stream_does_not(machine: Machine) -> None:
    """The guard of p21 is blind to reads; it sees a lock that is let go of."""
    for data, design, step, oracle in (
        (NATURAL, "p21-bql-assert", f"inside 0: vcpu-access {BAR:#x} 4", "guard"),
        (NATURAL, "thread-local-check", "wait 4: monitor-mtree", "verdict"),
        (LATE, "threaded-batch", f"turn 0: {REMAP}", "flat-view-while-pending"),
    ):
        reference = outcome(machine, data, "per-device", step)
        assert oracle in {finding.cause.oracle for finding in judge(reference, outcome(machine, data, design, step))}
        alone = judge(outcome(machine, data, "per-device", ""), outcome(machine, data, design, ""))
        assert oracle not in {finding.cause.oracle for finding in alone}
