"""Lives of a process beyond one load: what a reset, another load, the start of the guest and a save bring to light."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import mutants
import pytest
import tiny
from mutants import page

from fuzz.corpus import find_stream
from fuzz.crashers import read_crasher
from model import DESIGNS, LIVES, REFERENCE, Design, Machine, Stage, judge_life, live
from vmformat import write

if TYPE_CHECKING:
    from model.designs import Load, Rings

FAILING = tiny.HEADER + tiny.blk(command=6, bar=0x200000)
"""A section that maps a BAR, and no EOF."""

GOOD = FAILING + tiny.EOF
EMPTY = tiny.HEADER + tiny.EOF
HEADER_PAGE = page(0xE9000, b"\0" * 0x417 + b"\x55" + struct.pack("<IIQ", 0xFF, 0, 0))
REQUEST = "q35-request"
CRASHERS = Path(__file__).resolve().parent.parent / "corpus" / "crashers"


@pytest.fixture(scope="module")
def machine() -> Machine:
    return tiny.machine()


def names(stages: tuple[Stage, ...]) -> list[tuple[str, str]]:
    return [(stage.name, stage.outcome.verdict) for stage in stages]


def causes(machine: Machine, data: bytes, design: str, life: str) -> set[str]:
    reference = live(machine, data, REFERENCE, life)
    found = judge_life(reference, live(machine, data, DESIGNS[design], life))
    return {str(finding.cause).partition("/")[2] for finding in found}


STAGES = {
    # stream.md 2.9, rows 9 and 10: (stream, design, stages)
    "accepted": (GOOD, "per-device", [("load", "accepted"), ("reset", "accepted"), ("again", "accepted")]),
    "row 10": (GOOD, "v1-flag-eof", [("load", "accepted"), ("reset", "accepted"), ("again", "aborted")]),
    "row 9": (
        FAILING,
        "v1-flag-eof",
        [("load", "refused"), ("reset", "accepted"), ("again", "refused"), ("recovery", "accepted")],
    ),
    "the process dies": (EMPTY, "v1-flag-eof", [("load", "aborted")]),
    "no section, no change": (EMPTY, "wrap-main", [("load", "accepted"), ("reset", "accepted"), ("again", "accepted")]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "design", "expected"), STAGES.values(), ids=STAGES.keys())
def test_stages(machine: Machine, data: bytes, design: str, expected: list[tuple[str, str]]) -> None:
    assert names(live(machine, data, DESIGNS[design], "loadvm")) == expected


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize(
    "design", ["per-device", "v1-flag-eof", "v2-postponed-checks", "v6-do-commit", "threaded-batch"]
)
def test_the_machine_is_pristine_afterwards(machine: Machine, life: str, design: str) -> None:
    before = machine.layout(), machine.device_states()
    first = live(machine, GOOD, DESIGNS[design], life)
    assert (machine.layout(), machine.device_states()) == before
    assert (machine.memory.depth, machine.process) == (0, {})
    assert live(machine, GOOD, DESIGNS[design], life) == first


def test_after_a_failed_load_with_its_transaction_open_a_reset_changes_no_view(machine: Machine) -> None:
    """Row 9."""
    reference = live(machine, FAILING, REFERENCE, "loadvm")
    candidate = live(machine, FAILING, DESIGNS["v1-flag-eof"], "loadvm")
    load, reset = (stage.outcome for stage in candidate[:2])
    assert (load.depth_at_end, reset.depth_at_end) == (1, 1)
    assert load.layout == reset.layout != reference[0].outcome.layout
    (frozen,) = (one for one in judge_life(reference, candidate) if one.cause.oracle == "reset")
    assert str(frozen.cause) == "v1-flag-eof/reset/system_reset/nothing-changes/machine"
    assert "the layout never changes again" in frozen.text


def test_after_it_a_good_load_shows_everything_at_once(machine: Machine) -> None:
    """Its EOF commits what the failed one began."""
    *_, recovery = live(machine, FAILING, DESIGNS["v1-flag-eof"], "loadvm")
    assert (recovery.name, recovery.outcome.depth_at_end, recovery.outcome.rebuilds) == ("recovery", 0, 1)


def test_a_second_load_of_the_process_does_not_pair(machine: Machine) -> None:
    """Row 10."""
    assert causes(machine, GOOD, "v1-flag-eof", "loadvm") == {"again-pairing/loader/commit-without-begin/stream"}


@pytest.mark.parametrize("data", [GOOD, FAILING, EMPTY], ids=["good", "failing", "empty"])
def test_nothing_is_found_where_every_path_closes(machine: Machine, data: bytes) -> None:
    assert causes(machine, data, "wrap-main", "loadvm") == set()


def test_where_the_loads_part_what_follows_is_no_news(machine: Machine) -> None:
    """An EOF without a FULL section kills one of them; what the other does afterwards is not compared."""
    assert causes(machine, EMPTY, "v1-flag-eof", "loadvm") == set()


class Forgetful(Design):
    """Remembers in the process that it has loaded, and refuses to do so again."""

    name = "forgetful"

    def load_begins(self, load: Load) -> None:
        if "loaded" in load.process:
            load.abort("once is enough")
        load.process["loaded"] = True


def test_what_a_design_keeps_for_the_process_outlives_a_load(machine: Machine) -> None:
    assert names(live(machine, GOOD, Forgetful, "loadvm"))[-1] == ("again", "aborted")


# Resume


def test_a_request_goes_on_as_what_its_header_says_where_it_was_mapped() -> None:
    """virtio.md 9.1, row 15: of a type that there is not, or in ROM, where it is a read."""
    data = write(HEADER_PAGE(mutants.stream(REQUEST)))
    machine = mutants.machine(REQUEST)
    texts = []
    for design in ("per-device", "wrap-main"):
        stage = live(machine, data, DESIGNS[design], "resume")[1]
        (blk,) = (one for one in stage.outcome.devices if one.kind == "virtio-blk")
        texts.append(dict(blk.derived)["restarted request 0"])
    assert texts == ["of type 0xff at sector 0x0", "of type 0x0 at sector 0x0"]
    found = causes(machine, data, "wrap-main", "resume")
    assert "resume-device-state/restarted-request/derived/virtio-blk" in found


def ring(*, avail: int, descriptor: bytes = b"") -> bytes:
    """A stream of a started device whose driver has offered one request behind index 1, if `avail` is 2."""
    entries = struct.pack("<HHHH", 0, avail, 0, 3)
    ram = tiny.ram({0x2000: bytes(48) + descriptor, 0x3000: entries, 0x4000: tiny.ring(1)})
    started = tiny.subsection("virtio/started", b"\1")
    section = tiny.blk(command=6, bar=0x200000, desc=0x2000, avail=0x3000, used=0x4000, last_avail=1)
    foot = section[-5:]
    return tiny.HEADER + ram + section[:-5] + started + foot + tiny.EOF


def test_what_the_driver_has_offered_is_taken_from_the_ring(machine: Machine) -> None:
    offered = ring(avail=2, descriptor=struct.pack("<QIHH", 0x5000, 0x200, 2, 0))
    for data, expected in ((offered, {"offered on queue 0": "0x5000+0x200 to write"}), (ring(avail=1), {})):
        load, resume = live(machine, data, REFERENCE, "resume")
        assert (load.outcome.verdict, resume.outcome.verdict) == ("accepted", "accepted")
        assert dict(resume.outcome.devices[0].derived) == expected


def test_starting_makes_notifiers_and_no_rebuild(machine: Machine) -> None:
    """virtio.md 8: the commit is one of ioeventfds alone."""
    _, resume = live(machine, ring(avail=1), REFERENCE, "resume")
    assert (resume.outcome.rebuilds, resume.outcome.depth_at_end) == (0, 0)


class Late(Design):
    """Checks rings when the guest is started, whatever was refused there."""

    name = "late"

    def __init__(self) -> None:
        self.waiting: list[tuple[Rings, int]] = []

    def ring_check(self, load: Load, device: Rings, index: int) -> None:
        self.waiting.append((device, index))

    def run_state_change(self, load: Load) -> None:
        if load.running:
            for device, index in self.waiting:
                assert device.check_ring(index) is None
            self.waiting = []


class Listens(Design):
    """Notes when it hears of the run state."""

    name = "listens"

    def run_state_change(self, load: Load) -> None:
        heard = load.process.setdefault("heard", [])
        assert isinstance(heard, list)
        heard.append(load.running)
        load.say(f"heard {heard}")


@pytest.mark.parametrize(
    ("name", "said"), [("tiny", ["heard [True]"]), ("q35-modern", ["heard [False]", "heard [False, True]"])]
)
def test_a_design_hears_of_the_start_once(machine: Machine, name: str, said: list[str]) -> None:
    """At the end of the load, if the guest ran on the source; else when somebody starts it."""
    captured = name != "tiny"
    machine = mutants.machine(name) if captured else machine
    data = find_stream(f"{name}/after").read_bytes() if captured else GOOD
    stages = live(machine, data, Listens, "resume")
    messages = [line for stage in stages for line in stage.outcome.messages]
    assert [line for line in messages if line.startswith("heard")] == said


def test_checks_that_waited_for_the_start_are_made_there() -> None:
    """A guest that was saved paused: used and in-use indices are not there before it is started."""
    machine, data = mutants.machine("q35-modern"), find_stream("q35-modern/after").read_bytes()
    load, resume = (stage.outcome for stage in live(machine, data, Late, "resume"))
    (reference, *_) = live(machine, data, REFERENCE, "resume")
    assert load.devices != reference.outcome.devices
    assert [one.queues for one in resume.devices] == [one.queues for one in reference.outcome.devices]


# Save again


@pytest.mark.parametrize("name", ["pc-small", "q35-request", "q35-usb", "virtio-zoo"])
def test_what_the_program_of_today_saves_again_loads_as_before(name: str) -> None:
    stages = live(mutants.machine(name), find_stream(f"{name}/after").read_bytes(), REFERENCE, "resave")
    assert [stage.name for stage in stages] == ["load", "resave"]
    first, second = (stage.outcome for stage in stages)
    assert (first.verdict, first.layout, first.devices) == (second.verdict, second.layout, second.devices)


def test_a_device_broken_by_a_load_is_broken_for_ever() -> None:
    crasher = read_crasher(CRASHERS / "wrap-main-breaks-device.vmstate")
    machine = mutants.machine(crasher.machine)
    found = causes(machine, crasher.path.read_bytes(), "wrap-main", "resave")
    assert found == {"resave-device-state/broken/derived/virtio-blk"}


def test_slots_that_were_dropped_are_dropped_for_ever() -> None:
    """virtio.md 9.1, row 8: seen by load, save, compare."""
    data = find_stream("q35-usb/after").read_bytes()
    assert causes(mutants.machine("q35-usb"), data, "wrap-main", "resave") == {"resave-device-state/slot/derived/xhci"}


def test_what_a_part_loads_of_a_device_is_not_saved(machine: Machine) -> None:
    """No program writes that, and what it loads depends on what came before."""
    part = b"\2" + bytes(4) + tiny.timer()[-13:]  # eight bytes of payload and the footer
    for again, stages in ((b"", [("load", "accepted"), ("resave", "accepted")]), (part, [("load", "accepted")])):
        stream = tiny.HEADER + tiny.timer() + again + tiny.EOF
        assert names(live(machine, stream, REFERENCE, "resave")) == stages


def test_nobody_saves_what_was_refused(machine: Machine) -> None:
    assert names(live(machine, FAILING, REFERENCE, "resave")) == [("load", "refused")]
