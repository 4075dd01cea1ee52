"""atheris on bytes alone: what libFuzzer is told, and what is read of what its process leaves behind."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pytest

from fuzz.search import ways
from fuzz.search.asked import DIED, FOUND, Attempt, Search
from fuzz.search.bytes_alone import ATTEMPT, FEEDBACK, arguments, search

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SEARCH = Search("bug", "bug", "atheris", 1, "tiny", ("d~bug",), ("d~bug",), 50, 60.0)


def options(scratch: Path, seed: int = 1, feedback: str = "probes") -> dict[str, str]:
    asked = Search("bug", "bug", "atheris", seed, "tiny", (), (), 50, 60.0)
    name, *rest = arguments(asked, scratch, 4711, feedback)
    assert not name.startswith("-")
    found = dict(one[1:].partition("=")[::2] for one in rest if one.startswith("-"))
    assert [one for one in rest if not one.startswith("-")] == [str(scratch / "corpus")]
    assert len(found) == len(rest) - 1
    return found


def test_it_is_told_what_the_documentation_says(tmp_path: Path) -> None:
    found = options(tmp_path)
    assert (found["len_control"], found["max_len"], found["use_value_profile"]) == ("0", "4711", "0")
    assert found["dict"] == str(tmp_path / "dictionary")
    assert (found["timeout"], found["rss_limit_mb"]) == ("0", "0"), (
        "the hunt ends executions, and the search's limit memory"
    )
    assert {found[f"handle_{name}"] for name in ("segv", "bus", "abrt", "ill", "fpe", "xfsz")} == {"0"}


@pytest.mark.parametrize(("feedback", "profile"), [("probes", "0"), ("facts", "0"), ("byte-code", "1")])
def test_values_that_are_compared_count_with_its_own_instrumentation_only(
    feedback: str, profile: str, tmp_path: Path
) -> None:
    assert options(tmp_path, feedback=feedback)["use_value_profile"] == profile


def test_each_seed_is_another_of_32_bits_and_none_is_0_which_would_be_the_time(tmp_path: Path) -> None:
    seeds = [int(options(tmp_path, seed)["seed"]) for seed in (*range(200), 1 << 32, -1)]
    assert all(0 < seed < 1 << 32 for seed in seeds)
    assert len({*seeds[1:200]}) == 199


def test_each_of_its_ways_has_a_feedback() -> None:
    assert {*FEEDBACK} == {way for way in ways.ALL if way.startswith("atheris")}
    assert {*FEEDBACK.values()} == {"probes", "facts", "byte-code"}


@dataclass
class Process:
    """What it leaves, its status, and what it was told."""

    leaves: Attempt | None = None
    status: int = 0
    told: tuple[str, ...] = ()


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    """What stands in for libFuzzer's."""
    one = Process()

    def run_module(module: str, told: Sequence[str], scratch: Path) -> int:
        one.told = (module, *told)
        if one.leaves is not None:
            values = asdict(one.leaves)
            values["witness"] = base64.b64encode(one.leaves.witness).decode()
            (scratch / ATTEMPT).write_text(json.dumps(values))
        return one.status

    monkeypatch.setattr("fuzz.search.bytes_alone.run_module", run_module)
    return one


@pytest.mark.parametrize("way", FEEDBACK)
def test_what_it_leaves_behind_is_what_it_came_to(way: str, process: Process, tmp_path: Path) -> None:
    asked = Search("bug", "bug", way, 1, "tiny", ("d~bug",), ("d~bug",), 50, 60.0)
    process.leaves = attempt = Attempt(FOUND, 7, 0.25, "d~bug/a/b/c/d", bytes(range(256)))
    assert search(asked, tmp_path) == attempt
    module, line, scratch, feedback = process.told
    assert module == "fuzz.search.bytes_alone"
    assert Search.from_json(line) == asked
    assert (scratch, feedback) == (str(tmp_path), FEEDBACK[way])


def test_an_engine_that_leaves_nothing_has_died(process: Process, tmp_path: Path) -> None:
    process.status = -11
    attempt = search(SEARCH, tmp_path)
    assert (attempt.ended, attempt.executions, attempt.why) == (DIED, 0, "the engine ended with status -11")
