"""One shrinking under way: the best case so far, and the one way to a better one.

Words
-----
A *case* is a stream and its schedule. A *pass* proposes cases that are smaller than the best one in some way. The
*predicate* says whether a case still shows what is asked. A case that does becomes the best.

The invariant
-------------
The best case holds, always: it is the one given, or one for which the predicate said yes. It is told to `improved` at
once, which writes it down, so that whatever ends the shrinking leaves a case that shows the cause on disk.

Why it ends
-----------
What a pass proposes for a stream has fewer sections; or as many and fewer bytes; or as many bytes, and a value less
that differs from what it is at reset, or is zero, or a smaller number. What it proposes for a schedule has fewer steps,
or smaller words. A pass that changes one leaves the other as it is; the one that changes both makes both smaller. So
nothing comes twice, and passes are repeated until a whole round finds nothing; then the result is minimal under every
pass at once. Questions are remembered: the last round costs no loads.

Nothing here is random and nothing looks at a clock: the same case, machine and design give the same result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

from model.schedule import EMPTY_SCHEDULE, Schedule
from vmformat import Section, StreamError, read
from vmformat.edit.records import Slots
from vmformat.paths import Place, walk_records
from vmformat.stream import write

if TYPE_CHECKING:
    from model import Machine
    from vmformat import Record, Schemas, Stream


class Spent(Exception):
    """As many executions as the budget has were made."""


@dataclass(frozen=True)
class Case:
    """A stream, and what others do while it is loaded."""

    data: bytes
    schedule: Schedule = EMPTY_SCHEDULE

    def parsed(self, schemas: Schemas) -> Stream:
        """The records of the stream, as far as it has any."""
        return read(self.data, schemas, tolerant=True)


@dataclass(slots=True)
class Tally:
    """What a pass did. `saved` are bytes, `sections` and `steps` those that went."""

    name: str
    tried: int = 0
    kept: int = 0
    saved: int = 0
    sections: int = 0
    steps: int = 0


Predicate = Callable[[Case], bool]


@dataclass
class Work:
    """The best case so far. `budget`: executions that may be made, None for as many as it takes.

    `from_front`: records are dropped from the first one on, not from the last.
    """

    best: Case
    predicate: Predicate
    machine: Machine
    improved: Callable[[Case], None] = lambda _case: None
    asked: Callable[[Work], None] = lambda _work: None
    budget: int | None = None
    from_front: bool = False
    executions: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    current: str = ""
    _answers: dict[bytes, bool] = field(default_factory=dict)

    @property
    def schemas(self) -> Schemas:
        """Those of the destination."""
        return self.machine.schemas

    @cached_property
    def stream(self) -> Stream:
        """The best case's records; made anew when there is a better one."""
        return self.best.parsed(self.schemas)

    @property
    def tally(self) -> Tally:
        """What the pass did that is running."""
        return self.tallies.setdefault(self.current, Tally(self.current))

    def shows(self, case: Case) -> bool:
        """Whether the case holds, be it smaller or not. Raises Spent beyond the budget."""
        key = blake2b(case.data + b"\0" + str(case.schedule).encode(), digest_size=16).digest()
        known = self._answers.get(key)
        if known is None:
            if self.budget is not None and self.executions >= self.budget:
                raise Spent
            self.executions += 1
            self.tally.tried += 1
            known = self._answers[key] = self.predicate(case)
            self.asked(self)
        return known

    def attempt(self, case: Case) -> bool:
        """Whether the case holds; if so it is the best one now. Raises Spent beyond the budget."""
        if case == self.best:
            return True
        known = self.shows(case)
        if known:
            self._take(case)
        return known

    def _take(self, case: Case) -> None:
        before, tally = self.best, self.tally
        sections = count_sections(self.stream, self.schemas)
        self.best = case
        del self.stream
        tally.kept += 1
        tally.saved += len(before.data) - len(case.data)
        tally.sections += sections - count_sections(self.stream, self.schemas)
        tally.steps += len(before.schedule) - len(case.schedule)
        self.improved(case)

    # What passes propose

    def data(self, data: bytes) -> bool:
        """Whether the stream may be these bytes."""
        return self.attempt(Case(data, self.best.schedule))

    def written(self, stream: Stream) -> bool:
        """Whether the stream may be this one. One that cannot be written may not."""
        try:
            data = write(stream)
        except StreamError:
            return False
        return self.data(data)

    def slots(self, slots: Slots) -> bool:
        """Whether the stream may have these records."""
        try:
            stream = slots.result()
        except StreamError:
            return False
        return self.written(stream)

    def payload(self, base: Stream, place: Place, section: Section, payload: bytes) -> bool:
        """Whether the section at a place of `base` may have another payload."""
        slots = Slots(base, self.schemas)
        try:
            slots.put(place, section.replace_payload(payload))
        except StreamError:
            return False
        return self.slots(slots)

    def sections(self) -> list[tuple[Place, Section]]:
        """The sections of the best case with their places, those in packages too."""
        found = records(self.stream, self.schemas)
        return [(place, record) for place, record in found if isinstance(record, Section)]


def records(stream: Stream, schemas: Schemas) -> list[tuple[Place, Record]]:
    """All records with their places, those in packages behind their package."""
    return list(walk_records(stream, schemas))


def measure(case: Case, schemas: Schemas) -> tuple[int, int, int]:
    """What makes one result better than another: fewer sections, then fewer steps, then fewer bytes."""
    return count_sections(case.parsed(schemas), schemas), len(case.schedule), len(case.data)


def count_sections(stream: Stream, schemas: Schemas) -> int:
    """Sections of a stream, those in packages too."""
    return sum(isinstance(record, Section) for _place, record in walk_records(stream, schemas))
