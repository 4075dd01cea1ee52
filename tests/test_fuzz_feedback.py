"""What the engine is told, and what searches reach that are told different things."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fuzz.corpus import find_machine
from fuzz.engine import Execution, available
from fuzz.feedback import Feedback, FeedbackError, Reach
from fuzz.feedback.ablation import Ablation
from fuzz.feedback.fed import Fed
from fuzz.targets.situations import GROUPS
from model import Outcome

if TYPE_CHECKING:
    from pathlib import Path

RANGES = ("ranges", "memory", 3)
VERDICT = ("verdict", "per-device", "accepted")


@pytest.mark.parametrize(
    ("text", "probes", "told", "hashed"),
    [
        ("both", True, {*GROUPS}, False),
        ("code", True, set(), False),
        ("situations", False, {*GROUPS}, False),
        ("hash", True, {*GROUPS}, True),
        ("both-layout-reads", True, {*GROUPS} - {"layout", "reads"}, False),
        ("code+layout", True, {"layout"}, False),
    ],
)
def test_a_feedback_as_text(text: str, probes: bool, told: set[str], hashed: bool) -> None:
    one = Feedback.parse(text)
    assert (one.probes, set(one.groups), one.hashed) == (probes, told, hashed)
    assert one.wants(RANGES) == ("layout" in told)
    assert one.wants(("of no group", 1)) == bool(told)


@pytest.mark.parametrize("text", ["", "all", "both-", "both layout", "code+views", "Both", "both-layout+"])
def test_what_is_no_feedback(text: str) -> None:
    with pytest.raises(FeedbackError, match=r"feedback|group|stand"):
        Feedback.parse(text)


class Target:
    """Accepts everything; each input has a layout of its own."""

    name = "stream"

    def __init__(self, outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes

    def run(self, data: bytes) -> Execution:
        row = (0, 0xFFF, data.decode(), 0, False, data.decode())
        self.outcomes.append(Outcome("per-device", "accepted", layout=(("memory", (row,)),)))
        return Execution([VERDICT, RANGES], stopped="")


@pytest.mark.parametrize(("text", "count"), [("both", 2), ("code", 0), ("both-layout", 1), ("hash", 3)])
def test_less_is_told_and_all_is_counted(text: str, count: int, tmp_path: Path) -> None:
    outcomes: list[Outcome] = []
    fed = Fed(Target(outcomes), Feedback.parse(text), outcomes, tmp_path / "reach.json", 3)
    told = [[*fed.run(data).features] for data in (b"x", b"y", b"x")]
    assert [len(one) for one in told] == [count] * 3
    assert told[0] == told[2]
    assert (told[0] == told[1]) == (text != "hash")
    reach = Reach.from_json(json.loads((tmp_path / "reach.json").read_bytes()))
    assert (reach.executions, reach.shapes, reach.facts) == (3, 2, {"ends": 1, "layout": 1})


@pytest.mark.skipif(bool(available()), reason=available() or "atheris is here")
def test_a_search_is_the_same_again_and_is_kept(tmp_path: Path) -> None:
    def ablation(folder: Path) -> Ablation:
        return Ablation(find_machine("pc-small"), ("wrap-main",), ("both",), (3,), 25, folder)

    ((feedback, seed, reach),) = ablation(tmp_path / "one").results()
    assert (feedback, seed, reach.executions) == ("both", 3, 25)
    assert reach.situations > 200
    assert reach.corpus
    assert reach.causes
    assert [*ablation(tmp_path / "two").results()] == [("both", 3, reach)]
    ablation(tmp_path / "one").place("both", 3).write_text(json.dumps(Reach(25, 1, {}).to_json()))
    assert [*ablation(tmp_path / "one").results()] == [("both", 3, Reach(25, 1, {}))]
