"""What a worker needs, built from its spec: the target on its machine, and the mutator that knows that machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.designs import design_named
from fuzz.mutate import small
from fuzz.mutate.mutator import Mutator
from fuzz.mutate.places import Places
from fuzz.mutate.programs import ProgramMutator
from fuzz.mutate.scene import Scene
from fuzz.mutate.sweep import FIRST
from fuzz.targets import memory, roundtrip, stream
from model import REFERENCE, Loads, Machine, Stage, live, parse, section_schemas, stages_of
from model.faulty import FaultyMachine
from model.schedule import EMPTY_SCHEDULE
from model.session import LOAD
from vmformat import StreamError, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fuzz.campaign.spec import Spec
    from fuzz.engine import Target
    from fuzz.mutate.sweep import Turn
    from model import Description, Design, Outcome
    from model.lights import Lights
    from model.schedule import Schedule

SLACK = 64 << 10
"""Bytes that a mutant may grow beyond twice the largest seed."""


class Destination:
    """A machine behind the two calls of `fuzz.targets.stream`. A load that would come to nothing new is not done."""

    def __init__(self, description: Description, lights: Lights | None = None, *, remembers: bool = True) -> None:
        """`lights` and `remembers`: as of `model.Loads`."""
        self.machine = Machine(description)
        self._loads = Loads(self.machine, lights, remembers=remembers)
        self._faulty = FaultyMachine(description)

    def load(
        self, data: bytes, design: Design, schedule: Schedule = EMPTY_SCHEDULE, *, loadvm: bool = False
    ) -> Outcome:
        """Load from the pristine state; `loadvm`: as a snapshot."""
        return self._loads.load(data, design, schedule, loadvm=loadvm)

    def stages(
        self, data: bytes, design: type[Design], schedule: Schedule = EMPTY_SCHEDULE, *, loadvm: bool = False
    ) -> tuple[Stage, ...]:
        """The load, or as a snapshot the life that begins so; pristine before and after."""
        if design.bug is not None:
            return self._faulty.stages(data, design, schedule, loadvm=loadvm)
        if loadvm:
            return stages_of(self.machine, data, design, loadvm=True, schedule=schedule)
        outcome = self.load(data, design(), schedule)
        self.reset()
        return (Stage(LOAD, outcome),)

    def live(
        self, data: bytes, design: type[Design], life: str, schedule: Schedule = EMPTY_SCHEDULE, *, loadvm: bool = False
    ) -> tuple[Stage, ...]:
        """The load and one of `model.LIVES` behind it; pristine before and after."""
        if design.bug is not None:
            return self._faulty.live(data, design, life, schedule, loadvm=loadvm)
        return live(self.machine, data, design, life, loadvm=loadvm, schedule=schedule)

    def reset(self) -> None:
        """Return to the pristine state."""
        self.machine.reset()


def read_description(path: Path) -> Description:
    """The machine description in a file. Raises DescriptionError and OSError."""
    return parse(path.read_bytes())


def build_target(spec: Spec, lights: Lights | None = None) -> Target:
    """The target that the spec names. `lights`: told what a load lights that is not done, as none is without."""
    if spec.target == memory.NAME:
        return memory.MemoryTarget([design_named(name) for name in spec.designs])
    description = read_description(Path(spec.description))
    if spec.target == roundtrip.NAME:
        return roundtrip.RoundtripTarget(section_schemas(description))
    designs = [design_named(name) for name in spec.designs]
    remembers = lights is not None and not spec.by_atheris  # else what is not done stays dark

    def make(wrap: Callable[[stream.Destination], stream.Destination]) -> Target:
        return stream.StreamTarget(
            lambda: wrap(Destination(description, lights, remembers=remembers)),
            REFERENCE,
            designs,
            loadvm=spec.loadvm,
            beyond=spec.beyond,
        )

    if not spec.feedback:
        return make(lambda destination: destination)
    from fuzz.feedback import fed  # noqa: PLC0415 - for those who compare

    return fed(make, spec.feedback, spec.reach, spec.executions or 0)


def build_mutator(spec: Spec, begun: int | None = None) -> Mutator | ProgramMutator:
    """The mutator for the spec's target: for its machine, with its seeds as donors, or for programs.

    `begun`: executions of the worker's earlier lives, for who makes many mutants: what takes a moment once is done now.
    """
    if spec.target == memory.NAME:
        return ProgramMutator(memory.MAX_SIZE)
    limit = small.MAX_SIZE if spec.target == roundtrip.NAME else None
    seeds = [Path(seed).read_bytes() for seed in spec.seeds]
    schedules = spec.target == stream.NAME and not spec.loadvm  # a snapshot is loaded without letting go of the lock
    mutator = make_mutator(
        read_description(Path(spec.description)),
        seeds,
        limit,
        schedules=schedules,
        learning=True,
        turn=(*spec.share, begun or 0),
    )
    if begun is not None:
        mutator.prepare()
    return mutator


def make_mutator(
    description: Description,
    seeds: Sequence[bytes],
    limit: int | None = None,
    *,
    schedules: bool = False,
    learning: bool = False,
    turn: Turn = FIRST,
) -> Mutator:
    """The mutator for a machine, with those of its seeds that can be read as donors.

    `limit`: the longest mutant, in bytes; twice the longest seed and a little if not given. `schedules`: whether
    mutants may end with one. `learning`: it is told what becomes of its mutants, and makes use of that; `turn` says
    where its list of trials begins.
    """
    schemas = section_schemas(description)
    donors = []
    for data in seeds:
        try:
            donors.append(read(data, schemas))
        except StreamError:
            continue
    largest = max((4096, *(len(data) for data in seeds)))
    known = tuple(sorted({region.addr for region in description.regions if 0 < region.addr < 1 << 63}))
    block, ram = _main_ram(description)
    places = Places(min(description.below_4g, ram), max(0, ram - description.below_4g), block, known)
    functions = tuple((entry.function, tuple(bar.slot for bar in entry.bars)) for entry in description.functions)
    masks = {entry.function: (entry.writable, entry.compare) for entry in description.functions}
    bars = {entry.function: {bar.slot: bar.size for bar in entry.bars} for entry in description.functions}
    scene = Scene(
        places, tuple(donors), limit or 2 * largest + SLACK, functions, bars=bars, masks=masks, schedules=schedules
    )
    return Mutator(schemas, scene, learning=learning, turn=turn)


def _main_ram(description: Description) -> tuple[str, int]:
    """Name and bytes of the block that is seen from address 0 on; another one may be as large."""
    lengths = {block.name: block.length for block in description.blocks}
    shown = {region.target for region in description.regions if region.name == "ram-below-4g"}
    backing = [region.block for region in description.regions if region.id in shown and region.block in lengths]
    block = backing[0] if backing else max(lengths, key=lambda name: lengths[name], default=None)
    return ("pc.ram", description.below_4g) if block is None else (block, lengths[block])
