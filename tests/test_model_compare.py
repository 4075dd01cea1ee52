"""Outcomes as values, and what comparing two of them finds."""

from __future__ import annotations

import dataclasses
import json

import pytest

from model import At, Cause, DeviceState, Finding, Outcome, QueueState, compare, judge

VIEW = ((0, 0xFFF, "pc.ram", 0, False, "pc.ram"),)
OTHER = ((0, 0xFFF, "pc.rom", 0, True, "pc.rom"),)
QUEUE = QueueState(0, 256, 1, 1, 1, 0, ("pc.ram+0x0:0x1000",))
DEVICE = DeviceState("0000:00:02.0/virtio-blk", "virtio-blk", False, True, (QUEUE,))
REFERENCE = Outcome(
    "per-device",
    "accepted",
    layout=(("memory", VIEW),),
    told=(("memory", VIEW),),
    devices=(DEVICE,),
    run_state="paused",
)
AT = At(0x10, "0000:00:02.0/virtio-blk", 0, "virtio", ("why",), "virtio-blk")

DIFFERENT = {
    "layout": ({"layout": (("memory", OTHER),)}, "layout/flat-view/pc.ram->pc.rom/memory"),
    "listener trace": ({"told": (("memory", OTHER),)}, "listener-trace/flat-view/pc.ram->pc.rom/memory"),
    "broken": (
        {"devices": (dataclasses.replace(DEVICE, broken=True),)},
        "device-state/broken/derived/virtio-blk",
    ),
    "in use": (
        {"devices": (dataclasses.replace(DEVICE, queues=(dataclasses.replace(QUEUE, inuse=3),)),)},
        "device-state/inuse/derived/virtio-blk",
    ),
    "ring caches": (
        {"devices": (dataclasses.replace(DEVICE, queues=(dataclasses.replace(QUEUE, caches=("pc.rom+0x0:0x10",)),)),)},
        "device-state/caches/derived/virtio-blk",
    ),
    "no ring caches": (
        {"devices": (dataclasses.replace(DEVICE, queues=(dataclasses.replace(QUEUE, caches=()),)),)},
        "device-state/no-caches/derived/virtio-blk",
    ),
    "run state": ({"run_state": "shutdown"}, "run-state/loader/run-state/machine"),
    "verdict": ({"verdict": "refused", "at": AT}, "verdict/loader/accepted->refused/virtio-blk"),
}


@pytest.mark.parametrize(("changes", "cause"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_a_difference_is_a_finding(changes: dict[str, object], cause: str) -> None:
    (finding,) = compare(REFERENCE, dataclasses.replace(REFERENCE, design="mine", **changes))  # type: ignore[arg-type]
    assert str(finding.cause) == f"mine/{cause}"
    assert Cause.parse(str(finding.cause)) == finding.cause


def test_equal_outcomes_and_other_counters_are_none() -> None:
    assert compare(REFERENCE, dataclasses.replace(REFERENCE, design="mine", rebuilds=1, steps=7)) == ()


def test_the_same_verdict_elsewhere_is_a_divergence() -> None:
    refused = dataclasses.replace(REFERENCE, verdict="refused", at=AT)
    elsewhere = dataclasses.replace(refused, design="mine", at=dataclasses.replace(AT, offset=0x20))
    assert [finding.cause.oracle for finding in compare(refused, elsewhere)] == ["verdict"]


def test_after_a_failed_load_layouts_count_only_if_the_process_lives() -> None:
    refused = dataclasses.replace(REFERENCE, verdict="refused", at=AT)
    other = dataclasses.replace(refused, design="mine", layout=(("memory", OTHER),))
    assert compare(refused, other) == ()
    assert [finding.cause.oracle for finding in compare(refused, other, survives_failure=True)] == ["layout"]


def test_what_the_reference_shares_is_not_the_design_s() -> None:
    def with_finding(outcome: Outcome) -> Outcome:
        cause = Cause(outcome.design, "pairing", "loader", "commit-without-lock", "stream")
        return dataclasses.replace(outcome, findings=(Finding("unpaired transaction", cause, "text"),))

    mine = dataclasses.replace(REFERENCE, design="mine")
    assert judge(with_finding(REFERENCE), with_finding(mine)) == ()
    assert len(judge(REFERENCE, with_finding(mine))) == 1


def test_causes_that_are_none() -> None:
    with pytest.raises(ValueError, match="five parts"):
        Cause.parse("a/b/c")


def test_json_has_the_keys_that_scripts_rely_on() -> None:
    shown = json.loads(json.dumps(dataclasses.replace(REFERENCE, at=AT).to_json()))
    assert set(shown) >= {
        "design", "verdict", "at", "messages", "rebuilds", "forced_commits", "reads_while_pending", "harmful_reads",
        "depth_at_end", "devices", "findings", "not_modelled", "guest_can_cause",
    }  # fmt: skip
    assert set(shown["at"]) == {"offset", "section", "instance", "field", "errors"}
    assert set(shown["devices"][0]) >= {"section", "broken", "started", "queues"}
    assert set(shown["devices"][0]["queues"][0]) == {"index", "num", "last_avail", "shadow_avail", "used", "inuse"}
