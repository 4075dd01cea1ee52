"""One witness run again, as its campaign ran it: the same target, with the present code."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.corpus import CorpusError, find_machine
from fuzz.designs import UsageError, design_named, named_designs, text_for
from fuzz.lives import lives_of
from fuzz.targets import memory, roundtrip, stream
from fuzz.work.build import Destination, read_description
from model import REFERENCE, section_schemas
from model.actors import ACTORS, check
from model.designs import DESIGNS
from model.errors import DescriptionError
from model.schedule import Schedule, ScheduleError, join

if TYPE_CHECKING:
    from fuzz.engine.target import Found, Target
    from fuzz.triage.witness import Witness
    from model import Description
    from model.designs import Design

ANY: Final = "any"
"""The design of causes that are no design's."""


class Unusable(Exception):
    """A witness that cannot be run again, in one line that says why."""


@dataclass(frozen=True, slots=True)
class Task:
    """A witness, and the causes that it is said to show."""

    witness: Witness
    causes: tuple[str, ...]


@dataclass(slots=True)
class Runner:
    """Runs witnesses; what many of them need is built once."""

    _machines: dict[str, Destination] = field(default_factory=dict)
    _readers: dict[str, roundtrip.RoundtripTarget] = field(default_factory=dict)

    def run(self, task: Task) -> tuple[Found, ...]:
        """What the witness shows. Raises Unusable."""
        witness = task.witness
        try:
            schedule = Schedule.parse(list(witness.schedule) or None)
            data = witness.path.read_bytes()
            if schedule and data.endswith(tail := join(b"", schedule)):
                data = data[: -len(tail)]  # as it is for a moment, and for ever after a kill in that moment
            return self._target(task, schedule).run(join(data, schedule)).found
        except OSError as error:
            raise Unusable(f"{error.filename or witness.path}: {error.strerror or error}") from None
        except (CorpusError, ScheduleError, UsageError) as error:
            raise Unusable(str(error)) from None

    def _target(self, task: Task, schedule: Schedule) -> Target:
        witness = task.witness
        if witness.target == memory.NAME:
            return memory.MemoryTarget(_designs(task))
        description = _description(witness)
        if witness.target == roundtrip.NAME:
            if description not in self._readers:
                self._readers[description] = roundtrip.RoundtripTarget(section_schemas(_read(description)))
            return self._readers[description]
        if witness.target != stream.NAME:
            raise Unusable(f"target {witness.target}: no such target")
        if description not in self._machines:
            self._machines[description] = Destination(_read(description))
        check(schedule, ACTORS, self._machines[description].machine)
        fresh = [self._machines[description]]

        def build() -> Destination:
            """The machine that is there; a new one when nothing is known of the state of that."""
            if not fresh:
                self._machines[description] = Destination(_read(description))
                return self._machines[description]
            return fresh.pop()

        designs = [design for design in _designs(task) if design is not REFERENCE]
        beyond = lives_of(task.causes)
        return stream.StreamTarget(build, REFERENCE, designs, loadvm=witness.loadvm, beyond=beyond)


def _read(description: str) -> Description:
    """Raises Unusable."""
    try:
        return read_description(Path(description))
    except DescriptionError as error:
        raise Unusable(f"{description}: {error}") from None


def _designs(task: Task) -> list[type[Design]]:
    """The designs of the causes. Raises Unusable for one that is nowhere, and UsageError.

    A file that only a campaign names is not run: its folder may be anybody's.
    """
    own = {design.name: design for design in map(design_named, task.witness.own)}
    found: dict[str, type[Design]] = {}
    for name in dict.fromkeys(cause.partition("/")[0] for cause in task.causes):
        if name == ANY:
            asked = [text for text in task.witness.designs if ":" not in text] or ["all"]
            found |= {design.name: design for design in named_designs(asked)} | own
        elif name in DESIGNS or name in own:
            found[name] = DESIGNS.get(name) or own[name]
        else:
            typed = text_for(name, task.witness.designs)
            raise Unusable(f"design {name}: it takes --design {typed if ':' in typed else 'FILE:CLASS'}")
    return [*found.values()]


def _description(witness: Witness) -> str:
    """The file of the machine's description: as the campaign's workers read it where the name alone does not say it.

    A name is as it was typed, and may have been typed in another folder. Raises CorpusError.
    """
    try:
        return str(find_machine(witness.machine).description.resolve())
    except CorpusError:
        if witness.description and Path(witness.description).is_file():
            return witness.description
        raise
