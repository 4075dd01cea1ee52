"""`vmfuzz replay`: crashers against the outcome expected of each design, a row each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from fuzz.corpus import CorpusError, find_machine
from fuzz.crashers import CrasherError, differences, read_crasher
from fuzz.designs import UsageError, design_named
from fuzz.expectations import expectations
from fuzz.lives import lives_of
from model.actors import ACTORS, check
from model.designs import DESIGNS
from model.errors import DescriptionError
from model.schedule import EMPTY_SCHEDULE, ScheduleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fuzz.campaign.build import Destination
    from fuzz.crashers import Crasher, Expectation
    from model.designs import Design
    from model.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Row:
    """One crasher under one design: the lines by which it differs from what is expected."""

    crasher: str
    machine: str
    design: str
    differences: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "crasher": self.crasher,
            "machine": self.machine,
            "design": self.design,
            "differences": list(self.differences),
        }


@dataclass(slots=True)
class Replayer:
    """Loads crashers; a machine is built once for all crashers that name it."""

    own: Mapping[str, type[Design]] = field(default_factory=dict)
    """Designs beside those of the house, by name."""
    _machines: dict[str, Destination] = field(default_factory=dict)

    def outcomes(
        self,
        data: bytes,
        machine: str,
        designs: Sequence[str],
        schedule: Schedule = EMPTY_SCHEDULE,
        *,
        loadvm: bool = False,
        beyond: Sequence[str] = (),
    ) -> dict[str, Expectation]:
        """What `crashers.summary` says of `data` under each design. Raises CrasherError.

        `beyond`: the lives beyond the load that are looked at (`model.session`).
        """
        destination = self._machine(machine)
        try:
            check(schedule, ACTORS, destination.machine)
        except ScheduleError as error:
            raise CrasherError(str(error)) from None
        chosen = []
        for name in designs:
            design = self.own.get(name) or DESIGNS.get(name)
            if design is None:
                msg = f"design {name}: no such design; there are {', '.join((*DESIGNS, *self.own))}"
                raise CrasherError(msg)
            chosen.append(design)
        return expectations(destination.machine, data, schedule, chosen, loadvm=loadvm, beyond=beyond)

    def _machine(self, name: str) -> Destination:
        known = self._machines.get(name)
        if known is None:
            from fuzz.campaign.build import Destination, read_description  # noqa: PLC0415 - keeps --help light

            try:
                known = Destination(read_description(find_machine(name).description))
            except CorpusError as error:
                raise CrasherError(str(error)) from None
            except (OSError, DescriptionError) as error:
                msg = f"machine {name}: {error}"
                raise CrasherError(msg) from None
            self._machines[name] = known
        return known

    def rows(self, crasher: Crasher) -> list[Row]:
        """The crasher under each design of its expectation. Raises CrasherError."""
        try:
            seen = self.outcomes(
                crasher.path.read_bytes(),
                crasher.machine,
                tuple(crasher.expect),
                crasher.schedule,
                loadvm=crasher.loadvm,
                beyond=lives_of(crasher.causes),
            )
        except CrasherError as error:
            msg = f"crasher {crasher.path}: {error}"
            raise CrasherError(msg) from None
        return [
            Row(crasher.name, crasher.machine, design, differences(expected, seen[design]))
            for design, expected in crasher.expect.items()
        ]


def files(paths: Sequence[Path]) -> list[Path]:
    """Crashers named by stream, by JSON, or by folder; each once, in the order given."""
    found: dict[Path, None] = {}
    for path in paths:
        for one in sorted(path.glob("*.vmstate")) if path.is_dir() else [path]:
            found[one.with_suffix(".vmstate") if one.suffix == ".json" else one] = None
    return list(found)


def replay(paths: Sequence[Path], console: Console | None = None, designs: Sequence[str] = ()) -> int:
    """Replay crashers and print a row each. Exit status: 0 as expected, 1 something differs, 2 unusable.

    `designs`: those of the user's own that crashers expect something of, FILE:CLASS.
    """
    try:
        replayer = Replayer({design.name: design for design in map(design_named, designs)})
        rows = [row for path in files(paths) for row in replayer.rows(read_crasher(path))]
    except (CrasherError, UsageError, OSError) as error:
        Console(stderr=True).print(f"vmfuzz replay: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    console = console or Console()
    table = Table()
    for name in ("crasher", "machine", "design", "result"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(row.crasher, row.machine, row.design, "; ".join(row.differences) or "as expected")
    console.print(table)
    differing = sum(1 for row in rows if row.differences)
    console.print(f"{len(rows)} outcomes, {differing} differ", highlight=False)
    return 1 if differing else 0
