"""`vmfuzz load`: one stream on one machine under one or more designs, and what happened."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuzz.corpus import CorpusError, find_machine, find_stream
from fuzz.designs import UsageError, named_designs
from fuzz.schedules import scheduled, typed_schedule
from model import REFERENCE, DescriptionError, Machine, judge, load, misfits, parse
from model.actors import ACTORS, check
from model.schedule import EMPTY_SCHEDULE, ScheduleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model import Design, Finding, Outcome
    from model.schedule import Schedule

STYLES = {"accepted": "green", "refused": "yellow", "waiting": "yellow", "aborted": "red", "hung": "red"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """An outcome under one design, what is wrong with it against the reference, and its final flat views."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    mtree: str


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


def machine_of(stream: str, machine: str | None) -> str:
    """The machine's name: as given, else the NAME of a stream typed NAME/after. Raises UsageError."""
    if machine is not None:
        return machine
    owner, _, moment = stream.rpartition("/")
    if owner and moment in {"before", "after"}:
        return owner
    msg = f"--machine: not given, and the stream {stream} names none as NAME/after does"
    raise UsageError(msg)


def load_all(
    machine: Machine,
    data: bytes,
    designs: Sequence[type[Design]],
    *,
    loadvm: bool = False,
    schedule: Schedule = EMPTY_SCHEDULE,
) -> list[Loaded]:
    """The outcome under each design, each against the reference; the machine is pristine before and after."""
    reference = load(machine, data, REFERENCE(), loadvm=loadvm, schedule=schedule)
    reference_tree = machine.mtree()
    machine.reset()
    loaded = []
    for design in designs:
        if design is REFERENCE:
            loaded.append(Loaded(reference, reference.findings, reference_tree))
            continue
        outcome = load(machine, data, design(), loadvm=loadvm, schedule=schedule)
        mtree = machine.mtree()
        machine.reset()
        loaded.append(Loaded(outcome, judge(reference, outcome, survives_failure=loadvm), mtree))
    return loaded


def run(options: LoadOptions, console: Console | None = None) -> int:
    """Load and print. Exit status: 0 nothing found, 1 findings, 2 something that cannot be used."""
    console = console or Console()
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
    loaded = load_all(machine, data, designs, loadvm=options.loadvm, schedule=schedule)
    wrong = misfits(machine, data)
    if options.as_json:
        print(json.dumps(_to_json(options.stream, machine, schedule, loaded, wrong), indent=2))
    elif options.mtree:
        print(loaded[0].mtree, end="")
    else:
        _show(console, options.stream, name, schedule, loaded)
        for line in wrong:
            console.print(Text(f"does not fit: {line}"), soft_wrap=True)
    return 1 if any(one.findings for one in loaded) else 0


def _designs(options: LoadOptions) -> tuple[type[Design], ...]:
    designs = named_designs(options.designs)
    if options.mtree and len(designs) != 1:
        msg = f"--mtree takes exactly one --design, found {len(designs)}"
        raise UsageError(msg)
    return designs


def _unusable(line: str) -> int:
    Console(stderr=True).print(f"vmfuzz load: {line}", markup=False, highlight=False, soft_wrap=True)
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
        "outcomes": [one.outcome.to_json(one.findings) for one in loaded],
    }


def _show(console: Console, stream: str, machine: str, schedule: Schedule, loaded: Sequence[Loaded]) -> None:
    steps = "".join(f"\n  while {step}" for step in schedule)
    table = Table(title=Text(f"{stream} on {machine}{steps}"), title_justify="left")
    table.add_column("design", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name in ("rebuilds", "pending reads", "harmful", "depth", "found"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in loaded:
        outcome = one.outcome
        table.add_row(
            outcome.design,
            Text(outcome.verdict, style=STYLES[outcome.verdict]),
            str(outcome.rebuilds),
            str(sum(count for _, count in outcome.reads_while_pending)),
            str(sum(count for _, count in outcome.harmful_reads)),
            str(outcome.depth_at_end),
            str(len(one.findings)),
        )
    console.print(table)
    for one in loaded:
        _details(console, one)


def _details(console: Console, one: Loaded) -> None:
    outcome = one.outcome
    lines: list[str] = []
    if outcome.at is not None:
        field = f", field {outcome.at.field}" if outcome.at.field else ""
        lines.append(f"stopped at {outcome.at.offset:#x} in {outcome.at.section or 'the stream'}{field}")
        lines += [f"died: {error}" for error in outcome.at.errors if error not in outcome.messages]
    if outcome.guest_can_cause is not None:
        lines.append(f"a guest {'can' if outcome.guest_can_cause else 'cannot'} cause this refusal")
    lines += [f"qemu: {message}" for message in outcome.messages]
    harmful = dict(outcome.harmful_reads)
    for reader, count in outcome.reads_while_pending:
        lines.append(f"while pending: {reader} x {count}, harmful {harmful.get(reader, 0)}")
    lines += [f"{finding.kind}: {finding.text}\n    cause {finding.cause}" for finding in one.findings]
    lines += [f"step {acted}" for acted in outcome.acted]
    lines += [f"not modelled: {what}" for what in outcome.not_modelled]
    if lines:
        console.print(Text(outcome.design, style="bold"))
        for line in lines:
            console.print(Text("  " + line), soft_wrap=True)
