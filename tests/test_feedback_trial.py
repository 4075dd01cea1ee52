"""One search under one feedback: its worker is told what was asked, and what it leaves behind is what is told."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fuzz.campaign.spec import Spec
from fuzz.campaign.stats import Stats, write_stats
from fuzz.corpus import find_machine
from fuzz.engine import available
from fuzz.feedback import FeedbackError, Reach
from fuzz.feedback.trial import TrialError, trial

if TYPE_CHECKING:
    from collections.abc import Callable

    Worker = Callable[[Spec], tuple[int, str]]


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Worker], list[Spec]]:
    """Sets what a worker does; gives the specs of those that ran. Scratch folders are made in `tmp_path`."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))

    def use(worker: Worker) -> list[Spec]:
        ran: list[Spec] = []

        def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
            spec = Spec.from_json(Path(command[-1]).read_text())
            ran.append(spec)
            status, said = worker(spec)
            return subprocess.CompletedProcess(command, status, "", said)

        monkeypatch.setattr("subprocess.run", run)
        return ran

    return use


def leaves_all(spec: Spec) -> tuple[int, str]:
    stats = Stats(spec.worker, spec.machine, spec.target, corpus=17)
    stats.saw("a/b/c/d/e", "divergence", 5, 0.1)
    stats.saw("a/b/c/d/f", "divergence", 9, 0.1)
    stats.saw("a/b/c/d/e", "divergence", 11, 0.1)
    write_stats(Path(spec.campaign) / "workers" / spec.worker / "stats.json", stats)
    Path(spec.reach).write_text(json.dumps(Reach(25, 3, {"layout": 4}).to_json()))
    return 0, ""


def left(tmp_path: Path) -> list[Path]:
    return [*(tmp_path / "scratch").iterdir()]


@pytest.mark.parametrize(("feedback", "probes"), [("both", True), ("situations-reads", False)])
def test_a_worker_is_told_what_is_asked_and_what_it_reached_is_told(
    feedback: str, probes: bool, tmp_path: Path, machine: str, workers: Callable[[Worker], list[Spec]]
) -> None:
    ran = workers(leaves_all)
    reach = trial(find_machine(machine), ("wrap-main", "per-section"), feedback, 7, 25)
    assert reach == Reach(25, 3, {"layout": 4}, {"a/b/c/d/e": 5, "a/b/c/d/f": 9}, 17)
    (spec,) = ran
    assert (spec.target, spec.designs, spec.seed, spec.executions) == ("stream", ("wrap-main", "per-section"), 7, 25)
    assert (spec.feedback, spec.probes) == (feedback, probes)
    assert [Path(seed).name for seed in spec.seeds] == ["after.vmstate"]
    assert Path(spec.description).is_absolute()
    assert left(tmp_path) == []


def test_equal_searches_are_asked_for_alike_each_in_a_folder_of_its_own(
    machine: str, workers: Callable[[Worker], list[Spec]]
) -> None:
    ran = workers(leaves_all)
    for _ in range(2):
        trial(find_machine(machine), ("wrap-main",), "both", 7, 25)
    one, other = ran
    assert one.campaign != other.campaign
    assert one == replace(other, campaign=one.campaign, reach=one.reach)


def silent(spec: Spec) -> tuple[int, str]:
    return 3, ""


def says(spec: Spec) -> tuple[int, str]:
    return 1, "Traceback\n  more\nKeyError: 'no'\n\n"


def without_reach(spec: Spec) -> tuple[int, str]:
    status, said = leaves_all(spec)
    Path(spec.reach).unlink()
    return status, said


def without_stats(spec: Spec) -> tuple[int, str]:
    status, said = leaves_all(spec)
    (Path(spec.campaign) / "workers" / spec.worker / "stats.json").unlink()
    return status, said


def whole_and_dead(spec: Spec) -> tuple[int, str]:
    return -9, leaves_all(spec)[1]


@pytest.mark.parametrize(
    ("worker", "why"),
    [
        (silent, "the worker ended with status 3"),
        (says, "KeyError: 'no'"),
        (without_reach, "the worker ended with status 0"),
        (without_stats, "the worker ended with status 0"),
        (whole_and_dead, "the worker ended with status -9"),
    ],
)
def test_a_worker_that_fails_is_told_in_its_last_words(
    worker: Worker, why: str, tmp_path: Path, machine: str, workers: Callable[[Worker], list[Spec]]
) -> None:
    workers(worker)
    with pytest.raises(TrialError) as caught:
        trial(find_machine(machine), (), "both", 1, 25)
    assert str(caught.value) == why
    assert left(tmp_path) == []


def test_what_is_no_feedback_costs_no_worker(
    tmp_path: Path, machine: str, workers: Callable[[Worker], list[Spec]]
) -> None:
    ran = workers(leaves_all)
    with pytest.raises(FeedbackError):
        trial(find_machine(machine), (), "all", 1, 25)
    assert (ran, left(tmp_path)) == ([], [])


@pytest.mark.skipif(bool(available()), reason=available() or "atheris is here")
def test_a_real_worker_leaves_what_is_told(machine: str) -> None:
    reach = trial(find_machine(machine), ("wrap-main",), "code", 3, 80)
    assert reach.executions == 80
    assert reach.situations > 50
    assert reach.shapes
    assert reach.corpus
    assert set(reach.causes.values()) <= {*range(1, 81)}
    assert reach.causes
