"""Results in a folder: whole, gone on with, and never mixed with those of something else."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fuzz.lines import BusyError
from fuzz.search.asked import Result, Search
from fuzz.search.kept import FILE, Kept, _where

if TYPE_CHECKING:
    from pathlib import Path

SEARCH = Search("tie-broken-the-other-way", "tie", "random", 1, "pc-small", ("d",), ("d",), 1000, 60.0)
FOUND = Result("found", 12, 0.5, "d/cause", 99)


@pytest.fixture(autouse=True)
def fresh() -> None:
    _where.cache_clear()


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "new" / "folder")
    assert kept.get(SEARCH) is None
    kept.add(SEARCH, FOUND)
    assert kept.get(SEARCH) == FOUND
    kept.close()
    again = Kept(tmp_path / "new" / "folder")
    assert again.get(SEARCH) == FOUND
    again.close()


@pytest.mark.parametrize("other", [{"seed": 2}, {"way": "vmfuzz"}, {"executions": 2000}, {"designs": ("e",)}])
def test_another_search_is_not_this_one(other: dict[str, object], tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.add(SEARCH, FOUND)
    assert kept.get(replace(SEARCH, **other)) is None  # type: ignore[arg-type]
    kept.close()


def test_a_file_of_ones_own_that_changed_is_another_bug(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("class Bug: ...\n")
    own = replace(SEARCH, bug=f"{file}:Bug")
    kept = Kept(tmp_path)
    kept.add(own, FOUND)
    assert kept.get(own) == FOUND
    file.write_text("class Bug: # better\n ...\n")
    _where.cache_clear()
    assert kept.get(own) is None
    kept.close()


def test_what_had_too_little_time_is_searched_for_again_with_more(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.add(SEARCH, Result("time", 400, 60.0))
    assert kept.get(SEARCH) is not None
    assert kept.get(replace(SEARCH, seconds=61.0)) is None
    kept.add(SEARCH, FOUND)
    assert kept.get(replace(SEARCH, seconds=600.0)) == FOUND
    kept.close()


def test_a_torn_line_costs_one_search(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.add(SEARCH, FOUND)
    kept.add(replace(SEARCH, seed=2), FOUND)
    kept.close()
    data = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(b'{"key": 3}\n' + data[:-20])
    again = Kept(tmp_path)
    assert again.get(SEARCH) == FOUND
    assert again.get(replace(SEARCH, seed=2)) is None
    again.add(replace(SEARCH, seed=2), FOUND)
    again.close()
    last = Kept(tmp_path)
    assert last.get(replace(SEARCH, seed=2)) == FOUND
    last.close()


def test_a_result_is_on_the_disk_before_the_next_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, brought = Kept(tmp_path), []
    monkeypatch.setattr(os, "fsync", lambda handle: brought.append(os.fstat(handle).st_size))
    kept.add(SEARCH, FOUND)
    assert brought == [(tmp_path / FILE).stat().st_size] != [0]
    kept.close()


def test_one_bench_at_a_time(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    with pytest.raises(BusyError):
        Kept(tmp_path)
    kept.close()
    Kept(tmp_path).close()
