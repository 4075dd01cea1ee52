"""What the engine is told, as text: kinds, and groups of facts with or without."""

from __future__ import annotations

import pytest

from fuzz.feedback import DEFAULT, Feedback, FeedbackError
from fuzz.targets.situations import GROUPS

RANGES = ("ranges", "memory", 3)


@pytest.mark.parametrize(
    ("text", "probes", "told", "hashed"),
    [
        ("both", True, {*GROUPS}, False),
        ("code", True, set(), False),
        ("situations", False, {*GROUPS}, False),
        ("hash", True, {*GROUPS}, True),
        ("both-layout-reads", True, {*GROUPS} - {"layout", "reads"}, False),
        ("code+layout", True, {"layout"}, False),
        ("situations-ends+ends", False, {*GROUPS}, False),
        ("code+reads-reads", True, set(), False),
        ("hash-ends-ends", True, {*GROUPS} - {"ends"}, True),
    ],
)
def test_a_feedback_as_text(text: str, probes: bool, told: set[str], hashed: bool) -> None:
    one = Feedback.parse(text)
    assert (one.probes, set(one.groups), one.hashed) == (probes, told, hashed)
    assert one.wants(RANGES) == ("layout" in told)
    assert one.wants(("of no group", 1)) == bool(told)


@pytest.mark.parametrize(
    "text", ["", "all", "both-", "both layout", "code+views", "Both", "both-layout+", "bothlayout", "code+layout "]
)
def test_what_is_no_feedback(text: str) -> None:
    with pytest.raises(FeedbackError, match=r"feedback|group|stand") as caught:
        Feedback.parse(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_gone_by_unasked_is_a_feedback_that_tells_all() -> None:
    assert Feedback.parse(DEFAULT).groups == {*GROUPS}
