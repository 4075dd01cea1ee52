"""`vmfuzz run`: designs side by side, live status, at the end a table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from fuzz import lives
from fuzz.campaign.folder import Campaign, CampaignError, Settings
from fuzz.campaign.spec import Spec
from fuzz.campaign.supervisor import Supervisor
from fuzz.commands.live import View
from fuzz.corpus import CorpusError, find_machine
from fuzz.designs import UsageError, named_designs, text_of
from fuzz.engine import available
from fuzz.report import final_report
from fuzz.report.aside import earlier, listed_in
from fuzz.triage.entries import TriageError
from model.designs import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.corpus import MachineFiles

DEFAULT_MACHINES: Final = ("pc-small", "q35-modern")
TARGETS: Final = ("stream", "roundtrip", "memory")
SHOWN: Final = 12
"""Findings told at the end of a run; `status` tells all."""
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_UNITS: Final = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `vmfuzz run` was asked."""

    target: str = "stream"
    machines: tuple[str, ...] = ()
    designs: tuple[str, ...] = ()
    time: str | None = None
    seed: int = 1
    campaign: Path = Path("campaign")
    executions: int | None = None
    """Stop each worker after so many executions, those of earlier runs of the campaign among them."""
    loadvm: bool = False
    """Load as snapshots, and go on with the process after the load."""
    resume: bool = False
    """Then start the guest."""
    again: bool = False
    """Then save again, and load that."""
    baseline: tuple[Path, ...] = ()
    """Files of causes that do not count."""


def seconds(text: str | None) -> float | None:
    """A duration: 60, 60s, 5m, 2h, 1d. None stays None (no end). Raises UsageError."""
    if text is None:
        return None
    match = _TIME.fullmatch(text.strip())
    if match is None or float(match[1]) <= 0:
        msg = f"--time {text}: expected a duration such as 60s, 5m or 2h"
        raise UsageError(msg)
    return float(match[1]) * _UNITS[match[2]]


def usual_machines(designs: Sequence[str]) -> tuple[str, ...]:
    """Those of a run that names none: the usual two, and those where what is known of the designs named shows.

    Raises UsageError.
    """
    named = () if "all" in designs else named_designs(designs)
    return tuple(dict.fromkeys((*DEFAULT_MACHINES, *(name for design in named for name in design.shows_on))))


def chosen_designs(names: Sequence[str]) -> tuple[str, ...]:
    """The designs to load under besides the reference: all of them when none is named. Raises UsageError.

    As a worker in any folder finds them.
    """
    return tuple(text_of(design) for design in named_designs(names or ("all",)) if design is not REFERENCE)


def worker_names(machines: Sequence[MachineFiles]) -> tuple[str, ...]:
    """A name for each machine's worker: the machine's, numbered where two machines share it."""
    names: list[str] = []
    for machine in machines:
        name = machine.name
        number = 2
        while name in names:
            name = f"{machine.name}-{number}"
            number += 1
        names.append(name)
    return tuple(names)


def run(options: RunOptions, console: Console | None = None) -> int:
    """Run a campaign. Returns the exit status: 0 nothing found, 1 findings, 2 an option that cannot be used.

    With a baseline only what it does not set aside is a finding; those of earlier runs in the folder count, too.
    """
    complaints = Console(stderr=True)
    try:
        aside = listed_in(options.baseline) if options.baseline else None
        limit, specs, campaign = _prepare(options, complaints)
    except (UsageError, CorpusError, CampaignError, TriageError) as error:
        complaints.print(f"vmfuzz run: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    console = console or Console()
    workers = tuple(spec.worker for spec in specs)
    machines = ", ".join(spec.machine for spec in specs if spec.machine) or "none"
    designs = ", ".join(specs[0].designs) or "the reference alone"
    about = f"{campaign.path}: target {options.target}, machines {machines}, designs {designs}, seed {options.seed}"
    console.print(about, markup=False, highlight=False, soft_wrap=True)
    if aside is not None and (line := earlier(campaign, aside)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    view = View(campaign, workers, console)
    with view.live:
        supervisor = Supervisor(campaign, specs, limit, view.show, view.say)
        reason = supervisor.run()
    if reason == "signal":
        console.print("stopped; everything found is kept", highlight=False)
    found = final_report(campaign, console, SHOWN, aside)
    return 1 if found else 0


def _prepare(options: RunOptions, console: Console) -> tuple[float | None, tuple[Spec, ...], Campaign]:
    if options.target not in TARGETS:
        msg = f"--target {options.target}: no such target; there are {', '.join(TARGETS)}"
        raise UsageError(msg)
    for name, given in (("loadvm", options.loadvm), ("resume", options.resume), ("again", options.again)):
        if given and options.target != "stream":
            msg = f"--{name}: the target {options.target} loads nothing"
            raise UsageError(msg)
    missing = available()
    if missing:
        raise UsageError(missing)
    limit = seconds(options.time)
    designs = chosen_designs(options.designs)
    if options.target == "memory":
        return limit, *_programs(options, designs, limit, console)
    machines = [find_machine(name) for name in dict.fromkeys(options.machines) or usual_machines(options.designs)]
    _check(machines)
    names = worker_names(machines)
    campaign = Campaign(options.campaign)
    typed = tuple(machine.typed for machine in machines)
    beyond = lives.asked(resume=options.resume, again=options.again, loadvm=False)
    asked = Settings(options.target, typed, designs, options.seed, loadvm=options.loadvm, beyond=beyond)
    settings, repaired = campaign.open(asked)
    repaired = (
        *repaired,
        *(f"machine {one.typed}: no seed streams, the search starts from nothing" for one in machines if not one.seeds),
    )
    seeds = {name: machine.seeds for name, machine in zip(names, machines, strict=True)}
    if options.target == "roundtrip":
        names = tuple(f"{options.target}-{name}" for name in names)
        seeds = {name: _small_seeds(campaign, name, machine) for name, machine in zip(names, machines, strict=True)}
    for line in repaired:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    specs = tuple(
        Spec(
            worker=name,
            target=options.target,
            machine=machine.typed,
            description=str(machine.description.resolve()),
            seeds=tuple(str(seed.resolve()) for seed in seeds[name]),
            designs=designs,
            # Each start of a campaign explores with another sequence; the first one is the seed's own.
            seed=options.seed + 7_919 * (settings.runs - 1),
            campaign=str(options.campaign.resolve()),
            seconds=limit,
            executions=options.executions,
            loadvm=settings.loadvm,
            beyond=settings.beyond,
        )
        for name, machine in zip(names, machines, strict=True)
    )
    return limit, specs, campaign


def _programs(
    options: RunOptions, designs: tuple[str, ...], limit: float | None, console: Console
) -> tuple[tuple[Spec, ...], Campaign]:
    """What runs where no machine takes part: one worker, whose seeds are programs."""
    from fuzz.programs import seed_inputs  # noqa: PLC0415 - keeps the module light for --help

    if options.machines:
        msg = f"--machine {options.machines[0]}: the target memory runs programs in worlds of its own, on no machine"
        raise UsageError(msg)
    campaign = Campaign(options.campaign)
    settings, repaired = campaign.open(Settings(options.target, (), designs, options.seed))
    for line in repaired:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    try:
        seeds = campaign.seed(options.target, seed_inputs())
    except OSError as error:
        msg = f"campaign {campaign.path}: {error.strerror or error}"
        raise CampaignError(msg) from None
    spec = Spec(
        worker=options.target,
        target=options.target,
        machine="",
        description="",
        seeds=tuple(str(seed.resolve()) for seed in seeds),
        designs=designs,
        seed=options.seed + 7_919 * (settings.runs - 1),
        campaign=str(options.campaign.resolve()),
        seconds=limit,
        executions=options.executions,
    )
    return (spec,), campaign


def _small_seeds(campaign: Campaign, worker: str, machine: MachineFiles) -> tuple[Path, ...]:
    """Write what the search begins with where streams are not loaded but only read: see `mutate.small`."""
    from fuzz.mutate.small import small_inputs  # noqa: PLC0415 - keeps the module light for --help
    from model import parse, section_schemas  # noqa: PLC0415

    schemas = section_schemas(parse(machine.description.read_bytes()))
    inputs = small_inputs((path.read_bytes() for path in machine.seeds), schemas)
    try:
        return campaign.seed(worker, inputs)
    except OSError as error:
        msg = f"campaign {campaign.path}: {error.strerror or error}"
        raise CampaignError(msg) from None


def _check(machines: Sequence[MachineFiles]) -> None:
    """Read each description once here, so that a bad one is one line and not a dead worker."""
    from model.description import parse  # noqa: PLC0415 - keeps the module light for --help
    from model.errors import DescriptionError  # noqa: PLC0415

    for machine in machines:
        try:
            parse(machine.description.read_bytes())
        except OSError as error:
            msg = f"--machine {machine.typed}: {machine.description}: {error.strerror}"
            raise UsageError(msg) from None
        except DescriptionError as error:
            msg = f"--machine {machine.typed}: {machine.description}: {error}"
            raise UsageError(msg) from None
