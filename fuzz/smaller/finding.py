"""One finding of a campaign made smaller.

The predicate is the campaign's own: the target that found it, built for this cause alone, finds it again. So whatever
decides there decides here, the schedule, snapshots and lives beyond the load among it, and `replay` will agree.

The invariant: the finding's folder always holds a whole witness of its cause. Nothing is written while the search runs;
the best witness goes in its place at the end, be it the end of the search, of the budget or of patience, under the lock
of the store and only if what lies there is still what the search began with, or is larger (`FindingStore.improve`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from fuzz.campaign.asked import asked_design
from fuzz.campaign.findings import WITNESS, FindingStore, read_record
from fuzz.corpus import CorpusError
from fuzz.crashers import CrasherError
from fuzz.designs import UsageError
from fuzz.programs import decode, encode
from fuzz.programs import shrink as shrink_program
from fuzz.replay import Asker
from fuzz.replay.given import Finding
from fuzz.shrink import Case, Spent, Work, ddmin, shrink
from fuzz.shrink.work import count_sections
from fuzz.smaller.known import is_minimal, remember
from fuzz.targets import memory, roundtrip
from fuzz.work.deaths import ENDS
from model import DescriptionError, Machine, parse
from model.designs import DESIGNS
from model.schedule import Schedule, ScheduleError, join, split

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fuzz.campaign.findings import Record
    from fuzz.engine import Found
    from fuzz.engine import Target as Runs
    from fuzz.programs import Program

MINIMAL: Final = "minimal"
KNOWN: Final = "known"
BUDGET: Final = "budget"
INTERRUPTED: Final = "interrupted"
UNUSABLE: Final = "unusable"
GONE: Final = "gone"
LEFT: Final = "left"

_ALL: Final = frozenset(("any", "vmformat"))
"""What stands in causes that are of no design."""


class Stopped(Exception):
    """Somebody wants it to end."""


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes, sections (of a program: calls), and steps of the schedule."""

    bytes: int
    parts: int
    steps: int


@dataclass(frozen=True, slots=True)
class Small:
    """What came of one finding.

    `ended`: `minimal`; `known`, which is minimal by an earlier call; `budget`; `interrupted`; `gone`, the witness does
    not show the cause; `left`, what hangs or dies is not run; `unusable`. `why`: of the last three. `kept`: whether the
    smaller one went into its place.
    """

    place: Path
    cause: str
    target: str
    ended: str
    before: Size
    after: Size
    executions: int = 0
    kept: bool = False
    why: str = ""
    passes: tuple[tuple[str, int, int], ...] = ()
    """By pass how many candidates were tried and how many of them became the best."""

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        what = "calls" if self.target == memory.NAME else "sections"
        sizes = {
            name: {"bytes": size.bytes, what: size.parts, "steps": size.steps}
            for name, size in (("before", self.before), ("after", self.after))
        }
        return {
            "finding": str(self.place),
            "cause": self.cause,
            "target": self.target,
            "ended": self.ended,
            "why": self.why,
            "kept": self.kept,
            **sizes,
            "executions": self.executions,
            "passes": [{"pass": name, "tried": tried, "kept": kept} for name, tried, kept in self.passes],
        }


@dataclass
class Target:
    """A target that is asked whether an input shows one cause; what it says of the best input is remembered.

    `tick` is called after each execution, and may raise to end it all.
    """

    runs: Runs
    cause: str
    budget: int | None
    tick: Callable[[], None]
    executions: int = 0
    found: dict[bytes, Found] = field(default_factory=dict)
    """What was found, by the input that showed it: those accepted so far."""

    def shows(self, data: bytes) -> bool:
        """Whether the cause is there. Raises Spent beyond the budget."""
        if data in self.found:
            return True
        if self.budget is not None and self.executions >= self.budget:
            raise Spent
        self.executions += 1
        found = next((one for one in self.runs.run(data).found if one.cause == self.cause), None)
        self.tick()
        if found is not None:
            self.found[data] = found
        return found is not None


def make_smaller(place: Path, budget: int | None = None, tick: Callable[[], None] = lambda: None) -> Small:
    """Shrink the finding in a folder, in place. `budget`: executions at most. `tick`: called after each.

    Stopped or KeyboardInterrupt, whoever raises it, end it with the best so far. Raises OSError as the disk does; the
    finding is then as it was.
    """
    record = read_record(place)
    if record is None:
        return _unusable(place, "the finding is not whole")
    known = known_minimal(place)
    if known is not None:
        return known
    size = Size(record.size, 0, len(record.schedule or ()))
    if ENDS & {*record.cause.split("/")[1:2]}:
        return Small(place, record.cause, record.target, LEFT, size, size, why="what ends its process is not run again")
    try:
        data = join((place / WITNESS).read_bytes(), Schedule.parse(record.schedule))
        target = Target(_target(place, record), record.cause, budget, tick)
        search = _program if record.target == memory.NAME else _stream
        return search(place, record, data, target)
    except (CrasherError, CorpusError, UsageError, ScheduleError, DescriptionError) as error:
        return Small(place, record.cause, record.target, UNUSABLE, size, size, why=str(error))


def known_minimal(place: Path) -> Small | None:
    """What is to be said of a finding that an earlier call has left minimal; None of any other."""
    record = read_record(place)
    if record is None or record.doubt or not is_minimal(place, record):
        return None
    size = Size(record.size, _parts(place, record), len(record.schedule or ()))
    return Small(place, record.cause, record.target, KNOWN, size, size)


def _unusable(place: Path, why: str) -> Small:
    return Small(place, place.name, "", UNUSABLE, Size(0, 0, 0), Size(0, 0, 0), why=why)


def _target(place: Path, record: Record) -> Runs:
    asker = _asker()
    if record.design not in DESIGNS and record.design not in _ALL:
        asker = Asker({record.design: asked_design(record.design, place)})
    return asker.target(Finding(place, record))


@cache
def _asker() -> Asker:
    """Targets are built once for all findings that need the same."""
    return Asker()


@cache
def _machine(description: Path) -> Machine:
    return Machine(parse(description.read_bytes()))


def _parts(place: Path, record: Record) -> int:
    """Sections of a witness, or calls; 0 where nobody can say."""
    try:
        data = (place / WITNESS).read_bytes()
        if record.target == memory.NAME:
            return len(decode(data).calls)
        machine = _machine(Asker.description(place, record))
        return count_sections(Case(data).parsed(machine.schemas), machine.schemas)
    except (OSError, CorpusError, DescriptionError):
        return 0


def _stream(place: Path, record: Record, data: bytes, target: Target) -> Small:
    """Of a stream, with the schedule behind it."""
    machine = _machine(Asker.description(place, record))
    stream, schedule = split(data)
    first = Case(stream, schedule)
    before = _size(first, machine)
    work = Work(first, lambda case: target.shows(join(case.data, case.schedule)), machine)
    ended, why = _search(lambda: _shrink_stream(work, record), lambda: target.shows(data))
    best = join(work.best.data, work.best.schedule)
    kept = _keep(place, record, target, data, best, ended)
    after = _size(work.best, machine)
    passes = tuple((one.name, one.tried, one.kept) for one in work.tallies.values())
    return Small(place, record.cause, record.target, ended, before, after, target.executions, kept, why, passes)


def _size(case: Case, machine: Machine) -> Size:
    return Size(len(case.data), count_sections(case.parsed(machine.schemas), machine.schemas), len(case.schedule))


def _shrink_stream(work: Work, record: Record) -> str:
    """All passes; of what vmformat alone looks at, be it a stream or not, then fewer bytes."""
    ended = shrink(work)
    if record.target == roundtrip.NAME and ended == MINIMAL:
        work.current = "bytes"
        ddmin(work.best.data, lambda kept: work.data(bytes(kept)))
    return ended


def _program(place: Path, record: Record, data: bytes, target: Target) -> Small:
    """Of a program of calls."""
    best = first = decode(data)
    accepted = 0

    def keeps(program: Program) -> bool:
        nonlocal best, accepted
        shown = target.shows(encode(program))
        if shown:
            best, accepted = program, accepted + 1
        return shown

    def search() -> str:
        if len(encode(first)) < len(data):
            keeps(first)  # bytes that are no call any more
        shrink_program(first, keeps)
        return MINIMAL

    ended, why = _search(search, lambda: target.shows(data))
    kept = _keep(place, record, target, data, encode(best) if accepted else data, ended)
    before, after = Size(len(data), len(first.calls), 0), Size(len(data), len(first.calls), 0)
    if accepted:
        after = Size(len(encode(best)), len(best.calls), 0)
    passes = (("calls", target.executions, accepted),)
    return Small(place, record.cause, record.target, ended, before, after, target.executions, kept, why, passes)


def _search(search: Callable[[], str], shows: Callable[[], bool]) -> tuple[str, str]:
    """Run it; how it ended, and why it could not be."""
    try:
        if not shows():
            return GONE, "the witness does not show the cause"
        return search(), ""
    except Spent:
        return BUDGET, ""
    except (KeyboardInterrupt, Stopped):
        return INTERRUPTED, ""


def _keep(place: Path, record: Record, target: Target, before: bytes, best: bytes, ended: str) -> bool:
    """Put the best in its place, and remember it if nothing can be taken from it. Raises OSError."""
    store = FindingStore(place.parent)
    kept = False
    found = target.found.get(best)
    if found is not None and (best != before or record.doubt):
        kept = store.improve(found, best, record)
    if ended == MINIMAL and (kept or best == before):
        now = read_record(place)
        if now is not None and join((place / WITNESS).read_bytes(), Schedule.parse(now.schedule)) == best:
            remember(place, now)
    return kept
