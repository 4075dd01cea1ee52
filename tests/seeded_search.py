"""A shipped seeded bug looked for as `vmfuzz bench --search` does, and its witness made smaller: both counted.

What `tests/quality/` asserts. Seeds are fixed, another for each bug, so that a number that changes tells of the search
and not of luck; the numbers stand at the end of the run (`conftest.py`) and in junit's properties.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import pytest

from fuzz.engine import available
from fuzz.search.asked import FOUND, Search
from fuzz.search.own import search
from fuzz.search.plan import bugs_named
from fuzz.shrink import Case, Spent, Work, shrink
from fuzz.shrink.work import count_sections
from fuzz.work.build import build_target, read_description
from model import Machine
from model.lights import Dark
from model.schedule import join, split
from model.seeded import SEEDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.seeded import SeededBug

MARKS = [pytest.mark.quality, pytest.mark.skipif(bool(available()), reason=available() or "atheris is here")]
SHRINK = 1500
"""Loads that making a witness smaller may take."""
PROPERTY = "search"
DESIGNS = ("per-device",)
"""Under which they are looked for: half of the loads of a bench, which takes `wrap-main` as well."""

VIRTIO = frozenset({"history_virtio", "history_rings"})
DEVICES = frozenset({"history_devices", "history_format", "pci"})
"""Kinds of bugs by file of theirs; what is in none of them belongs to the memory API."""


def of_kind(kinds: frozenset[str]) -> list[str]:
    """The bugs of the files of these names, or without any those of all other files."""
    known = kinds or VIRTIO | DEVICES
    return [name for name, cls in SEEDED.items() if (cls.__module__.rpartition(".")[2] in known) is bool(kinds)]


SEEDS = {"mac-count-signed": 2, "only-moved-tables-rebuilt": 2, "setup-length-refused": 2}
"""Of those for which executions differ most from seed to seed: all find within the budget, but some in minutes."""


def seed_of(name: str) -> int:
    return SEEDS.get(name, crc32(name.encode()) % 1000 + 1)


@dataclass
class _SmallEnough(Exception):
    sections: int


def finds(name: str, scratch: Path, record: Callable[[str, object], None]) -> None:
    """The bug is found within its budget, and its witness becomes as small as it says."""
    bug = SEEDED[name]
    (one,) = bugs_named((name,), None, DESIGNS)
    asked = Search(
        one.text, one.name, "vmfuzz", seed_of(name), one.machine, one.designs, one.watched, bug.budget, 3600.0
    )
    attempt = search(asked, scratch)
    if attempt.ended != FOUND:
        record(PROPERTY, f"{name}: NOT found in {attempt.executions:,} executions ({attempt.ended}) {attempt.why}")
        pytest.fail(f"not found in {attempt.executions} executions: {attempt.ended} {attempt.why}")
    sections, loads = smallest(asked, attempt.cause, attempt.witness, bug)
    found = f"found after {attempt.executions:,} of {bug.budget:,} executions"
    record(PROPERTY, f"{name}: {found}, {sections} of {bug.sections} sections after {loads:,} loads")
    assert attempt.executions <= bug.budget
    assert sections <= bug.sections, f"{sections} sections after {loads} loads, {attempt.cause}"


def smallest(asked: Search, cause: str, witness: bytes, bug: type[SeededBug]) -> tuple[int, int]:
    """Sections that are left of a witness, and loads that it took: no more than it must be."""
    design = asked.designs[asked.watched.index(cause.split("/", 1)[0])]
    spec = replace(asked, designs=(design,)).spec(Path())
    target = build_target(spec, Dark())
    machine = Machine(read_description(Path(spec.description)))

    def shows(case: Case) -> bool:
        return any(one.cause == cause for one in target.run(join(case.data, case.schedule)).found)

    def improved(case: Case) -> None:
        sections = count_sections(case.parsed(machine.schemas), machine.schemas)
        if sections <= bug.sections:
            raise _SmallEnough(sections)

    work = Work(Case(*split(witness)), shows, machine, improved, budget=SHRINK)
    assert work.shows(work.best), f"the witness does not show {cause} again"
    try:
        improved(work.best)
        shrink(work)
    except _SmallEnough as enough:
        return enough.sections, work.executions
    except Spent:
        pass
    return count_sections(work.stream, machine.schemas), work.executions
