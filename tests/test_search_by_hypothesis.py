"""hypothesis alone: the seeds first, then what it draws, as often as it may; and what its strategy can draw."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("hypothesis")

import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.engine import Execution
from fuzz.engine.target import Found
from fuzz.search.asked import FOUND, SPENT, Attempt, Search
from fuzz.search.by_hypothesis import ARMS, TARGET, Drawn, _redrawn, search
from fuzz.search.material import material_of
from vmformat import Field, Schema, StreamError, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Searched = Callable[..., tuple[Attempt, list[bytes]]]

SMALL = tiny.HEADER + tiny.timer() + tiny.EOF
TIMER = Schema("timer", 2, 2, (Field("ticks", "int64"),))


class Target:
    """Shows the bug at one of its inputs, and keeps all of them; longer inputs are of more situations."""

    name = "stream"

    def __init__(self, at: int) -> None:
        self.at = at
        self.given: list[bytes] = []

    def run(self, data: bytes) -> Execution:
        self.given.append(data)
        shown = (Found("divergence", "d~bug/a/b/c/d", "it"),) if len(self.given) == self.at else ()
        return Execution([("of", number) for number in range(len(data) // 100)], shown)


@pytest.fixture
def searched(machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Searched:
    """Searches the tiny machine from a small seed; what came of it, and the inputs."""
    (tmp_path / "seeds" / "tiny" / "after.vmstate").write_bytes(SMALL)

    def go(way: str, seed: int, executions: int, at: int = 0) -> tuple[Attempt, list[bytes]]:
        target = Target(at)
        monkeypatch.setattr("fuzz.search.by_hypothesis.build_target", lambda spec, lights: target)
        asked = Search("bug", "bug", way, seed, machine, ("d~bug",), ("d~bug",), executions, 60.0)
        return search(asked, tmp_path), target.given

    return go


@pytest.mark.parametrize("way", ["hypothesis", TARGET, ARMS])
def test_the_seeds_come_first_and_the_seed_decides_the_rest(way: str, searched: Searched, machine: str) -> None:
    material = material_of(machine)
    attempt, inputs = searched(way, 1, 15)
    assert (attempt.ended, attempt.executions, len(inputs)) == (SPENT, 15, 15)
    assert inputs[: len(material.seeds)] == list(material.seeds)
    assert max(map(len, inputs)) <= material.longest
    assert len({*inputs}) > 6
    assert searched(way, 1, 15)[1] == inputs
    assert searched(way, 2, 15)[1] != inputs


def test_it_ends_with_the_input_that_shows_it_and_looks_for_no_smaller_one(searched: Searched) -> None:
    attempt, inputs = searched("hypothesis", 3, 60, at=11)
    assert (attempt.ended, attempt.executions, attempt.cause) == (FOUND, 11, "d~bug/a/b/c/d")
    assert len(inputs) == 11
    assert attempt.witness == inputs[-1]


def test_when_all_that_can_be_drawn_was_drawn_it_is_over(searched: Searched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.search.by_hypothesis.inputs", lambda material: st.sampled_from([b"a", b"b"]))
    attempt, inputs = searched("hypothesis", 1, 1000)
    assert (attempt.ended, attempt.executions, attempt.cause) == (SPENT, len(inputs), "")
    assert {b"a", b"b"} <= {*inputs}
    assert len(inputs) < 20


@settings(max_examples=20)
@given(st.data())
def test_choices_are_draws(data: st.DataObject) -> None:
    choose = Drawn(data.draw)  # type: ignore[arg-type]
    assert 0 <= choose.below(7) < 7
    assert choose.below(1) == 0
    assert choose.pick("abc") in "abc"


@settings(max_examples=15)
@given(st.data())
def test_a_payload_is_drawn_anew_and_all_else_stays(data: st.DataObject) -> None:
    source = read(SMALL, {("timer", 0): TIMER})
    made = _redrawn(data.draw, source)  # type: ignore[arg-type]
    (section,) = made.sections
    assert len(section.payload) == 8
    assert made.with_records([replace(section, payload=source.sections[0].payload), made.records[1]]) == source


def test_where_no_schema_is_known_nothing_is_drawn() -> None:
    source = read(tiny.HEADER + tiny.full("nobody", bytes(4)) + tiny.EOF)
    assert _redrawn(lambda strategy: pytest.fail("a draw"), source) is source  # type: ignore[arg-type]


def test_streams_as_they_are_edited_ones_and_damaged_ones_are_among_the_inputs(searched: Searched) -> None:
    _, inputs = searched("hypothesis", 1, 60)
    kinds = {"as it is" if data == SMALL else "a stream" if is_stream(data) else "none" for data in inputs[1:]}
    assert kinds == {"as it is", "a stream", "none"}


def is_stream(data: bytes) -> bool:
    try:
        read(data, {("timer", 0): TIMER})
    except StreamError:
        return False
    return True
