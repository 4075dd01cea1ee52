"""A search: one bug, one way of looking for it, one seed. And what came of it.

Both are values that go to a process and back as JSON. This module is imported before probes are in place, so it knows
nothing of the code under test.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from fuzz.campaign.spec import Spec
from fuzz.corpus import find_machine

if TYPE_CHECKING:
    from pathlib import Path

FOUND: Final = "found"
SPENT: Final = "executions"
LATE: Final = "time"
DIED: Final = "died"
DOUBT: Final = "unconfirmed"

LOG: Final = "log"
"""What an engine prints, in the search's folder."""

MEMORY: Final = 4 << 30
"""Bytes that a search may ask for beyond what it begins with, as a worker of `vmfuzz run`."""
TIMEOUT: Final = 60.0
"""Seconds of processor time after which an execution is ended as a hang, likewise."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, where, how, and for how long."""

    bug: str
    """Its name, or FILE:CLASS with the whole path."""
    name: str
    way: str
    seed: int
    machine: str
    """As a person types it."""
    designs: tuple[str, ...]
    """As a spec has them; each with the bug."""
    watched: tuple[str, ...]
    """The same as causes tell them: a finding of one of these is the bug found."""
    executions: int
    seconds: float
    """By the clock, from the first execution on."""

    def spec(self, campaign: Path) -> Spec:
        """The same for a worker, which ends with the first finding. Raises CorpusError."""
        machine = find_machine(self.machine)
        return Spec(
            worker="search",
            target="stream",
            machine=machine.typed,
            description=str(machine.description.resolve()),
            seeds=tuple(str(seed.resolve()) for seed in machine.seeds),
            designs=self.designs,
            seed=self.seed,
            campaign=str(campaign),
            seconds=self.seconds,
            executions=self.executions,
            timeout=TIMEOUT,
            memory=MEMORY,
            until=self.watched,
        )

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Search:
        """The inverse."""
        values: dict[str, Any] = json.loads(text)
        values["designs"], values["watched"] = tuple(values["designs"]), tuple(values["watched"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Result:
    """How a search ended: `found`, `executions` or `time` (spent), `died`, or `unconfirmed`, which is not found."""

    ended: str
    executions: int
    """Until the bug showed, that one counted; else how many there were."""
    seconds: float
    """By the clock, from the first execution on."""
    cause: str = ""
    size: int = 0
    """Bytes of the witness."""
    why: str = ""
    """In a line, where it died or is in doubt."""

    @property
    def found(self) -> bool:
        """Whether the bug showed, and showed again."""
        return self.ended == FOUND


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a way says, before anybody has looked at its witness again."""

    ended: str
    executions: int
    seconds: float
    cause: str = ""
    witness: bytes = b""
    why: str = ""
