"""Each way, in a process of its own, finds a fault of the tiny machine; engines end when their budget is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz.engine import available
from fuzz.search import ways
from fuzz.search.asked import FOUND, SPENT, Result, Search
from fuzz.search.plan import bugs_named, searches
from fuzz.search.pool import run

if TYPE_CHECKING:
    from pathlib import Path

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
'''


def asked(tmp_path: Path, machine: str, bug: str, way: str, executions: int) -> Search:
    file = tmp_path / "bugs.py"
    file.write_text(BUGS)
    (one,) = searches(bugs_named((f"{file}:{bug}",), machine), (way,), 1, executions, 60.0)
    return one


def came_to(*wanted: Search) -> list[Result]:
    found = dict(run(wanted, 2))
    return [found[one] for one in wanted]


def usable(*names: str) -> list[object]:
    return [pytest.param(way, marks=pytest.mark.skipif(bool(ways.lacking(way)), reason="engine")) for way in names]


@pytest.mark.parametrize("way", usable("vmfuzz", "atheris", "hypothesis", "hypothesis-arms", "random"))
def test_each_way_finds_it(way: str, tmp_path: Path, machine: str) -> None:
    (found,) = came_to(asked(tmp_path, machine, "MasterForgotten", way, 50))
    assert found.ended == FOUND, found
    assert found.executions <= 5
    assert found.cause.startswith("per-device~master-forgotten/")


@pytest.mark.parametrize("way", usable("vmfuzz", "atheris"))
def test_an_engine_executes_as_many_as_it_may(way: str, tmp_path: Path, machine: str) -> None:
    """The others count in this process, where their twins see it."""
    (none,) = came_to(asked(tmp_path, machine, "NothingWrong", way, 30))
    assert (none.ended, none.executions, none.cause) == (SPENT, 30, ""), none


@pytest.mark.skipif(bool(available()), reason=available() or "atheris is here")
def test_equal_searches_take_equally_long(tmp_path: Path, machine: str) -> None:
    search = asked(tmp_path, machine, "BarLost", ways.OWN, 60)
    one, same = (result for _, result in run([search, search], 2))
    assert one.ended in {FOUND, SPENT}, one
    assert (one.executions, one.cause, one.size) == (same.executions, same.cause, same.size)
    assert one.executions > 1
