"""Random generation: the seeds first, edited ones after them, by the seed alone, until it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz.engine import Execution
from fuzz.engine.target import Found
from fuzz.search.asked import FOUND, SPENT, Attempt, Search
from fuzz.search.at_random import Dice, search
from fuzz.search.material import material_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Searched = Callable[..., tuple[Attempt, list[bytes]]]


class Target:
    """Shows the bug at one of its inputs, and keeps all of them."""

    name = "stream"

    def __init__(self, at: int) -> None:
        self.at = at
        self.given: list[bytes] = []

    def run(self, data: bytes) -> Execution:
        self.given.append(data)
        shown = (Found("divergence", "d~bug/a/b/c/d", "it"),) if len(self.given) == self.at else ()
        return Execution((), shown)


@pytest.fixture
def searched(machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Searched:
    """Searches the tiny machine; what came of it, and the inputs."""

    def go(seed: int, executions: int, at: int = 0) -> tuple[Attempt, list[bytes]]:
        target = Target(at)
        monkeypatch.setattr("fuzz.search.at_random.build_target", lambda spec, lights: target)
        asked = Search("bug", "bug", "random", seed, machine, ("d~bug",), ("d~bug",), executions, 60.0)
        return search(asked, tmp_path), target.given

    return go


def test_the_seeds_come_first_and_edited_ones_after_them(searched: Searched, machine: str) -> None:
    material = material_of(machine)
    attempt, given = searched(1, 60)
    assert (attempt.ended, attempt.executions) == (SPENT, 60)
    assert given[: len(material.seeds)] == list(material.seeds)
    edited = given[len(material.seeds) :]
    assert len({*edited}) > 40
    assert max(map(len, edited)) <= material.longest


def test_the_seed_decides(searched: Searched) -> None:
    assert searched(1, 30)[1] == searched(1, 30)[1] == searched(1, 40)[1][:30]
    assert searched(1, 30)[1] != searched(2, 30)[1]


def test_it_ends_with_the_input_that_shows_it(searched: Searched) -> None:
    attempt, given = searched(3, 60, at=17)
    assert (attempt.ended, attempt.executions, attempt.cause) == (FOUND, 17, "d~bug/a/b/c/d")
    assert len(given) == 17
    assert attempt.witness == given[-1]


def test_no_more_seeds_than_may_be_executed(searched: Searched) -> None:
    attempt, given = searched(1, 0)
    assert (attempt.ended, attempt.executions, given) == (SPENT, 0, [])


def test_choices_reach_all_there_is() -> None:
    dice = Dice(5)
    assert {dice.below(7) for _ in range(200)} == {*range(7)}
    assert {dice.below(1) for _ in range(5)} == {0}
    assert {dice.pick("abc") for _ in range(100)} == {*"abc"}
    assert max(dice.below(1 << 64) for _ in range(100)) > 1 << 60
    assert [Dice(9).below(1000) for _ in range(3)] == [Dice(9).below(1000)] * 3
