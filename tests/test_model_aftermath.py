"""What of a later stage is a finding: each fault is told once, at the stage where it shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model import At, Cause, DeviceState, Finding, Outcome, Stage, judge_life, judge_stages
from model.severity import Severity

OLD = (("memory", ((0, 9, "old", 0, False, "old"),)),)
NEW = (("memory", ((0, 9, "new", 0, False, "new"),)),)
BLK = DeviceState("blk", "virtio-blk")
BROKEN = replace(BLK, broken=True)


def outcome(**values: object) -> Outcome:
    return Outcome(**{"design": "per-device", "verdict": "accepted", "layout": NEW, **values})  # type: ignore[arg-type]


def life(*outcomes: Outcome, names: tuple[str, ...] = ("load", "reset", "again")) -> tuple[Stage, ...]:
    return tuple(Stage(name, one) for name, one in zip(names, outcomes, strict=False))


def of(design: str, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    return tuple(Stage(stage.name, replace(stage.outcome, design=design)) for stage in stages)


def causes(reference: tuple[Stage, ...], candidate: tuple[Stage, ...]) -> list[str]:
    return [str(finding.cause) for finding in judge_life(reference, of("d", candidate))]


def test_equal_lives_show_nothing() -> None:
    stages = life(outcome(), outcome(layout=OLD), outcome())
    assert causes(stages, stages) == []


def test_a_stage_names_itself() -> None:
    reference = life(outcome(), outcome(), outcome(devices=(BLK,)))
    candidate = life(outcome(), outcome(), outcome(devices=(BROKEN,)))
    assert causes(reference, candidate) == ["d/again-device-state/broken/derived/virtio-blk"]
    (finding,) = judge_life(reference, of("d", candidate))
    assert finding.severity is Severity.WRONG_STATE
    assert finding.text.startswith("again: ")


@pytest.mark.parametrize(("stage", "told"), [("again", False), ("resume", False), ("resave", True)])
def test_what_the_load_showed_is_told_once_unless_it_lasts(stage: str, told: bool) -> None:
    reference = life(outcome(devices=(BLK,)), outcome(devices=(BLK,)), names=("load", stage))
    candidate = life(outcome(devices=(BROKEN,)), outcome(devices=(BROKEN,)), names=("load", stage))
    assert causes(reference, candidate) == ([f"d/{stage}-device-state/broken/derived/virtio-blk"] if told else [])
    first, *_ = judge_stages(reference, of("d", candidate))
    assert str(first.cause) == "d/device-state/broken/derived/virtio-blk"


REFUSED = Outcome("per-device", "refused", At(1, "blk", 0, "", ("said",)), layout=NEW)
OTHERWISE = replace(REFUSED, layout=OLD)


@pytest.mark.parametrize(
    ("behind", "told"), [((), []), ((outcome(),), ["layout"])], ids=["the process exits", "the process lives on"]
)
def test_a_process_that_exits_leaves_no_layout(behind: tuple[Outcome, ...], told: list[str]) -> None:
    reference, candidate = life(REFUSED, *behind), of("d", life(OTHERWISE, *behind))
    found = judge_stages(reference, candidate, loadvm=True)
    assert [finding.cause.oracle for finding in found] == told


FROZEN = life(outcome(layout=OLD, depth_at_end=1), outcome(layout=OLD, depth_at_end=1), outcome(layout=OLD))


def test_a_reset_that_changes_no_view() -> None:
    reference = life(outcome(layout=OLD), outcome(), outcome(layout=OLD))
    assert causes(reference, FROZEN) == [
        "d/reset/system_reset/nothing-changes/machine", "d/reset-layout/flat-view/differs/memory",
    ]  # fmt: skip


def test_is_none_where_there_was_nothing_to_change_or_nothing_is_open() -> None:
    assert causes(life(outcome(layout=OLD), outcome(layout=OLD)), FROZEN) == []
    closed = life(outcome(layout=OLD), outcome(layout=OLD))
    assert causes(life(outcome(layout=OLD), outcome()), closed) == ["d/reset-layout/flat-view/differs/memory"]


def test_behind_it_only_ends_are_compared() -> None:
    reference = life(outcome(layout=OLD), outcome(), outcome(layout=NEW))
    found = Finding("unpaired transaction", Cause("d", "pairing", "loader", "commit-without-begin", "stream"), "")
    dies = outcome(verdict="aborted", at=At(9, "", 0, "", ("it dies",)), findings=(found,))
    assert "again-layout" not in " ".join(causes(reference, FROZEN))
    assert "d/again-pairing/loader/commit-without-begin/stream" in causes(
        reference, (*FROZEN[:2], Stage("again", dies))
    )


@pytest.mark.parametrize(
    "other",
    [outcome(verdict="refused", at=At(5, "", 0, "", ())), outcome(at=At(5, "", 0, "", ()))],
    ids=["otherwise", "elsewhere"],
)
def test_where_loads_end_apart_what_follows_is_not_compared(other: Outcome) -> None:
    assert causes(life(outcome(), outcome()), life(other, outcome(layout=OLD))) == []


def test_a_life_that_ends_early_is_compared_as_far_as_it_goes() -> None:
    assert causes(life(outcome(), outcome(), outcome()), life(outcome())) == []
