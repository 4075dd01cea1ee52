"""A search as a value: it goes to a process and back, and a worker is asked for the same."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.corpus import CorpusError
from fuzz.search.asked import DIED, DOUBT, FOUND, LATE, MEMORY, SPENT, TIMEOUT, Result, Search
from fuzz.work.worker import INSTRUMENTED

NAMES = st.text(max_size=20)
TUPLES = st.lists(NAMES, max_size=3).map(tuple)
SEARCH = Search("tie", "tie", "random", 7, "pc-small", ("a~tie", "b"), ("a~tie",), 50, 1.5)


@settings(max_examples=25)
@given(
    st.builds(
        Search, NAMES, NAMES, NAMES, st.integers(), NAMES, TUPLES, TUPLES, st.integers(0), st.floats(0, allow_nan=False)
    )
)
def test_it_goes_through_a_line_and_comes_out_the_same(search: Search) -> None:
    line = search.to_json()
    assert "\n" not in line
    back = Search.from_json(line)
    assert back == search
    assert hash(back) == hash(search)


def test_a_worker_is_asked_for_the_same_and_ends_with_the_first_finding(tmp_path: Path, machine: str) -> None:
    spec = replace(SEARCH, machine=machine).spec(tmp_path / "campaign")
    assert (spec.target, spec.machine, spec.designs, spec.until) == ("stream", machine, ("a~tie", "b"), ("a~tie",))
    assert (spec.seed, spec.executions, spec.seconds) == (7, 50, 1.5)
    assert (spec.timeout, spec.memory) == (TIMEOUT, MEMORY)
    assert spec.campaign == str(tmp_path / "campaign")
    assert Path(spec.description) == tmp_path / "machines" / "tiny.json"
    assert [Path(seed) for seed in spec.seeds] == [tmp_path / "seeds" / "tiny" / "after.vmstate"]


def test_places_hold_in_any_folder(tmp_path: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = replace(SEARCH, machine="./tiny").spec(Path("campaign"))
    assert all(Path(place).is_absolute() for place in (spec.description, *spec.seeds))


def test_a_machine_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="nowhere"):
        replace(SEARCH, machine=str(tmp_path / "nowhere")).spec(tmp_path)


@pytest.mark.parametrize(
    ("ended", "found"), [(FOUND, True), (SPENT, False), (LATE, False), (DIED, False), (DOUBT, False)]
)
def test_only_what_showed_again_is_found(ended: str, found: bool) -> None:
    assert Result(ended, 5, 0.1, "a/b/c/d/e", 9).found is found


def test_nothing_that_is_imported_before_the_probes_imports_the_code_under_test() -> None:
    code = "import sys, fuzz.search.asked, fuzz.search.bytes_alone, fuzz.search.hunt; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"fuzz.search.asked", "fuzz.search.bytes_alone"} <= {*done.stdout.split()}
    assert [name for name in done.stdout.split() if name.partition(".")[0] in INSTRUMENTED] == []
