"""Searches in processes: as many at a time as may be, each within its time, and none that is left behind."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fuzz.search.asked import DIED, FOUND, LATE, Result, Search
from fuzz.search.pool import START, run

if TYPE_CHECKING:
    from collections.abc import Callable

SAYS = '{"ended": "found", "executions": %d, "seconds": 0.1, "cause": "a/b/c/d/e", "size": 9, "why": ""}'
LAST = Search("bug", "bug", "random", 1, "tiny", ("d",), ("d",), 50, 60.0)

KILLED = "it did not end in time and was killed; executions are not known"


class Script:
    """What stands in for Python: a shell that does what its search's way says. It writes its process id down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "python"
        self.path.write_text(
            f'#!/bin/sh\necho $$ >> {folder}/pids\neval "$(echo "$3" | tr -d "\\n" | sed \'{WAY}\')"\n'
        )
        self.path.chmod(0o755)

    def pids(self) -> list[int]:
        return [int(line) for line in (self.folder / "pids").read_text().split()]


WAY = r's/.*"way": "\([^"]*\)".*/\1/'


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    made = Script(tmp_path)
    monkeypatch.setattr("sys.executable", str(made.path))
    monkeypatch.setattr("fuzz.search.pool._PAUSE", 0.005)
    return made


@pytest.fixture
def late_when(script: Script, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """It is 0 o'clock until so many processes have begun, and late from then on."""

    def set_to(number: int) -> None:
        def monotonic() -> float:
            return 1000.0 if (script.folder / "pids").exists() and len(script.pids()) >= number else 0.0

        monkeypatch.setattr("time.monotonic", monotonic)

    return set_to


def does(what: str, seed: int = 1, seconds: float = 60.0) -> Search:
    assert '"' not in what
    return replace(LAST, way=what, seed=seed, seconds=seconds)


def says(executions: int, folder: Path) -> str:
    """A command that prints a result: its text is in a file."""
    (folder / f"said-{executions}").write_text(SAYS % executions)
    return f"cat {folder}/said-{executions}"


def is_there(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_each_comes_to_what_it_says_last(script: Script, tmp_path: Path) -> None:
    wanted = [does(f"echo noise; {says(number, tmp_path)}", number) for number in range(1, 5)]
    found = dict(run(wanted, 2))
    assert [found[one] for one in wanted] == [Result(FOUND, number, 0.1, "a/b/c/d/e", 9) for number in range(1, 5)]
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_no_more_are_under_way_than_may_be(script: Script, tmp_path: Path) -> None:
    ticks: list[int] = []
    searches = [does(f"sleep 0.03; {says(1, tmp_path)}", number) for number in range(5)]
    assert len([*run(searches, 2, tick=ticks.append)]) == 5
    assert max(ticks) == 2
    assert ticks[-1] == 0


def test_nothing_asked_is_nothing_found() -> None:
    assert [*run([], 2)] == []


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("exit 3", "status 3: it said nothing"),
        ("exit 0", "status 0: it said nothing"),
        ("echo words; exit 4", "status 4: it said nothing"),
        ("echo []; exit 0", "status 0: it said nothing"),
        ("echo {}; exit 0", "status 0: it said nothing"),
        ("echo null; exit 0", "status 0: it said nothing"),
        ("echo first >&2; echo KeyError: no >&2; echo >&2; exit 1", "status 1: KeyError: no"),
        ("echo of the engine > $4/log; exit 1", "status 1: of the engine"),
        ("echo of the engine > $4/log; echo its own >&2; exit 1", "status 1: its own"),
        ("kill -9 $$", "status -9: it said nothing"),
    ],
)
def test_what_dies_costs_only_itself_and_its_last_words_are_told(
    what: str, why: str, script: Script, tmp_path: Path
) -> None:
    died, found = does(what), does(says(5, tmp_path), 2)
    results = dict(run([died, found], 1))
    assert results[died] == Result(DIED, 0, 0.0, why=why)
    assert results[found].found


def test_what_does_not_end_in_time_is_killed_with_all_that_it_started(
    script: Script, tmp_path: Path, late_when: Callable[[int], None]
) -> None:
    late_when(2)
    slow = does(f"sleep 1000 & echo $! >> {tmp_path}/pids; wait", seconds=1000 - START)
    assert dict(run([slow], 2)) == {slow: Result(LATE, 0, 1000.0, why=KILLED)}
    assert_gone(script.pids(), 2)


def test_it_has_its_own_time_and_some_to_begin(
    script: Script, tmp_path: Path, late_when: Callable[[int], None]
) -> None:
    late_when(1)
    slow = does(says(5, tmp_path), seconds=1000.1 - START)
    assert [result.executions for _, result in run([slow], 1)] == [5]


def assert_gone(pids: list[int], number: int) -> None:
    assert len(pids) == number
    for _ in range(200):
        if not any(map(is_there, pids)):
            return
        time.sleep(0.01)
    pytest.fail(f"{pids} are there")


def test_nothing_stays_behind_at_the_deadline(script: Script, tmp_path: Path, late_when: Callable[[int], None]) -> None:
    slow = [does(f"sleep 1000 & echo $! >> {tmp_path}/pids; wait", number, 2000.0) for number in range(3)]
    late_when(5)
    results = run([does(says(5, tmp_path)), *slow], 2, deadline=500.0)
    assert [result.executions for _, result in results] == [5]
    assert_gone(script.pids(), 5)
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_nothing_is_begun_behind_the_deadline(script: Script, tmp_path: Path) -> None:
    assert [*run([does(says(5, tmp_path))], 1, deadline=time.monotonic())] == []
    assert not (tmp_path / "pids").exists()


def test_nothing_stays_behind_when_somebody_leaves(script: Script, tmp_path: Path) -> None:
    results = run([does(says(5, tmp_path)), does("sleep 1000; :")], 2)
    assert next(results)[1].found
    results.close()  # type: ignore[attr-defined]
    assert_gone(script.pids(), 2)
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_nothing_stays_behind_after_control_c(script: Script, tmp_path: Path) -> None:
    def interrupt(number: int) -> None:
        if (tmp_path / "pids").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run([does("sleep 1000; :")], 1, tick=interrupt))
    assert_gone(script.pids(), 1)


def test_a_search_is_told_who_waits_in_a_group_of_its_own_with_hashes_that_are_always_the_same(
    script: Script, tmp_path: Path
) -> None:
    told = f"{{ echo $1 $2 $4 $5 $PYTHONHASHSEED; ps -o pgid= -p $$; echo $$; }} > {tmp_path}/told; {says(5, tmp_path)}"
    list(run([does(told)], 1))
    option, module, scratch, parent, hashes, group, pid = (tmp_path / "told").read_text().split()
    assert (option, module, int(parent), hashes) == ("-m", "fuzz.search.process", os.getpid(), "0")
    assert Path(scratch).parent == tmp_path / "scratch"
    assert group == pid
