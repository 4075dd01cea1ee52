"""What `vmfuzz run` was asked, turned into a campaign's folder and workers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz import lives
from fuzz.campaign.folder import Campaign, CampaignError, Settings
from fuzz.campaign.slots import names as free_names
from fuzz.campaign.slots import taken
from fuzz.campaign.spec import Spec
from fuzz.corpus import find_machine
from fuzz.designs import UsageError, bug_named, for_programs, named_designs, seeded_designs, text_of
from fuzz.engine import available
from model.designs import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fuzz.corpus import MachineFiles

DEFAULT_MACHINES: Final = ("pc-small", "q35-modern")
TARGETS: Final = ("stream", "roundtrip", "memory")
OTHER_WORKER: Final = 104_729
"""Between the seeds of two workers of a group."""
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_UNITS: Final = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `vmfuzz run` was asked."""

    target: str = ""
    """As are machines, designs and seed: if not given, what the campaign was asked last time."""
    machines: tuple[str, ...] = ()
    designs: tuple[str, ...] = ()
    time: str | None = None
    seed: int | None = None
    campaign: Path = Path("campaign")
    executions: int | None = None
    """Stop each worker after so many executions, those of earlier runs of the campaign among them."""
    loadvm: bool = False
    """Load as snapshots, and go on with the process after the load."""
    resume: bool = False
    """Then start the guest."""
    again: bool = False
    """Then save again, and load that."""
    jobs: int | None = None
    """Worker processes in all; one for each machine if not given."""
    timeout: float = 60.0
    """Seconds of processor time that one execution may take."""
    memory: int = 4096
    """MiB that one worker may ask for beyond what it begins with."""
    baseline: tuple[Path, ...] = ()
    """Files of causes that do not count."""
    quiet: bool = False
    """Say nothing but the final report."""
    seeded: str | None = None
    """A bug: the designs are those that are named, or the usual two, each with it."""
    by_atheris: bool = False
    """Instrument the code under test by atheris's own means, not by probes."""


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


def group_names(machines: Sequence[MachineFiles]) -> tuple[str, ...]:
    """A name for each machine's workers: the machine's, numbered where two machines share it."""
    names: list[str] = []
    for machine in machines:
        name = machine.name
        number = 2
        while name in names:
            name = f"{machine.name}-{number}"
            number += 1
        names.append(name)
    return tuple(names)


def with_seeded(options: RunOptions) -> RunOptions:
    """What was asked, with a seeded bug in each design, and on the machine where it shows if one takes part.

    Raises UsageError.
    """
    if options.seeded is None:
        return options
    before = _settings(options.campaign)
    target = options.target or (before.target if before is not None else "stream")
    if target == "roundtrip":
        msg = f"--seeded {options.seeded}: the target {target} loads nothing"
        raise UsageError(msg)
    designs = tuple(text_of(design) for design in seeded_designs(options.seeded, options.designs))
    if target == "memory":
        return replace(options, designs=designs)
    shows_on = getattr(bug_named(options.seeded), "machine", DEFAULT_MACHINES[0])
    return replace(options, designs=designs, machines=options.machines or (shows_on,))


def as_before(options: RunOptions) -> RunOptions:
    """What was asked, with what was left out as this campaign was asked it last time, or as is usual.

    Raises UsageError where that is a design of the user's own: a folder does not say which Python file is run.
    """
    before = _settings(options.campaign)
    if before is None or options.target not in {"", before.target}:
        return replace(options, target=options.target or "stream", seed=1 if options.seed is None else options.seed)
    designs = options.designs
    if not designs:
        own = [name for name in before.designs if ":" in name]
        if own:
            msg = f"campaign {options.campaign}: it was run with designs of your own; name them: --design {own[0]}"
            raise UsageError(msg)
        designs = before.designs or (REFERENCE.name,)
    machines = options.machines or before.machines
    seed = before.seed if options.seed is None else options.seed
    return replace(options, target=before.target, machines=machines, designs=designs, seed=seed)


def _settings(campaign: Path) -> Settings | None:
    """What a campaign was asked last time; None where there is none."""
    try:
        return Campaign(campaign).settings()
    except CampaignError:
        return None


def prepare(options: RunOptions, say: Callable[[str], None]) -> tuple[float | None, tuple[Spec, ...], Campaign]:
    """Open the campaign: seconds that there are, its workers, its folder. `say`: what was repaired, and warnings.

    Raises UsageError, CorpusError, CampaignError.
    """
    seed = options.seed or 0
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
        base, campaign = _programs(options, designs, say)
        return limit, _workers([base], options, campaign), campaign
    machines = [find_machine(name) for name in dict.fromkeys(options.machines) or usual_machines(options.designs)]
    _check(machines)
    names = group_names(machines)
    campaign = Campaign(options.campaign)
    typed = tuple(machine.typed for machine in machines)
    beyond = lives.asked(resume=options.resume, again=options.again, loadvm=False)
    asked = Settings(options.target, typed, designs, seed, loadvm=options.loadvm, beyond=beyond)
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
        say(line)
    groups = [
        Spec(
            worker=name,
            target=options.target,
            machine=machine.typed,
            description=str(machine.description.resolve()),
            seeds=tuple(str(seed.resolve()) for seed in seeds[name]),
            designs=designs,
            # Each start of a campaign explores with another sequence; the first one is the seed's own.
            seed=seed + 7_919 * (settings.runs - 1),
            campaign=str(options.campaign.resolve()),
            loadvm=settings.loadvm,
            beyond=settings.beyond,
            by_atheris=options.by_atheris,
        )
        for name, machine in zip(names, machines, strict=True)
    ]
    return limit, _workers(groups, options, campaign), campaign


def _workers(groups: Sequence[Spec], options: RunOptions, campaign: Campaign) -> tuple[Spec, ...]:
    """The workers of each group: as many as there are jobs, and at least one of each. Raises CampaignError."""
    try:
        held = taken(campaign)
    except OSError as error:
        msg = f"campaign {campaign.path}: {error.strerror or error}"
        raise CampaignError(msg) from None
    many = max(options.jobs or 0, len(groups))
    made = []
    for number, group in enumerate(groups):
        share = many // len(groups) + (number < many % len(groups))
        for which, name in enumerate(free_names(group.worker, held, share)):
            made.append(
                replace(
                    group,
                    worker=name,
                    group=group.worker,
                    seed=group.seed + OTHER_WORKER * which,
                    share=(which, share),
                    executions=options.executions,
                    timeout=options.timeout,
                    memory=options.memory << 20,
                    recycle=options.memory << 19,
                )
            )
    return tuple(sorted(made, key=lambda spec: spec.seed))


def _programs(options: RunOptions, designs: tuple[str, ...], say: Callable[[str], None]) -> tuple[Spec, Campaign]:
    """What runs where no machine takes part: one group, whose seeds are programs."""
    from fuzz.programs import seed_inputs  # noqa: PLC0415 - keeps the module light for --help

    for_programs(named_designs(designs))
    if options.machines:
        msg = f"--machine {options.machines[0]}: the target memory runs programs in worlds of its own, on no machine"
        raise UsageError(msg)
    campaign = Campaign(options.campaign)
    settings, repaired = campaign.open(Settings(options.target, (), designs, options.seed or 0))
    for line in repaired:
        say(line)
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
        seed=settings.seed + 7_919 * (settings.runs - 1),
        campaign=str(options.campaign.resolve()),
    )
    return spec, campaign


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
