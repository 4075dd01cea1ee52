"""Crashers loaded again, each under the designs of which it tells, and held to what it tells of them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fuzz.beside import seen_from
from fuzz.corpus import CorpusError, find_machine
from fuzz.crashers import CrasherError
from fuzz.designs import text_of
from fuzz.engine.target import exception_found
from fuzz.expectations import Trial
from fuzz.lives import OPTIONS, lives_of
from fuzz.replay.outcomes import differences, keys, shown
from model import DescriptionError, Machine, parse
from model.actors import ACTORS, check
from model.designs import DESIGNS
from model.schedule import EMPTY_SCHEDULE, ScheduleError, split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fuzz.crashers import Crasher, Expectation
    from fuzz.replay.outcomes import Difference
    from model.designs import Design
    from model.schedule import Schedule

AS_EXPECTED: Final = "as expected"


@dataclass(frozen=True, slots=True)
class Row:
    """One crasher under one design. `trouble`: why there is no outcome at all, in one line; "" if there is one.

    `found`: the outcome, as `crashers.summary` keeps it. `command`: what shows it again, to be typed.
    """

    crasher: Crasher
    design: str
    differences: tuple[Difference, ...] = ()
    trouble: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    accepted: bool = False
    """Whether the outcome is expected from now on."""

    @property
    def as_expected(self) -> bool:
        """Whether there is nothing to say."""
        return not self.differences and not self.trouble

    @property
    def result(self) -> str:
        """In a cell of a table."""
        told = self.trouble or ", ".join(map(shown, keys(self.differences))) or AS_EXPECTED
        return f"{told} (accepted)" if self.accepted else told

    @property
    def news(self) -> dict[str, Any]:
        """What accepting the outcome would write, by key: what the crasher tells of and came out otherwise.

        All of the outcome where it tells of nothing.
        """
        if not self.crasher.expect.get(self.design):
            return dict(self.found)
        return {key: self.found[key] for key in keys(self.differences) if key in self.found}

    @property
    def is_news(self) -> bool:
        """Whether there is something to accept, and all of it: a key that no outcome has a person must correct."""
        told = self.crasher.expect.get(self.design)
        return bool(self.news) and (not told or set(keys(self.differences)) <= self.news.keys())

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "crasher": self.crasher.name,
            "file": str(self.crasher.path),
            "machine": self.crasher.machine,
            "design": self.design,
            "as_expected": self.as_expected,
            "differences": [one.to_json() for one in self.differences],
            "trouble": self.trouble or None,
            "accepted": self.accepted,
            "command": self.command,
        }


@dataclass(slots=True)
class Replayer:
    """Loads crashers. A machine is built once for all crashers that name it, and the reference run once a crasher."""

    own: Mapping[str, type[Design]] = field(default_factory=dict)
    """Designs beside those of the house, by name."""
    option: str = "--design"
    """How they are named."""
    _machines: dict[str, Machine] = field(default_factory=dict)
    _open: tuple[Crasher, Trial] | None = None
    """The crasher that was asked for last."""

    def rows(self, crasher: Crasher, designs: Sequence[str] = ()) -> list[Row]:
        """The crasher under each design of which it tells, and under `designs`. Raises CrasherError."""
        self._opened(crasher)  # though nothing may be expected of it
        return [self.row(crasher, design) for design in dict.fromkeys((*crasher.expect, *designs))]

    def row(self, crasher: Crasher, design: str) -> Row:
        """The crasher under one design. Raises CrasherError for a crasher that cannot be loaded, or such a design."""
        known, trial = self.ready(crasher, design)
        command = show_command(crasher, known)
        try:
            found = trial.under(known)
        except Exception as error:  # noqa: BLE001 - whatever the model raises is told in a line
            self._forget(crasher)
            return Row(crasher, design, trouble=exception_found(design, error).text, command=command)
        return Row(crasher, design, differences(crasher.expect.get(design, {}), found), "", found, command)

    def ready(self, crasher: Crasher, design: str) -> tuple[type[Design], Trial]:
        """All that it takes, but for the load itself. Raises CrasherError."""
        trial = self._opened(crasher)
        try:
            return self.design(design), trial
        except CrasherError as error:
            raise CrasherError(f"crasher {crasher.path}: {error}") from None

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
        chosen = [self.design(name) for name in designs]
        trial = self._trial_of(data, machine, schedule, loadvm=loadvm, beyond=beyond)
        return {design.name: trial.under(design) for design in chosen}

    def design(self, name: str) -> type[Design]:
        """A design of the house, or one of the user's own. Raises CrasherError."""
        found = self.own.get(name) or DESIGNS.get(name)
        if found is None:
            msg = f"design {shown(name)}: no such design; if it is one of yours, {self.option} FILE:CLASS names it"
            raise CrasherError(msg)
        return found

    def _opened(self, crasher: Crasher) -> Trial:
        try:
            return self._trial(crasher)
        except CrasherError as error:
            raise CrasherError(f"crasher {crasher.path}: {error}") from None

    def _trial(self, crasher: Crasher) -> Trial:
        if self._open is None or self._open[0] is not crasher:
            try:
                data, schedule = split(crasher.path.read_bytes())
            except ScheduleError as error:
                raise CrasherError(str(error)) from None
            except OSError as error:
                raise CrasherError(error.strerror or str(error)) from None
            trial = self._trial_of(
                data,
                seen_from(crasher.path.parent, crasher.machine),
                schedule or crasher.schedule,
                loadvm=crasher.loadvm,
                beyond=beyond(crasher),
            )
            self._open = crasher, trial
        return self._open[1]

    def _trial_of(self, data: bytes, machine: str, schedule: Schedule, *, loadvm: bool, beyond: Sequence[str]) -> Trial:
        built = self._machine(machine)
        try:
            check(schedule, ACTORS, built)
        except ScheduleError as error:
            raise CrasherError(str(error)) from None
        return Trial(built, data, schedule, loadvm=loadvm, beyond=beyond)

    def _machine(self, name: str) -> Machine:
        if name not in self._machines:
            try:
                self._machines[name] = Machine(parse(find_machine(name).description.read_bytes()))
            except CorpusError as error:
                raise CrasherError(str(error)) from None
            except (OSError, ValueError, DescriptionError) as error:
                raise CrasherError(f"machine {shown(name)}: {error}") from None
        return self._machines[name]

    def _forget(self, crasher: Crasher) -> None:
        """Nothing is known of a machine whose load raised, nor of those loaded on it before."""
        self._machines.pop(seen_from(crasher.path.parent, crasher.machine), None)
        self._open = None


def beyond(crasher: Crasher) -> tuple[str, ...]:
    """The lives beyond the load that it takes to see what a crasher tells of."""
    return lives_of((*crasher.causes, *crasher.kept))


def show_command(crasher: Crasher, design: type[Design]) -> str:
    """The command line that shows a crasher under a design; its machine it takes from the JSON beside it."""
    words = ["vmfuzz", "load", str(crasher.path), "--design", text_of(design)]
    if crasher.schedule:
        words += ["--schedule", "; ".join(map(str, crasher.schedule))]
    if crasher.loadvm:
        words.append("--loadvm")
    words += [OPTIONS[life] for life in beyond(crasher) if life in OPTIONS]
    return shlex.join(words)
