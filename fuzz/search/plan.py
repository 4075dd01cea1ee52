"""Which searches are made, in which order: a bug more than once only when each was looked for in each way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.corpus import CorpusError, find_machine
from fuzz.designs import UsageError, bug_named, seeded_designs, text_of
from fuzz.own_bug import typed_bug
from fuzz.search.asked import Search
from model.seeded import SEEDED, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SEEDS: Final = 5
EXECUTIONS: Final = 10_000
"""Of a search for a bug that does not say how many it takes."""
QUICK_BUGS: Final = 6
QUICK_SEEDS: Final = 2


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug to look for, on a machine."""

    text: str
    """What names it from any folder."""
    name: str
    machine: str
    designs: tuple[str, ...]
    watched: tuple[str, ...]
    budget: int
    """Executions within which it should be found, and which each way gets."""


def bugs_named(names: Sequence[str], machine: str | None = None, designs: Sequence[str] = ()) -> tuple[Bug, ...]:
    """The bugs of these names, or all that are shipped. Raises UsageError and CorpusError.

    `machine`: where; each bug's own if not given, `pc-small` if it names none. `designs`: `fuzz.designs.USUAL` if none.
    """
    found: dict[str, Bug] = {}
    for text in names or tuple(SEEDED):
        cls = bug_named(text)
        with_it = seeded_designs(text, designs)
        where = machine or str(getattr(cls, "machine", "pc-small"))
        files = find_machine(where)
        if not files.seeds:
            raise CorpusError(f"machine {where}: has no seeds, and a search begins with some")
        typed = files.typed if "/" not in files.typed else str(files.description.resolve())
        watched = tuple(design.name for design in with_it)
        one = Bug(typed_bug(cls), name_of(cls), typed, tuple(map(text_of, with_it)), watched, _budget(cls, text))
        if found.setdefault(one.name, one) != one:
            raise CorpusError(f"--seeded {text}: another bug is called {one.name} too")
    return tuple(found.values())


def _budget(bug: type[object], text: str) -> int:
    budget = getattr(bug, "budget", EXECUTIONS)
    if not isinstance(budget, int) or budget < 1:
        raise UsageError(f"--seeded {text}: its budget should be a number of executions, not {budget!r}")
    return budget


def quick_bugs() -> tuple[str, ...]:
    """The names of a few bugs of different kinds: from each file of them in turn."""
    kinds: dict[str, list[str]] = {}
    for name, cls in SEEDED.items():
        kinds.setdefault(cls.__module__, []).append(name)
    chosen: list[str] = []
    while len(chosen) < QUICK_BUGS and any(kinds.values()):
        chosen += [names.pop(0) for names in kinds.values() if names]
    return tuple(chosen[:QUICK_BUGS])


def searches(
    bugs: Iterable[Bug], ways: Sequence[str], seeds: int, executions: int | None, seconds: float
) -> Iterator[Search]:
    """All of them, seeds 1 to `seeds`. `executions`: of each, the bug's budget where None."""
    bugs = tuple(bugs)
    for seed in range(1, seeds + 1):
        for bug in bugs:
            for way in ways:
                most = bug.budget if executions is None else executions
                yield Search(bug.text, bug.name, way, seed, bug.machine, bug.designs, bug.watched, most, seconds)
