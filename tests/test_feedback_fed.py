"""The engine is told what a feedback says; what is counted is all there was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fuzz.engine import Execution
from fuzz.engine.target import Found
from fuzz.feedback import Feedback, FeedbackError, Reach, Watched, fed
from fuzz.feedback.fed import Fed
from model import REFERENCE, Design, Outcome, Stage
from model.schedule import EMPTY_SCHEDULE, Schedule

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fuzz.targets.stream import Destination
    from model.outcome import Layout

RANGES = ("ranges", "memory", 3)
VERDICT = ("verdict", "per-device", "accepted")
FOUND = (Found("divergence", "a/b/c/d/e", "a text"),)


def layout(name: str) -> Layout:
    return (("memory", ((0, 0xFFF, name, 0, False, name),)),)


class Target:
    """Accepts everything but `!`; each input has a layout of its own."""

    name = "stream"

    def __init__(self, outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes

    def run(self, data: bytes) -> Execution:
        verdict = "refused" if data == b"!" else "accepted"
        self.outcomes.append(Outcome("per-device", verdict, layout=layout(data.decode())))  # type: ignore[arg-type]
        return Execution([VERDICT, RANGES], FOUND, stopped="")


def target_of(text: str, path: Path, executions: int = 3) -> Fed:
    outcomes: list[Outcome] = []
    return Fed(Target(outcomes), Feedback.parse(text), outcomes, path, executions)


@pytest.mark.parametrize(("text", "count"), [("both", 2), ("code", 0), ("both-layout", 1), ("hash", 3)])
def test_less_is_told_and_all_is_counted(text: str, count: int, tmp_path: Path) -> None:
    fed = target_of(text, tmp_path / "reach.json")
    told = [[*fed.run(data).features] for data in (b"x", b"y", b"x")]
    assert [len(one) for one in told] == [count] * 3
    assert told[0] == told[2]
    assert (told[0] == told[1]) == (text != "hash")
    reach = Reach.from_json(json.loads((tmp_path / "reach.json").read_bytes()))
    assert (reach.executions, reach.shapes, reach.facts) == (3, 2, {"ends": 1, "layout": 1})


def test_of_an_execution_only_the_facts_are_others(tmp_path: Path) -> None:
    one = target_of("code", tmp_path / "reach.json").run(b"x")
    assert one == Execution([], FOUND, stopped="")


def test_layouts_of_loads_that_failed_are_not_counted(tmp_path: Path) -> None:
    fed = target_of("code", tmp_path / "reach.json", 2)
    fed.run(b"!")
    fed.run(b"x")
    assert json.loads((tmp_path / "reach.json").read_bytes())["shapes"] == 1


def test_counts_are_written_once_and_of_so_many(tmp_path: Path) -> None:
    path = tmp_path / "reach.json"
    fed = target_of("both", path, 2)
    fed.run(b"x")
    assert not path.exists()
    fed.run(b"y")
    before = path.read_bytes()
    fed.run(b"z")
    assert path.read_bytes() == before
    assert json.loads(before)["executions"] == 2


def test_without_a_place_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = fed(lambda watch: Target([]), "both", "", 1)
    one.run(b"x")
    assert [*tmp_path.iterdir()] == []


class Machine:
    """Each load comes to one outcome, and its reset to another."""

    def stages(self, data: bytes, design: type[Design], schedule: Schedule, *, loadvm: bool) -> tuple[Stage, ...]:
        first = Outcome(design.name, "accepted", layout=layout(data.decode()), rebuilds=int(loadvm))
        return (Stage("load", first), Stage("reset", Outcome(design.name, "aborted")))

    def live(
        self, data: bytes, design: type[Design], life: str, schedule: Schedule, *, loadvm: bool
    ) -> tuple[Stage, ...]:
        return (Stage(life, Outcome(design.name, "hung", rebuilds=int(loadvm))),)


def test_of_what_a_destination_does_the_loads_are_kept_and_lives_are_not() -> None:
    outcomes: list[Outcome] = []
    watched, bare = Watched(Machine(), outcomes), Machine()
    asked = (b"x", REFERENCE, EMPTY_SCHEDULE)
    stages = watched.stages(*asked, loadvm=True)
    assert stages == bare.stages(*asked, loadvm=True)
    lived = watched.live(b"x", REFERENCE, "resume", EMPTY_SCHEDULE, loadvm=True)
    assert lived == bare.live(b"x", REFERENCE, "resume", EMPTY_SCHEDULE, loadvm=True)
    assert outcomes == [stages[0].outcome]


class Loads:
    """A target that loads each input twice."""

    name = "stream"

    def __init__(self, destination: Destination) -> None:
        self.destination = destination

    def run(self, data: bytes) -> Execution:
        for loadvm in (False, True):
            self.destination.stages(data, REFERENCE, EMPTY_SCHEDULE, loadvm=loadvm)
        return Execution([VERDICT])


def test_a_hash_is_one_of_each_outcome_of_this_input_alone(tmp_path: Path) -> None:
    def make(watch: Callable[[Destination], Destination]) -> Loads:
        return Loads(watch(Machine()))

    one = fed(make, "hash", str(tmp_path / "reach.json"), 3)
    told = [[fact for fact in one.run(data).features if fact[0] == "whole"] for data in (b"x", b"y", b"x")]
    assert [len({*facts}) for facts in told] == [2, 2, 2]
    assert told[0] == told[2]
    assert not {*told[0]} & {*told[1]}, "layouts differ, and these are no part of an outcome's text"
    assert json.loads((tmp_path / "reach.json").read_bytes())["shapes"] == 2


def test_what_is_no_feedback_is_none_here_either() -> None:
    with pytest.raises(FeedbackError):
        fed(lambda watch: Target([]), "all", "", 1)
