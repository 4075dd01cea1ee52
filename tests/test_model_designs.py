"""Where each design begins and commits, what its readers get, and what is found to be wrong with it."""

from __future__ import annotations

import struct

import pytest
import tiny

from model import DESIGNS, Machine, Outcome, compare, load

RING = tiny.ram({0x3000: tiny.ring(1), 0x4000: tiny.ring(1)})
BLK = tiny.blk(command=6, bar=0xFE000000, desc=0x2000, avail=0x3000, used=0x4000, last_avail=1)
NATURAL = tiny.HEADER + tiny.timer() + RING + BLK + tiny.EOF


@pytest.fixture(scope="module")
def machine() -> Machine:
    return tiny.machine()


def outcome(machine: Machine, data: bytes, design: str, *, loadvm: bool = False) -> Outcome:
    try:
        return load(machine, data, DESIGNS[design](), loadvm=loadvm)
    finally:
        machine.reset()


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


REBUILDS = {"per-device": 2, "v1-flag-eof": 1, "wrap-main": 1, "assert-depth": 0}


@pytest.mark.parametrize("design", DESIGNS)
def test_rebuilds_of_a_normal_stream(machine: Machine, design: str) -> None:
    # one BAR and the bus master
    assert outcome(machine, NATURAL, design).rebuilds == REBUILDS[design]


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
    assert {finding.cause.reader for finding in compare(reference, found)} == {"broken", "shadow_avail", "used"}


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
