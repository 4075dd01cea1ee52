"""Each way finds a fault of the tiny machine, within its budget and again; and ends when that is spent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from fuzz.engine import available
from fuzz.search import ways
from fuzz.search.asked import DOUBT, FOUND, SPENT, Attempt, Result, Search
from fuzz.search.plan import bugs_named, searches
from fuzz.search.pool import run
from fuzz.search.process import result_of

BUGS = '''
class MasterForgotten:
    """Devices reach no memory: the seed itself shows it."""
    def set_master(self, sound, function, enabled):
        sound(function, False)

class NothingWrong:
    """Nobody can find it."""
    def set_master(self, sound, function, enabled):
        sound(function, enabled)

class BarLost:
    """A BAR is lost where its address is not the seed's."""
    def bar_address(self, sound, bar, config):
        found = sound(bar, config)
        return found if found == 0x200000 else None

class Dies:
    """The process ends."""
    def set_master(self, sound, function, enabled):
        import os
        os._exit(3)
'''


def asked(tmp_path: Path, machine: str, bug: str, way: str, executions: int, seconds: float = 60.0) -> Search:
    file = tmp_path / "bugs.py"
    file.write_text(BUGS)
    (one,) = searches(bugs_named((f"{file}:{bug}",), machine), (way,), 1, executions, seconds)
    return one


def came_to(*wanted: Search) -> list[Result]:
    found = dict(run(wanted, 2))
    return [found[one] for one in wanted]


def usable(*names: str) -> list[object]:
    return [pytest.param(way, marks=pytest.mark.skipif(bool(ways.lacking(way)), reason="engine")) for way in names]


@pytest.mark.parametrize("way", usable("vmfuzz", "atheris", "hypothesis", "hypothesis-arms", "random"))
def test_way(way: str, tmp_path: Path, machine: str) -> None:
    found, none = came_to(
        asked(tmp_path, machine, "MasterForgotten", way, 50), asked(tmp_path, machine, "NothingWrong", way, 30)
    )
    assert found.ended == FOUND, found
    assert found.executions <= 5
    assert found.cause.startswith("per-device~master-forgotten/")
    assert (none.ended, none.executions, none.cause) == (SPENT, 30, ""), none


@pytest.mark.parametrize("way", usable("vmfuzz", "hypothesis"))
def test_equal_searches_take_equally_long(way: str, tmp_path: Path, machine: str) -> None:
    search = asked(tmp_path, machine, "BarLost", way, 60)
    one, same = (result for _, result in run([search, search], 2))
    assert one.ended in {FOUND, SPENT}, one
    assert (one.executions, one.cause, one.size) == (same.executions, same.cause, same.size)
    assert one.executions > 1


def test_what_dies_costs_only_itself(tmp_path: Path, machine: str) -> None:
    died, found = came_to(
        asked(tmp_path, machine, "Dies", "random", 50), asked(tmp_path, machine, "MasterForgotten", "random", 50)
    )
    assert (died.ended, died.found) == ("died", False)
    assert "status 3" in died.why
    assert found.found


def test_time_ends_a_search(tmp_path: Path, machine: str) -> None:
    (late,) = came_to(asked(tmp_path, machine, "NothingWrong", "random", 10_000_000, 0.3))
    assert late.ended == "time"
    assert late.executions > 0


def test_a_witness_that_shows_nothing_again_is_no_find(tmp_path: Path, machine: str) -> None:
    search = asked(tmp_path, machine, "MasterForgotten", "random", 50)
    claimed = Attempt(FOUND, 7, 1.0, "per-device~master-forgotten/layout/x/y/z", b"QEVM")
    result = result_of(search, claimed, tmp_path)
    assert (result.ended, result.found, result.executions) == (DOUBT, False, 7)
    assert "shows nothing when it is loaded again" in result.why


def test_nothing_stays_behind_when_somebody_leaves(tmp_path: Path, machine: str) -> None:
    search = asked(tmp_path, machine, "NothingWrong", "vmfuzz" if not available() else "random", 10_000_000)
    results = run([search], 1, deadline=time.monotonic() + 3.0)
    assert list(results) == []
    assert _processes(str(tmp_path)) == []


def test_a_search_ends_when_the_bench_was_killed(tmp_path: Path, machine: str) -> None:
    search = asked(tmp_path, machine, "NothingWrong", "random", 10_000_000)
    code = "import sys; from fuzz.search.pool import run; from fuzz.search.asked import Search\n"
    code += "list(run([Search.from_json(sys.argv[1])], 1))"
    bench = subprocess.Popen([sys.executable, "-c", code, search.to_json()])
    _wait(lambda: len(_processes(str(tmp_path))) > 1)
    os.kill(bench.pid, signal.SIGKILL)
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
