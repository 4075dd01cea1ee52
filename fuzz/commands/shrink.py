"""`vmfuzz shrink`: the smallest stream, with the shortest schedule, that shows the same cause."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from fuzz.corpus import CorpusError, find_machine
from fuzz.designs import UsageError
from fuzz.lives import lives_of
from fuzz.show.progress import Line
from fuzz.shrink import Judge, Work, shrink
from fuzz.shrink.given import JSON, read_given
from fuzz.shrink.kept import Kept, output_path
from fuzz.shrink.work import count_sections
from model import DescriptionError, parse
from model.actors import ACTORS, check
from model.schedule import ScheduleError

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.shrink import Case
    from fuzz.shrink.given import Given
    from vmformat import Schemas

PATIENCE: Final = 2.0
"""Seconds before a terminal shows how far it is."""


@dataclass(frozen=True, slots=True)
class ShrinkOptions:
    """What `vmfuzz shrink` was asked."""

    stream: str
    machine: str | None = None
    design: str | None = None
    causes: tuple[str, ...] = ()
    output: Path | None = None
    executions: int | None = None
    loadvm: bool = False
    same_verdict: bool = False
    as_json: bool = False


def run(options: ShrinkOptions, console: Console | None = None) -> int:
    """Shrink, write, print. Exit status: 0, also when interrupted; 2 something that cannot be used."""
    console = console or Console(emoji=False)
    try:
        given, judge = _asked(options)
        causes = _shown(options, given, judge)
        kept = Kept(output_path(options.output, given, options.stream), given, causes)
        kept.begin()
        work, ended = _shrunk(options, given, judge, kept)
        kept.end(work.best, judge.machine)
    except (CorpusError, UsageError) as error:
        return _unusable(str(error))
    except OSError as error:
        return _unusable(f"{error.filename}: {error.strerror}")
    if options.as_json:
        print(json.dumps(_to_json(options, given, kept, work, ended), indent=2))
    else:
        _show(console, given, kept, work, ended)
    return 0


def _asked(options: ShrinkOptions) -> tuple[Given, Judge]:
    given = read_given(options.stream, options.machine, options.design, options.causes, loadvm=options.loadvm)
    try:
        description = parse(find_machine(given.machine).description.read_bytes())
        judge = Judge(description, given.design, loadvm=given.loadvm, lives=lives_of(given.causes))
        check(given.case.schedule, ACTORS, judge.machine)
    except DescriptionError as error:
        raise UsageError(f"machine {given.machine}: {error}") from None
    except ScheduleError as error:
        raise UsageError(f"{options.stream}: {error}") from None
    return given, judge


def _shown(options: ShrinkOptions, given: Given, judge: Judge) -> tuple[str, ...]:
    """The causes to keep. Raises UsageError for one that does not show, or if there is none."""
    shown = judge.causes(given.case)
    others = f"which shows {', '.join(shown) or 'none'}"
    for cause in given.causes:
        if cause not in shown:
            raise UsageError(f"{options.stream}: no such cause under {given.design.name}: {cause}; {others}")
    if not shown:
        raise UsageError(f"{options.stream}: shows no cause under {given.design.name}")
    return given.causes or shown


def _shrunk(options: ShrinkOptions, given: Given, judge: Judge, kept: Kept) -> tuple[Work, str]:
    wanted = frozenset(kept.causes)
    verdict = judge.verdict if options.same_verdict else None  # of the case as given: nothing was looked at since

    def shows(case: Case) -> bool:
        return wanted.issubset(judge.causes(case)) and verdict in {None, judge.verdict}

    line = Line(patience=PATIENCE)
    work = Work(
        given.case,
        shows,
        judge.machine,
        kept.improved,
        lambda work: line(lambda: _so_far(work)),
        options.executions,
    )
    try:
        ended = shrink(work)
    except KeyboardInterrupt:
        ended = "interrupted"
        judge.renew()  # who knows where in a load that was
    finally:
        line.done()
    return work, ended


def _so_far(work: Work) -> str:
    sections = count_sections(work.stream, work.schemas)
    return f"{work.current}: {work.executions} executions, {len(work.best.data)} bytes, {sections} sections"


def _unusable(line: str) -> int:
    Console(stderr=True, emoji=False).print(f"vmfuzz shrink: {line}", markup=False, highlight=False, soft_wrap=True)
    return 2


def _size(case: Case, schemas: Schemas) -> dict[str, int]:
    sections = count_sections(case.parsed(schemas), schemas)
    return {"bytes": len(case.data), "sections": sections, "steps": len(case.schedule)}


def _to_json(options: ShrinkOptions, given: Given, kept: Kept, work: Work, ended: str) -> dict[str, Any]:
    return {
        "stream": options.stream,
        "machine": given.machine,
        "design": given.design.name,
        "causes": list(kept.causes),
        "output": str(kept.path),
        "ended": ended,
        "executions": work.executions,
        "before": _size(given.case, work.schemas),
        "after": _size(work.best, work.schemas),
        "schedule": work.best.schedule.to_json(),
        "passes": [
            {"pass": name, **{key: value for key, value in asdict(tally).items() if key != "name"}}
            for name, tally in work.tallies.items()
        ],
    }


def _show(console: Console, given: Given, kept: Kept, work: Work, ended: str) -> None:
    before, after = _size(given.case, work.schemas), _size(work.best, work.schemas)
    table = Table()
    table.add_column("pass", no_wrap=True)
    for name in ("tried", "kept", "bytes", "sections", "steps"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("", "", "", *(str(before[name]) for name in before))
    for tally in work.tallies.values():
        gone = (tally.saved, tally.sections, tally.steps)
        table.add_row(tally.name, str(tally.tried), str(tally.kept), *(f"{-one:+}" if one else "" for one in gone))
    table.add_section()
    tried, held = work.executions, sum(tally.kept for tally in work.tallies.values())
    table.add_row("all", str(tried), str(held), *(str(after[name]) for name in after), style="bold")
    console.print(table)
    for cause in kept.causes:
        console.print(f"shows {cause}", markup=False, highlight=False, soft_wrap=True)
    for step in work.best.schedule:
        console.print(f"while {step}", markup=False, highlight=False, soft_wrap=True)
    why = {"minimal": "minimal", "budget": "the executions are spent", "interrupted": "interrupted"}[ended]
    console.print(
        f"{kept.path} and {kept.path.with_suffix(JSON).name}: {why}", markup=False, highlight=False, soft_wrap=True
    )
