"""The choice is held against a new look: what does not show again comes from another file, or is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fuzz.designs import UsageError
from fuzz.engine import Found
from fuzz.minimize import work
from fuzz.minimize.control import Control
from fuzz.minimize.how import How
from fuzz.minimize.measurement import Measurement
from fuzz.minimize.pool import Input
from fuzz.minimize.sources import Group
from fuzz.minimize.telling import tell
from fuzz.minimize.work import Outcome, Work

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fuzz.minimize.pool import Answer

Looks = dict[str, list[int | str]]
"""By input what it shows at each look: features, or why it failed."""


class Scripted:
    """A pool whose inputs show what they are told to, look after look."""

    looks: Looks
    asked: list[str]

    def __init__(self, *_: object) -> None:
        self.ready = None

    def __enter__(self) -> Scripted:  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def measure(self, inputs: Sequence[Input], together: int = 1) -> Iterator[Answer]:
        for one in inputs:
            if one.sha1 in self.looks:
                self.asked.append(one.sha1)
                shows = self.looks[one.sha1].pop(0)
                failed, features = (shows, 0) if isinstance(shows, str) else ("", shows)
                found = (Found("divergence", f"cause/{one.sha1}", "text"),)
                yield one, Measurement(one.sha1, features, found, failed), {}


def worked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: Looks, sizes: Mapping[str, int], *, twice: bool = False
) -> tuple[Outcome, dict[str, Any]]:
    monkeypatch.setattr(work, "Pool", Scripted)
    monkeypatch.setattr(Scripted, "looks", {name: [*shows] for name, shows in looks.items()}, raising=False)
    monkeypatch.setattr(Scripted, "asked", [], raising=False)
    group = Group("g", How("memory"), {name: Input(Path(name), name, sizes[name]) for name in looks})
    outcome = Outcome(group, group.how.key())
    control = Control(tmp_path / "control")
    job = Work(control, 1, 1.0, lambda _: None, twice=twice)
    job.measure(outcome)
    job.choose(outcome)
    job.check(outcome)
    control.close()
    return outcome, tell(outcome)


def names(outcome: Outcome) -> list[str]:
    return [one.name for one in outcome.choice.kept]


def test_what_shows_again_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, told = worked(tmp_path, monkeypatch, {"a": [0b11, 0b11], "b": [0b10]}, {"a": 5, "b": 1})
    assert names(outcome) == ["a"]
    assert (outcome.lost, outcome.unsteady) == (0, {})
    assert told["checked"]


def test_what_does_not_show_again_comes_from_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: Looks = {"a": [0b11, 0b01], "b": [0b10, 0b10]}
    outcome, _ = worked(tmp_path, monkeypatch, looks, {"a": 5, "b": 9})
    assert names(outcome) == ["a", "b"]
    assert outcome.lost == 0
    assert outcome.unsteady == {"a": "counter 1"}


def test_what_no_file_shows_any_more_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: Looks = {"a": [0b11, 0b01], "b": [0b110, "died: SIGKILL"], "c": [0b1000, 0b1000]}
    outcome, told = worked(tmp_path, monkeypatch, looks, {"a": 5, "b": 9, "c": 1})
    assert names(outcome) == ["a", "c"]
    assert told["lost"] == ["counter 1", "counter 2"]
    assert told["given"]["features"] == 4
    assert [one["path"] for one in told["health"]["set_aside"]] == ["b"]
    assert sorted(outcome.unsteady) == ["a", "b"]


def test_facts_that_come_out_otherwise_behind_others_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe, fact, other = 1 << 5, 1 << 20_000, 1 << 20_001
    looks: Looks = {"a": [probe | fact, other, probe | fact], "b": [1 | fact, fact, 1 | fact], "c": ["died"]}
    outcome, _ = worked(tmp_path, monkeypatch, looks, {"a": 1, "b": 1, "c": 1}, twice=True)
    assert outcome.unsteady == {"a": "counter 20000; counter 20001"}


def test_code_that_was_altered_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = iter(["before", "after"])
    monkeypatch.setattr(How, "key", lambda _: next(keys))
    with pytest.raises(UsageError, match="g: its code or machine was altered meanwhile"):
        worked(tmp_path, monkeypatch, {"a": [1, 1]}, {"a": 1})


def test_of_those_that_show_a_cause_one_that_was_not_set_aside_is_named() -> None:
    group = Group("g", How("memory"), {name: Input(Path(name), name, len(name)) for name in ("a", "bb", "ccc")})
    outcome = Outcome(group, "key")
    for name, causes, failed in (("a", "x y", "died"), ("bb", "x", ""), ("ccc", "x", "")):
        found = tuple(Found("kind", cause, "") for cause in causes.split())
        outcome.measured[name] = Measurement(name, 0 if failed else 1, found, failed)
    assert {cause: one.sha1 for cause, (_, one) in outcome.found.items()} == {"x": "bb", "y": "a"}
    assert tell(outcome)["causes"] == {"x": "bb"}


def test_what_failed_by_no_fault_of_the_input_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: Looks = {"a": ["its measuring process died"], "b": ["died: SIGKILL"], "c": [1, 1]}
    worked(tmp_path, monkeypatch, looks, {"a": 1, "b": 1, "c": 1})
    worked(tmp_path, monkeypatch, {"a": [2, 2], "b": [1], "c": [1]}, {"a": 1, "b": 1, "c": 1})
    assert Scripted.asked == ["a", "a", "c"]
