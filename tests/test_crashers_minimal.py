"""Every crasher of the corpus has the fewest sections that can show what it is kept for.

What it is kept for stands under `cause` in its JSON: all of these together, of one design or of several. Without any
one record it does not show them any more, and shrinking it again takes no record and no step away.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pytest
from bloated import FOLDER

from fuzz.corpus import find_machine
from fuzz.crashers import Crasher, read_crasher
from fuzz.lives import lives_of
from fuzz.shrink import Case, Judge, Work, shrink
from fuzz.shrink.work import measure, records
from model import DESIGNS, parse
from model.outcome import Cause
from vmformat import Cmd, Command, Eof, read, write
from vmformat.edit.records import Slots

if TYPE_CHECKING:
    from pathlib import Path

CRASHERS = sorted(FOLDER.glob("*.vmstate"))


@cache
def judge(machine: str) -> Judge:
    return Judge(parse(find_machine(machine).description.read_bytes()), DESIGNS["wrap-main"])


@dataclass
class Kept:
    """A crasher, and what it is kept for, by design."""

    crasher: Crasher
    causes: dict[str, set[str]]

    @property
    def case(self) -> Case:
        """The stream and its schedule."""
        return Case(self.crasher.path.read_bytes(), self.crasher.schedule)

    @property
    def judge(self) -> Judge:
        """Of its machine."""
        return judge(self.crasher.machine)

    def shows(self, case: Case) -> bool:
        """Whether all of it is there."""
        return not any(causes - self.shown(case, design) for design, causes in self.causes.items())

    def shown(self, case: Case, design: str) -> set[str]:
        """What a stream shows under a design."""
        one = self.judge
        one.design = DESIGNS[design]
        one.loadvm, one.lives = self.crasher.loadvm, lives_of(self.causes[design])
        return set(one.causes(case))


def kept(path: Path) -> Kept:
    causes: dict[str, set[str]] = {}
    for cause in json.loads(path.with_suffix(".json").read_text())["cause"]:
        causes.setdefault(Cause.parse(cause).design, set()).add(cause)
    assert causes, f"it was not shrunk: vmfuzz shrink {path} -o {path}"
    return Kept(read_crasher(path), causes)


def test_there_are_crashers() -> None:
    assert len(CRASHERS) >= 38


@pytest.mark.parametrize("path", CRASHERS, ids=[path.stem for path in CRASHERS])
def test_no_record_can_go(path: Path) -> None:
    one = kept(path)
    case = one.case
    assert one.shows(case)
    for design, causes in one.causes.items():
        assert causes <= set(one.crasher.expect[design]["causes"])  # it is held to them by `replay`, too
    schemas = one.judge.machine.schemas
    stream = read(case.data, schemas, tolerant=True)
    for place, record in records(stream, schemas):
        if not isinstance(record, Eof):
            slots = Slots(stream, schemas)
            slots.take(slots.at(place))
            assert not one.shows(Case(write(slots.result()), case.schedule)), record


@pytest.mark.parametrize("path", CRASHERS, ids=[path.stem for path in CRASHERS])
def test_shrinking_it_again_takes_nothing_more(path: Path) -> None:
    """Sections and steps stay; where one wanted a certain verdict, or a better story, some bytes could still go."""
    one = kept(path)
    work = Work(one.case, lambda case: one.shows(case) and listens_inside(one, case), one.judge.machine)
    assert shrink(work) == "minimal"
    schemas = one.judge.machine.schemas
    assert measure(work.best, schemas)[:2] == measure(one.case, schemas)[:2]


def listens_inside(one: Kept, case: Case) -> bool:
    """No POSTCOPY_LISTEN is outside of a package, where two threads would race."""
    found = records(case.parsed(one.judge.machine.schemas), one.judge.machine.schemas)
    return all(
        len(place) > 1 for place, record in found if isinstance(record, Command) and record.cmd == Cmd.POSTCOPY_LISTEN
    )
