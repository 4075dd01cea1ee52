"""Searches under several feedbacks are made once each, kept in files by what was asked, and not made again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fuzz.corpus import find_machine
from fuzz.feedback import Reach
from fuzz.feedback.ablation import Ablation
from fuzz.feedback.trial import TrialError

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.corpus import MachineFiles


@pytest.fixture
def asked(tmp_path: Path, machine: str) -> Ablation:
    return Ablation(find_machine(machine), ("wrap-main",), ("code", "both"), (1, 2), 25, tmp_path / "kept" / "deep")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Searches that were made, in order; each reaches what its seed says."""
    done: list[tuple[str, int]] = []

    def trial(machine: MachineFiles, designs: tuple[str, ...], feedback: str, seed: int, executions: int) -> Reach:
        done.append((feedback, seed))
        if seed == 13:
            raise TrialError("no luck")
        return reach_of(feedback, seed, executions)

    monkeypatch.setattr("fuzz.feedback.ablation.trial", trial)
    return done


def reach_of(feedback: str, seed: int, executions: int = 25) -> Reach:
    return Reach(executions, seed, {"layout": len(feedback)}, {"a/b/c/d/e": 3}, 9)


def test_each_search_is_made_once_and_told_as_it_is_found_later(asked: Ablation, made: list[tuple[str, int]]) -> None:
    wanted = {(feedback, seed, str(reach_of(feedback, seed))) for feedback in asked.feedbacks for seed in asked.seeds}
    assert {(*one, str(reach)) for *one, reach in asked.results()} == wanted
    assert sorted(made) == [("both", 1), ("both", 2), ("code", 1), ("code", 2)]
    made.clear()
    assert {(*one, str(reach)) for *one, reach in asked.results()} == wanted
    assert made == []
    assert len([*asked.folder.iterdir()]) == 4


def test_what_is_known_comes_first_and_what_is_missing_is_made(asked: Ablation, made: list[tuple[str, int]]) -> None:
    asked.folder.mkdir(parents=True)
    known = Reach(25, 1, {})
    asked.place("both", 2).write_text(json.dumps(known.to_json()))
    results = [*asked.results()]
    assert results[0] == ("both", 2, known)
    assert len(results) == 4
    assert ("both", 2) not in made


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"nobody": 1}', "\x00", '{"executions": 25}'])
def test_a_file_that_says_nothing_is_made_anew(text: str, asked: Ablation, made: list[tuple[str, int]]) -> None:
    one = replace(asked, feedbacks=("code",), seeds=(1,))
    one.folder.mkdir(parents=True)
    one.place("code", 1).write_text(text)
    assert [*one.results()] == [("code", 1, reach_of("code", 1))]
    assert Reach.from_json(json.loads(one.place("code", 1).read_bytes())) == reach_of("code", 1)


def test_whoever_asks_for_something_else_has_other_files(asked: Ablation) -> None:
    places = {asked.place("code", 1), asked.place("both", 1), asked.place("code", 2)}
    for other in (replace(asked, designs=("per-section",)), replace(asked, executions=26), replace(asked, designs=())):
        places.add(other.place("code", 1))
    assert len(places) == 6
    assert asked.place("code", 1) == replace(asked, seeds=(1, 2, 3), feedbacks=("code",), jobs=2).place("code", 1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_search_that_fails_is_told_and_what_others_came_to_stays(
    jobs: int, asked: Ablation, made: list[tuple[str, int]]
) -> None:
    one = replace(asked, feedbacks=("code",), seeds=(1, 13, *range(100, 140)), jobs=jobs)
    with pytest.raises(TrialError, match="no luck"):
        _ = [*one.results()]
    assert one.place("code", 1).exists()
    assert not one.place("code", 13).exists()
