"""A stream loaded under every design, and the worst of what one of them does with it: what a letter is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fuzz.campaign.asked import asked_design
from fuzz.campaign.findings import WITNESS
from fuzz.commands.load import Loaded, load_all
from fuzz.corpus import find_machine, shipped_machines
from fuzz.designs import UsageError, design_named, named_designs, text_of
from fuzz.engine import exception_found
from fuzz.lives import lives_of
from fuzz.schedules import scheduled, typed_schedule
from fuzz.streams import machine_for
from model import DESIGNS, LIVES, REFERENCE, Cause, DescriptionError, Machine, parse
from model.actors import ACTORS, check
from model.schedule import EMPTY_SCHEDULE
from model.severity import without_stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fuzz.engine import Found
    from fuzz.letter.subject import Subject
    from model import Description, Design, Finding, Outcome
    from model.schedule import Schedule


class ModelRaised(Exception):
    """An exception left the model: a fault of vmfuzz, and the finding that a campaign makes of it."""

    def __init__(self, found: Found, machine: str, data: bytes) -> None:
        super().__init__(found.text)
        self.found = found
        self.machine = machine
        self.data = data


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed beside the file."""

    machine: str | None = None
    design: str | None = None
    cause: str | None = None
    schedule: str | None = None
    loadvm: bool = False


@dataclass(frozen=True)
class Case:
    """The stream, how it is loaded, and the finding that the letter is about.

    `machine_typed`, `design_typed`: what a reader types for them. `shipped`: whether he has the machine.
    `reference`, `outcome`: of the stage of the process's life that the finding is about.
    """

    subject: Subject
    data: bytes
    schedule: Schedule
    machine: Machine
    machine_typed: str
    shipped: bool
    loadvm: bool
    lives: tuple[str, ...]
    loaded: tuple[Loaded, ...]
    design: type[Design]
    design_typed: str
    finding: Finding
    findings: tuple[Finding, ...]
    reference: Outcome
    outcome: Outcome

    @property
    def description(self) -> Description:
        """The machine's."""
        return self.machine.description


def stream_case(subject: Subject, asked: Asked, progress: Callable[[str], None] = lambda _name: None) -> Case:
    """Load the stream under every design, and pick what to tell. `progress` is called with each design's name.

    Raises UsageError, CorpusError, ScheduleError, ModelRaised, and OSError of files that cannot be read.
    """
    if asked.cause is not None:
        _parse(asked.cause)
    name = asked.machine or subject.text("machine") or machine_for(subject.typed)
    if not name:
        raise UsageError(f"--machine: not given, and {subject.typed} names none as a crasher or NAME/after does")
    files = find_machine(name)
    try:
        machine = Machine(parse(files.description.read_bytes()))
    except DescriptionError as error:
        raise UsageError(f"machine {name}: {error}") from None
    data, schedule = scheduled(subject.path, subject.path.read_bytes())
    if asked.schedule is not None:
        schedule = typed_schedule(asked.schedule) if asked.schedule else EMPTY_SCHEDULE
    check(schedule, ACTORS, machine)
    loadvm = asked.loadvm or subject.said.get("loadvm") is True
    wanted = _wanted(subject, asked)
    causes = (asked.cause,) if asked.cause is not None else subject.causes
    known = tuple(cause for cause in causes if cause.count("/") == 4)
    lives = tuple(life for life in LIVES if life in lives_of(known) or (loadvm and life == "loadvm"))
    designs = tuple(dict.fromkeys((REFERENCE, *DESIGNS.values(), *wanted)))
    how: dict[str, Any] = {"loadvm": loadvm, "schedule": schedule, "beyond": lives}
    loaded = _loaded(machine, data, designs, how, progress)
    by_design = dict(zip(designs, loaded, strict=True))
    design, finding = _picked(subject, asked, [(one, by_design[one]) for one in wanted], causes)
    reference, outcome = _stage(finding, by_design[REFERENCE], by_design[design])
    shipped = files.typed in shipped_machines()
    typed = asked.machine if asked.machine is not None or shipped else None
    return Case(
        subject,
        data,
        schedule,
        machine,
        typed or (files.typed if shipped else machine.name),
        shipped,
        loadvm,
        lives,
        loaded,
        design,
        _typed(design, asked),
        finding,
        by_design[design].findings,
        reference,
        outcome,
    )


def _loaded(
    machine: Machine,
    data: bytes,
    designs: Sequence[type[Design]],
    how: dict[str, Any],
    progress: Callable[[str], None],
) -> tuple[Loaded, ...]:
    under = [REFERENCE.name]

    def begun(name: str) -> None:
        under.append(name)
        progress(name)

    try:
        return tuple(load_all(machine, data, designs, progress=begun, **how))
    except UsageError:
        raise
    except Exception as error:
        raise ModelRaised(exception_found(under[-1], error), machine.name, data) from error


def _parse(cause: str) -> Cause:
    try:
        return Cause.parse(cause)
    except ValueError as error:
        raise UsageError(f"--cause: {error}") from None


def _typed(design: type[Design], asked: Asked) -> str:
    """What names the design on a command line: as typed, and without a folder of this computer's if it was not."""
    if asked.design is not None:
        return asked.design
    folder, slash, file = text_of(design).rpartition("/")
    return file if folder or slash else text_of(design)


def _wanted(subject: Subject, asked: Asked) -> tuple[type[Design], ...]:
    """The designs of which one is told: as typed, of the cause, of those that the file is kept for, or all."""
    if asked.design is not None:
        return named_designs((asked.design,))
    causes = (asked.cause,) if asked.cause is not None else subject.causes
    names = list(dict.fromkeys(cause.partition("/")[0] for cause in causes))
    expect = subject.said.get("expect")
    if not names and isinstance(expect, dict):
        called = [name for name in expect if subject.stem == name or subject.stem.startswith(f"{name}-")]
        showing = [name for name, one in expect.items() if isinstance(one, dict) and one.get("causes")]
        names = sorted(called, key=len)[-1:] or [name for name in showing if name in DESIGNS]
    if not names or "any" in names:
        return tuple(DESIGNS.values())
    if subject.path.name == WITNESS:
        return tuple(asked_design(name, subject.path.parent) for name in names)
    return tuple(design_named(name) for name in names)


def _picked(
    subject: Subject, asked: Asked, loaded: Sequence[tuple[type[Design], Loaded]], causes: Sequence[str]
) -> tuple[type[Design], Finding]:
    """The worst finding: of the causes that the file is kept for if one shows, of all that show else."""
    shown = [(design, finding) for design, one in loaded for finding in one.findings]
    kept = [(design, finding) for design, finding in shown if str(finding.cause) in causes]
    if asked.cause is not None and not kept:
        others = ", ".join(sorted({str(finding.cause) for _, finding in shown})) or "none"
        raise UsageError(f"{subject.typed}: no such cause: {asked.cause}; it shows {others}")
    if not shown:
        names = ", ".join(design.name for design, _ in loaded)
        raise UsageError(f"{subject.typed}: nothing is wrong with it under {names}")
    designs = [design for design, _ in loaded]
    return min(kept or shown, key=lambda pair: (pair[1].severity, _weight(pair[1]), designs.index(pair[0]), pair[1]))


def _weight(finding: Finding) -> int:
    """Of findings that are equally bad, what a load ends with says more than how it came to it, a guard least."""
    order = ("verdict", "device-state", "layout", "run-state", "flat-view-while-pending", "listener-trace")
    oracle = without_stage(finding.cause.oracle)[1]
    return order.index(oracle) if oracle in order else len(order) + (oracle == "guard")


def _stage(finding: Finding, reference: Loaded, loaded: Loaded) -> tuple[Outcome, Outcome]:
    """The outcomes of the stage of which a finding speaks; those of the load where it speaks of that."""
    name = "reset" if finding.cause.oracle == "reset" else without_stage(finding.cause.oracle)[0]
    for (_, old), (_, new) in zip(reference.lives, loaded.lives, strict=True):
        for one, other in zip(old, new, strict=False):
            if name and one.name == other.name == name:
                return one.outcome, other.outcome
    return reference.outcome, loaded.outcome
