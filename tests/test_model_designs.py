"""Where each design begins and commits, what its readers get, and what is found to be wrong with it."""

from __future__ import annotations

import struct

import pytest
import tiny

from model import DESIGNS, Machine, Outcome, compare, judge, load
from model.schedule import Schedule

RING = tiny.ram({0x3000: tiny.ring(1), 0x4000: tiny.ring(1)})
BLK = tiny.blk(command=6, bar=0xFE000000, desc=0x2000, avail=0x3000, used=0x4000, last_avail=1)
NATURAL = tiny.HEADER + tiny.timer() + RING + BLK + tiny.EOF


@pytest.fixture(scope="module")
def machine() -> Machine:
    return tiny.machine()


def outcome(machine: Machine, data: bytes, design: str, *, loadvm: bool = False, schedule: str = "") -> Outcome:
    try:
        return load(machine, data, DESIGNS[design](), loadvm=loadvm, schedule=Schedule.parse(schedule))
    finally:
        machine.reset()


def causes(machine: Machine, data: bytes, design: str, schedule: str = "") -> set[str]:
    """What is wrong with the design: causes without its name."""
    reference = outcome(machine, data, "per-device", schedule=schedule)
    found = judge(reference, outcome(machine, data, design, schedule=schedule))
    return {str(finding.cause).split("/", 1)[1] for finding in found}


def packaged(body: bytes) -> bytes:
    return struct.pack(">BHHI", 8, 7, 4, len(body)) + body


PAIRING = {
    # stream.md 2.9: (stream, verdict and depth under v1-flag-eof, the same under wrap-main)
    "row 1: normal": (NATURAL, ("accepted", 0), ("accepted", 0)),
    "row 2: no FULL section": (tiny.HEADER + RING + tiny.EOF, ("aborted", 0), ("accepted", 0)),
    "row 3: no EOF": (tiny.HEADER + RING, ("refused", 0), ("refused", 0)),
    "row 4: FULL and no EOF": (tiny.HEADER + tiny.timer(), ("refused", 1), ("refused", 0)),
    "row 5: EOF in a package": (
        tiny.HEADER + packaged(tiny.timer() + tiny.EOF) + tiny.EOF,
        ("aborted", 0),
        ("accepted", 0),
    ),
    "row 7: a package of nothing but EOF": (
        tiny.HEADER + packaged(tiny.EOF) + tiny.timer() + tiny.EOF,
        ("aborted", 0),
        ("accepted", 0),
    ),
    "row 12: EOF early, junk behind": (
        tiny.HEADER + tiny.timer() + tiny.EOF + b"junk",
        ("accepted", 0),
        ("accepted", 0),
    ),
}


@pytest.mark.parametrize(("data", "flag", "wrap"), PAIRING.values(), ids=PAIRING.keys())
def test_pairing(machine: Machine, data: bytes, flag: tuple[str, int], wrap: tuple[str, int]) -> None:
    for design, expected in (("v1-flag-eof", flag), ("wrap-main", wrap)):
        found = outcome(machine, data, design)
        assert (found.verdict, found.depth_at_end) == expected, design
        unpaired = [finding for finding in found.findings if finding.cause.oracle == "pairing"]
        assert bool(unpaired) == (expected != wrap)


def test_postcopy_listener_commits_without_the_lock(machine: Machine) -> None:
    listen, run = struct.pack(">BHH", 8, 4, 0), struct.pack(">BHH", 8, 5, 0)
    advise = struct.pack(">BHH", 8, 3, 0)
    data = tiny.HEADER + advise + packaged(listen + tiny.timer() + run) + tiny.EOF
    assert outcome(machine, data, "per-device").verdict == "accepted"
    for design in ("v1-flag-eof", "wrap-main"):
        found = outcome(machine, data, design)
        assert found.verdict == "aborted"
        assert [finding.cause.change for finding in found.findings] == ["commit-without-lock"]


# Rebuilds and forced commits of a normal stream: one BAR and the bus master. Designs not named rebuild once.
REBUILDS = {
    "per-device": (2, 0),
    "p21-bql-assert": (2, 0),
    "threaded-sections": (2, 0),
    "assert-depth": (0, 0),
    "force-depth0": (1, 1),
    "v6-do-commit": (1, 3),
    "commit-before-post-load": (1, 0),
}


@pytest.mark.parametrize("design", [name for name in DESIGNS if name != "force-naive"])
def test_rebuilds_of_a_normal_stream(machine: Machine, design: str) -> None:
    found = outcome(machine, NATURAL, design)
    assert (found.rebuilds, found.forced_commits) == REBUILDS.get(design, (1, 0))


def test_reads_while_pending_are_counted_by_reader(machine: Machine) -> None:
    found = outcome(machine, NATURAL, "wrap-main")
    assert found.reads_while_pending == (("virtio_init_region_cache", 3),)
    assert found.harmful_reads == ()
    assert outcome(machine, NATURAL, "per-device").reads_while_pending == ()


def test_a_ring_that_only_the_final_view_shows_is_a_harmful_read() -> None:
    # With iommu_platform the rings are read through the bus-master space, which this very section opens (virtio.md
    # 9.1).
    document = tiny.description()
    document["pci"][0]["virtio"]["iommu_platform"] = True
    machine = tiny.machine(pci=document["pci"])
    reference, found = outcome(machine, NATURAL, "per-device"), outcome(machine, NATURAL, "wrap-main")
    assert found.harmful_reads == (("virtio_init_region_cache", 3),)
    (harmful,) = found.findings
    assert harmful.kind == "harmful read"
    assert str(harmful.cause) == (
        "wrap-main/flag/".replace("flag", "flat-view-while-pending")
        + "virtio_init_region_cache/region:unmapped-to-ram/virtio-blk"
    )
    assert not reference.devices[0].broken
    assert found.devices[0].broken
    assert {finding.cause.reader for finding in compare(reference, found)} == {
        "broken",
        "interrupt-line",
        "shadow_avail",
        "used",
    }


def test_assert_depth_dies_at_the_first_reader(machine: Machine) -> None:
    found = outcome(machine, NATURAL, "assert-depth")
    assert found.verdict == "aborted"
    assert found.at is not None
    assert found.at.section == tiny.SECTION
    assert found.messages == ("virtio_init_region_cache: flat view of memory used at transaction depth 1",)


def test_no_design_changes_the_final_layout(machine: Machine) -> None:
    reference = outcome(machine, NATURAL, "per-device")
    for design in ("v1-flag-eof", "wrap-main"):
        assert compare(reference, outcome(machine, NATURAL, design)) == ()


def test_a_transaction_left_open_freezes_the_layout_after_a_failed_snapshot_load(machine: Machine) -> None:
    data = tiny.HEADER + BLK + b"\x55"
    reference = outcome(machine, data, "per-device", loadvm=True)
    found = outcome(machine, data, "v1-flag-eof", loadvm=True)
    oracles = {finding.cause.oracle for finding in compare(reference, found, survives_failure=True)}
    assert oracles == {"layout", "listener-trace"}


# What the thread knows of each row, on the smallest machine. Records of NATURAL: timer, ram, ram, virtio-blk, EOF.
LOOK = "wait 4: monitor-mtree"
REMAP = "wait 4: vcpu-remap 0000:00:02.0 4 0xfd000000"
NOTHING_PENDING = tiny.HEADER + RING + tiny.blk(desc=0x2000, avail=0x3000, used=0x4000, last_avail=1) + tiny.EOF
IN_USE = (
    tiny.HEADER
    + tiny.ram({0x3000: tiny.ring(0x200), 0x4000: tiny.ring(0)})
    + tiny.blk(command=6, bar=0xFE000000, desc=0x2000, avail=0x3000, used=0x4000, last_avail=0x200)
    + tiny.EOF
)


@pytest.fixture(scope="module")
def behind_iommu() -> Machine:
    document = tiny.description()
    document["pci"][0]["virtio"]["iommu_platform"] = True
    return tiny.machine(pci=document["pci"])


def test_the_thread_local_check_stops_others_and_not_the_loader(machine: Machine, behind_iommu: Machine) -> None:
    assert "verdict/loader/accepted->aborted/stream" in causes(machine, NATURAL, "thread-local-check", LOOK)
    missed = "guard/virtio_init_region_cache/missed-region:unmapped-to-ram/virtio-blk"
    assert missed in causes(behind_iommu, NATURAL, "thread-local-check")


def test_assert_depth_stops_what_is_benign(machine: Machine) -> None:
    assert "guard/virtio_init_region_cache/stopped-benign/virtio-blk" in causes(machine, NATURAL, "assert-depth")


def test_postponed_caches_break_every_used_device(machine: Machine) -> None:
    found = outcome(machine, NATURAL, "postponed-cache")
    (device,) = found.devices
    assert device.broken
    assert found.messages == ("VQ 0 size 0x100 Guest index 0x0 inconsistent with Host index 0x1: delta 0xffff",)


@pytest.mark.parametrize("design", ["postponed-cache", "v2-postponed-checks"])
def test_nothing_pending_means_no_cache(machine: Machine, design: str) -> None:
    assert "device-state/no-caches/derived/virtio-blk" in causes(machine, NOTHING_PENDING, design)


def test_checks_in_the_listener_can_only_abort(machine: Machine) -> None:
    assert outcome(machine, IN_USE, "per-device").verdict == "refused"
    found = outcome(machine, IN_USE, "v2-postponed-checks")
    assert found.verdict == "aborted"
    assert found.at is not None
    assert "last_avail_idx 0x200 - used_idx 0x0" in found.at.errors[0]


def test_checks_at_the_run_state_change_come_too_late(machine: Machine) -> None:
    found = outcome(machine, IN_USE, "v3-runstate")
    assert (found.verdict, found.devices[0].broken) == ("accepted", True)
    assert causes(machine, NATURAL, "v3-runstate") == set()


@pytest.mark.parametrize("design", ["v4-depth-or-rcu", "v5-bql-or-rcu"])
def test_rcu_satisfies_a_guard_while_another_thread_has_the_transaction(machine: Machine, design: str) -> None:
    found = causes(machine, NATURAL, design, "wait 4: vcpu-access 0xfe000000 4")
    assert "guard/vcpu-access/missed-region:unmapped-to-io/stream" in found


def test_a_device_plugged_during_a_load_dies_of_the_guard(machine: Machine) -> None:
    found = outcome(machine, NATURAL, "v5-bql-or-rcu", schedule="wait 4: monitor-plug")
    assert found.verdict == "aborted"
    assert "address_space_set_flatview" in found.messages[-1]
    for design in ("per-device", "wrap-main", "v6-do-commit"):
        assert outcome(machine, NATURAL, design, schedule="wait 4: monitor-plug").verdict == "accepted"


def test_a_getter_that_commits_meets_itself(machine: Machine) -> None:
    assert causes(machine, NATURAL, "force-naive") == {"pairing/loader/recursion-without-end/virtio-blk"}
    assert causes(machine, NATURAL, "force-depth0") == set()


@pytest.mark.parametrize("design", ["force-naive", "force-depth0"])
def test_a_reader_without_the_lock_cannot_commit(machine: Machine, design: str) -> None:
    data = tiny.HEADER + tiny.blk(command=2, bar=0xFE000000) + tiny.EOF
    reads = "wait 1: vcpu-access 0x0 4"
    assert causes(machine, data, design) == set()
    assert "pairing/loader/commit-without-lock/stream" in causes(machine, data, design, reads)
    assert outcome(machine, data, "v6-do-commit", schedule=reads).verdict == "accepted"


@pytest.mark.parametrize("design", ["v6-do-commit", "force-depth0", "v7-rcu-dispatch", "v8-rcu-getref"])
def test_what_the_forced_commits_are_for(behind_iommu: Machine, design: str) -> None:
    by_reference = {"v7-rcu-dispatch", "v8-rcu-getref"}
    found = causes(behind_iommu, NATURAL, design)
    assert bool(found) == (design in by_reference)
    assert ("device-state/broken/derived/virtio-blk" in found) == (design in by_reference)


def test_a_virtio_section_reads_before_any_post_load(behind_iommu: Machine) -> None:
    harmful = "flat-view-while-pending/virtio_init_region_cache/region:unmapped-to-ram/virtio-blk"
    assert harmful in causes(behind_iommu, NATURAL, "commit-before-post-load")
    assert harmful in causes(behind_iommu, NATURAL, "per-section")


def test_an_assertion_at_the_lock_is_blind_to_reads(machine: Machine) -> None:
    schedule = "inside 0: vcpu-access 0xfe000000 4"
    assert causes(machine, NATURAL, "p21-bql-assert", schedule) == {
        "guard/vcpu-access/missed-region:unmapped-to-io/virtio-blk"
    }
    assert causes(machine, NATURAL, "per-device", schedule) == set()


def test_a_load_thread_has_no_lock_for_what_is_no_full_section(machine: Machine) -> None:
    data = tiny.HEADER + RING + b"\1" + BLK[1:] + tiny.EOF
    assert outcome(machine, data, "per-device").verdict == "accepted"
    assert causes(machine, data, "threaded-sections") == {"pairing/loader/commit-without-lock/stream"}


def test_who_gets_a_turn_between_sections_is_overruled_by_the_next(machine: Machine) -> None:
    schedule = "turn 0: vcpu-remap 0000:00:02.0 4 0xfd000000"
    behind_ram = tiny.HEADER + RING + tiny.timer() + BLK + tiny.EOF  # RAM lets go of the lock under each design
    found = causes(machine, behind_ram, "threaded-sections", schedule)
    assert "layout/flat-view/virtio-pci->virtio-pci/memory" in found
    assert causes(machine, behind_ram, "wrap-main", schedule) == set()


def test_in_a_batch_another_threads_commit_commits_nothing(machine: Machine) -> None:
    harmful = "flat-view-while-pending/vcpu-remap/region:unmapped-to-io/stream"
    schedule = "turn 1: vcpu-remap 0000:00:02.0 4 0xfd000000"
    assert harmful in causes(machine, NATURAL, "threaded-batch", schedule)
    assert harmful in causes(machine, NATURAL, "wrap-main", REMAP)
    assert "lock/loader/released-at-wait/stream" in causes(machine, NATURAL, "wrap-main", LOOK)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_snapshot_load_never_lets_go_of_the_lock(machine: Machine, design: str) -> None:
    alone = outcome(machine, NATURAL, design, loadvm=True)
    found = outcome(machine, NATURAL, design, loadvm=True, schedule=LOOK)
    assert [f for f in found.findings if f.cause.oracle == "lock"] == []
    assert (found.verdict, found.devices) == (alone.verdict, alone.devices)
