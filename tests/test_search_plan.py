"""Which searches are made, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz.corpus import CorpusError
from fuzz.designs import UsageError
from fuzz.search.plan import EXECUTIONS, QUICK_BUGS, bugs_named, quick_bugs, searches
from model.seeded import SEEDED

if TYPE_CHECKING:
    from pathlib import Path

OWN = '''
class Lost:
    """Devices reach no memory."""
    machine = "q35-modern"
    def set_master(self, sound, function, enabled):
        sound(function, False)

class Plain:
    """The same."""
    def set_master(self, sound, function, enabled):
        sound(function, False)
'''


def test_all_shipped_ones_each_on_its_machine() -> None:
    found = {bug.name: bug for bug in bugs_named(())}
    assert {*found} == {*SEEDED}
    assert all(found[name].machine == cls.machine for name, cls in SEEDED.items())


def test_own_ones(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    lost, plain = bugs_named((f"{file}:Lost", f"{file}:Plain"))
    assert (lost.name, lost.machine, lost.text) == ("lost", "q35-modern", f"{file}:Lost")
    assert lost.watched == ("per-device~lost", "wrap-main~lost")
    assert lost.designs == (f"per-device~{file}:Lost", f"wrap-main~{file}:Lost")
    assert plain.machine == "pc-small"
    assert bugs_named((f"{file}:Lost",), "pc-small")[0].machine == "pc-small"
    assert bugs_named((f"{file}:Lost",), None, ("wrap-main",))[0].watched == ("wrap-main~lost",)


def test_what_cannot_be_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such bug"):
        bugs_named(("nobody",))
    with pytest.raises(CorpusError, match="no such file"):
        bugs_named((next(iter(SEEDED)),), "nowhere")
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(OWN)
    with pytest.raises(CorpusError, match="another bug is called lost"):
        bugs_named((f"{tmp_path}/one.py:Lost", f"{tmp_path}/two.py:Lost"))


def test_order() -> None:
    """Every bug in every way before any is looked for from another seed."""
    bugs = bugs_named(())[:2]
    made = [(one.seed, one.name, one.way) for one in searches(bugs, ("a", "b"), 2, 10, 1.0)]
    assert made == [(seed, bug.name, way) for seed in (1, 2) for bug in bugs for way in ("a", "b")]


def test_each_is_looked_for_within_its_budget_if_nothing_else_is_said(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN + "class Quick(Plain):\n    budget = 70\n")
    bugs = bugs_named((next(iter(SEEDED)), f"{file}:Plain", f"{file}:Quick"))
    budgets = [next(iter(SEEDED.values())).budget, EXECUTIONS, 70]
    assert [one.executions for one in searches(bugs, ("a",), 1, None, 1.0)] == budgets
    assert [one.executions for one in searches(bugs, ("a",), 1, 5, 1.0)] == [5, 5, 5]


@pytest.mark.parametrize("budget", ["0", "-1", "'many'", "2.5"])
def test_a_budget_is_a_number_of_executions(tmp_path: Path, budget: str) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN + f"class Odd(Plain):\n    budget = {budget}\n")
    with pytest.raises(UsageError, match=r"Odd: its budget should be a number of executions, not"):
        bugs_named((f"{file}:Odd",))


def test_quick_ones_are_of_different_kinds() -> None:
    chosen = quick_bugs()
    assert len(chosen) == min(QUICK_BUGS, len(SEEDED)) == len({*chosen})
    kinds = {cls.__module__ for cls in SEEDED.values()}
    assert len({SEEDED[name].__module__ for name in chosen}) == min(len(kinds), QUICK_BUGS)
