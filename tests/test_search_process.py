"""The process of a search: it looks at the witness once more, says one line, and ends when nobody waits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fuzz.engine import Execution
from fuzz.engine.target import Found
from fuzz.search import process
from fuzz.search.asked import DIED, DOUBT, FOUND, LATE, MEMORY, SPENT, Attempt, Result, Search
from fuzz.search.process import main, result_of

SEARCH = Search("bug", "bug", "random", 1, "pc-small", ("d~bug",), ("d~bug",), 50, 60.0)
CLAIMED = Attempt(FOUND, 7, 1.23456, "d~bug/a/b/c/d", b"witness")


class Target:
    """Shows some causes, for the witness alone."""

    name = "stream"

    def __init__(self, *causes: str) -> None:
        self.causes = causes

    def run(self, data: bytes) -> Execution:
        assert data == CLAIMED.witness
        return Execution((), tuple(Found("divergence", cause, "it") for cause in self.causes))


def shows(monkeypatch: pytest.MonkeyPatch, *causes: str) -> None:
    monkeypatch.setattr("fuzz.search.process.build_target", lambda spec: Target(*causes))


def test_a_witness_that_shows_the_same_again_is_a_find(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shows(monkeypatch, "d~bug/z/b/c/d", "d~bug/a/b/c/d", "d/a/a/a/a")
    result = result_of(SEARCH, CLAIMED, tmp_path)
    assert result == Result(FOUND, 7, 1.235, "d~bug/a/b/c/d", len(b"witness"))


@pytest.mark.parametrize(
    ("causes", "why"),
    [
        ((), "shows nothing when"),
        (("d/a/b/c/d",), "shows nothing when"),
        (("d~bug/b/b/c/d",), "shows d~bug/b/b/c/d when"),
    ],
)
def test_a_witness_that_shows_nothing_of_it_again_is_no_find(
    causes: tuple[str, ...], why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shows(monkeypatch, *causes)
    result = result_of(SEARCH, CLAIMED, tmp_path)
    assert (result.ended, result.found, result.executions) == (DOUBT, False, 7)
    assert why in result.why
    assert "\n" not in result.why


@pytest.mark.parametrize("ended", [SPENT, LATE, DIED])
def test_where_nothing_was_found_nothing_is_looked_at_again(
    ended: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("fuzz.search.process.build_target", lambda spec: pytest.fail("looked at"))
    result = result_of(SEARCH, Attempt(ended, 50, 2.0, why="so it is"), tmp_path)
    assert result == Result(ended, 50, 2.0, why="so it is")


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What `main` does to its process, done to nobody."""
    done: dict[str, object] = {}
    monkeypatch.setattr(process, "leave_alone", lambda: done.update(collector="left alone"))
    monkeypatch.setattr(process, "memory_of_this_process", lambda: (1000, 10))
    monkeypatch.setattr(process, "limit", lambda what, size: done.update(memory=size))
    return done


def test_it_says_one_line(
    alive: dict[str, object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fuzz.search.ways.search", lambda asked, scratch: Attempt(SPENT, asked.seed, 2.0))
    main(["process", replace(SEARCH, seed=9).to_json(), str(tmp_path), str(os.getppid())])
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == asdict(Result(SPENT, 9, 2.0))
    assert alive == {"collector": "left alone", "memory": 1000 + MEMORY}


def test_where_nobody_waits_it_does_not_begin(
    alive: dict[str, object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("fuzz.search.ways.search", lambda asked, scratch: pytest.fail("a search"))
    with pytest.raises(SystemExit) as left:
        main(["process", SEARCH.to_json(), str(tmp_path), str(os.getpid())])
    assert left.value.code == 1
    assert alive == {}


BUGS = '''
class NothingWrong:
    """Nobody can find it."""
    def set_master(self, sound, function, enabled):
        sound(function, enabled)
'''


def test_a_search_ends_when_the_bench_was_killed(tmp_path: Path, machine: str) -> None:
    (tmp_path / "bugs.py").write_text(BUGS)
    bug = f"{tmp_path}/bugs.py:NothingWrong"
    designs, watched = (f"per-device~{bug}",), ("per-device~nothing-wrong",)
    search = Search(bug, "nothing-wrong", "random", 1, machine, designs, watched, 10_000_000, 60.0)
    code = "import sys; from fuzz.search.pool import run; from fuzz.search.asked import Search\n"
    code += "list(run([Search.from_json(sys.argv[1])], 1))"
    bench = subprocess.Popen([sys.executable, "-c", code, search.to_json()])
    _wait(lambda: len(_processes(str(tmp_path))) > 1)
    bench.kill()
    bench.wait()
    _wait(lambda: _processes(str(tmp_path)) == [])


def _processes(text: str) -> list[str]:
    """Processes that were started with this text on their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(place.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if text in line]


def _wait(until: object) -> None:
    assert callable(until)
    for _ in range(600):
        if until():
            return
        time.sleep(0.1)
    pytest.fail("it does not come to that")
