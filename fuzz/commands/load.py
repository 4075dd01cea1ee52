"""`vmfuzz load`: one stream on one machine under one or more designs, and what happened."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.text import Text

from fuzz import lives
from fuzz.commands.load_points import passed, point_lines, points_json
from fuzz.corpus import CorpusError, find_machine, find_stream
from fuzz.cost.table import cost_table
from fuzz.designs import UsageError, fresh, named_designs, seeded_designs
from fuzz.explain import show
from fuzz.schedules import scheduled, typed_schedule
from fuzz.streams import machine_for
from model import REFERENCE, DescriptionError, Machine, judge, load, misfits, parse
from model.actors import ACTORS, check
from model.faulty import FaultyMachine
from model.schedule import EMPTY_SCHEDULE, ScheduleError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model import Design, Finding, Outcome
    from model.schedule import Schedule


ABSENT: Final = ": not in the stream"
FEW: Final = 4
"""Absent things that get a line each."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An outcome under one design, what is wrong with it against the reference, and its final flat views."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    mtree: str
    reference: Outcome | None = None
    lives: lives.Lives = ()

    def to_json(self) -> dict[str, Any]:
        """The outcome object, with the stages behind the load if there are any."""
        shown = self.outcome.to_json(self.findings)
        return {**shown, "stages": lives.to_json(self.lives)} if self.lives else shown


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What `vmfuzz load` was asked."""

    stream: str
    machine: str | None = None
    designs: tuple[str, ...] = ()
    loadvm: bool = False
    as_json: bool = False
    mtree: bool = False
    schedule: str | None = None
    explain: bool = False
    cost: bool = False
    points: bool = False
    resume: bool = False
    again: bool = False
    postcopy_ram: bool = False
    seeded: str | None = None

    @property
    def lives(self) -> tuple[str, ...]:
        """The lives beyond the load that are asked for."""
        return lives.asked(resume=self.resume, again=self.again, loadvm=self.loadvm)


def machine_of(stream: str, machine: str | None) -> str:
    """The machine's name, as `machine_for` finds it. Raises UsageError, or CorpusError if there is no such stream."""
    found = machine_for(stream, machine)
    if found is None:
        find_stream(stream)
        raise UsageError(f"--machine: not given, and the stream {stream} names none as NAME/after does")
    return found


def load_all(
    machine: Machine,
    data: bytes,
    designs: Sequence[type[Design]],
    *,
    loadvm: bool = False,
    schedule: Schedule = EMPTY_SCHEDULE,
    beyond: Sequence[str] = (),
    postcopy_ram: bool = False,
    progress: Callable[[str], None] = lambda _name: None,
) -> list[Loaded]:
    """The outcome under each design, each against the reference; the machine is pristine before and after.

    `beyond`: lives to go on with behind the load (`model.session`). `postcopy_ram`: the destination's capability.
    `progress` is called with a design's name before its load.
    """
    how: dict[str, Any] = {"loadvm": loadvm, "schedule": schedule, "explain": True, "postcopy_ram": postcopy_ram}
    reference = load(machine, data, REFERENCE(), **how)
    reference_tree = machine.mtree()
    machine.reset()
    life = lives.lived(machine, data, REFERENCE, beyond, loadvm=loadvm, schedule=schedule)
    loaded = []
    faulty = FaultyMachine(machine.description)
    for design in designs:
        progress(design.name)
        if design is REFERENCE:
            loaded.append(Loaded(reference, reference.findings, reference_tree, reference, life))
            continue
        expected, its_life = reference, life
        if design.sound not in {None, REFERENCE}:  # a program with a bug is held to the sound one
            expected = load(machine, data, fresh(design.sound), **how)
            machine.reset()
            its_life = lives.lived(machine, data, design.sound, beyond, loadvm=loadvm, schedule=schedule)
        place = machine if design.bug is None else faulty.machine(design.bug)
        outcome = load(place, data, fresh(design), **how)
        mtree = place.mtree()
        place = machine if design.bug is None else faulty.machine(design.bug)
        place.reset()
        own = lives.lived(place, data, design, beyond, loadvm=loadvm, schedule=schedule)
        # A failure that calls exit(1) ends the process of a snapshot load, too: no stage comes behind it.
        survived = loadvm and all(len(stages) > 1 for name, stages in (*its_life, *own) if name == "loadvm")
        findings = (*judge(expected, outcome, survives_failure=survived), *lives.judged(its_life, own))
        loaded.append(Loaded(outcome, findings, mtree, expected, own))
    return loaded


def run(options: LoadOptions, console: Console | None = None) -> int:
    """Load and print. Exit status: 0 nothing found, 1 findings, 2 something that cannot be used."""
    console = console or Console(emoji=False)
    try:
        designs = _designs(options)
        name = machine_of(options.stream, options.machine)
        files, path = find_machine(name), find_stream(options.stream)
        data, schedule = scheduled(path, path.read_bytes())
        machine = Machine(parse(files.description.read_bytes()))
        if options.schedule is not None:
            schedule = typed_schedule(options.schedule)
        check(schedule, ACTORS, machine)
    except (CorpusError, UsageError, ScheduleError) as error:
        return _unusable(str(error))
    except DescriptionError as error:
        return _unusable(f"machine {name}: {error}")
    except OSError as error:
        return _unusable(f"{error.filename}: {error.strerror}")
    if options.points:
        points = passed(machine, data, designs[0], schedule, loadvm=options.loadvm)
        lines = [json.dumps(points_json(points), indent=2)] if options.as_json else point_lines(points, machine, data)
        print("\n".join(lines))
        return 0
    try:
        loaded = load_all(
            machine,
            data,
            designs,
            loadvm=options.loadvm,
            schedule=schedule,
            beyond=options.lives,
            postcopy_ram=options.postcopy_ram,
        )
    except UsageError as error:
        return _unusable(str(error))
    wrong = misfits(machine, data)
    if options.as_json:
        print(json.dumps(_to_json(options.stream, machine, schedule, loaded, wrong), indent=2))
    elif options.mtree:
        print(loaded[0].mtree, end="")
    else:
        steps = "".join(f"\n  while {step}" for step in schedule)
        show(console, f"{options.stream} on {name}{steps}", loaded, explain=options.explain)
        if options.cost:
            console.print(cost_table(loaded[0].reference, [one.outcome for one in loaded]))
        lives.show(console, [(one.outcome.design, one.lives) for one in loaded])
        for line in _gathered(wrong):
            console.print(Text(f"does not fit: {line}"), soft_wrap=True)
    return 1 if any(one.findings for one in loaded) else 0


def _gathered(wrong: Sequence[str]) -> list[str]:
    """The lines for people: what is merely absent goes into one, since a shrunk stream lacks nearly everything."""
    absent = [line.removesuffix(ABSENT) for line in wrong if line.endswith(ABSENT)]
    if len(absent) <= FEW:
        return list(wrong)
    rest = [line for line in wrong if not line.endswith(ABSENT)]
    return [*rest, f"{len(absent)} things are not in the stream: {', '.join(absent[:FEW])}, ..."]


def _designs(options: LoadOptions) -> tuple[type[Design], ...]:
    designs = named_designs(options.designs)
    if options.seeded is not None:
        designs = seeded_designs(options.seeded, options.designs)
    for name, wanted in (("--mtree", options.mtree), ("--points", options.points)):
        if wanted and len(designs) != 1:
            msg = f"{name} takes exactly one --design, found {len(designs)}"
            raise UsageError(msg)
    return designs


def _unusable(line: str) -> int:
    Console(stderr=True, emoji=False).print(f"vmfuzz load: {line}", markup=False, highlight=False, soft_wrap=True)
    return 2


def _to_json(
    stream: str, machine: Machine, schedule: Schedule, loaded: Sequence[Loaded], wrong: Sequence[str]
) -> dict[str, Any]:
    return {
        "stream": stream,
        "machine": machine.name,
        "machine_sha256": machine.description.sha256,
        "schedule": schedule.to_json(),
        "misfits": list(wrong),
        "outcomes": [one.to_json() for one in loaded],
    }
