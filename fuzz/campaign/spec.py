"""What a worker is told to do: a JSON file that the supervisor writes and the worker reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Spec:
    """What a worker is to do; a JSON file that the supervisor writes."""

    worker: str
    target: str
    machine: str
    """As a person types it."""
    description: str
    seeds: tuple[str, ...]
    designs: tuple[str, ...]
    seed: int
    campaign: str
    group: str = ""
    """The workers whose corpus this one shares; "" for its own."""
    seconds: float | None = None
    executions: int | None = None
    """Stop after so many, those of the worker's earlier runs among them."""
    loadvm: bool = False
    """Load as a snapshot, and go on with the process."""
    beyond: tuple[str, ...] = ()
    """Lives beyond the load (`model.LIVES`) that each input is made to live as well."""
    probes: bool = True
    """Whether the code under test is instrumented."""
    by_atheris: bool = False
    """By atheris's own means, which any Python code bears, at 4 to 40 times the cost of probes, and without `WITHOUT`."""
    profile: str = ""
    """A file for where the time goes (`vmfuzz bench`); empty: not measured."""
    strict: str = ""
    """A file for how many mutants are streams (`vmfuzz bench`); empty: not counted."""
    feedback: str = ""
    """What the engine is told (`fuzz.feedback`), of streams only; "" for all of it."""
    reach: str = ""
    """With a feedback: a file for what the search reached in `executions`; "": not counted."""
    timeout: float = 60.0
    """Seconds of processor time after which one execution is ended as a hang."""
    memory: int = 0
    """Bytes that a worker may ask for beyond what it begins with; 0: no limit."""
    recycle: int = 0
    """Bytes in use at which a worker is started anew; 0: never."""
    supervisor: int = 0
    """Process id of the supervisor; 0: none to watch."""
    share: tuple[int, int] = (0, 1)
    """Which of how many workers of its group this is: what is tried systematically they share."""
    until: tuple[str, ...] = ()
    """Designs, as causes tell them, of which the first finding ends the work (`vmfuzz bench --search`)."""

    @property
    def shared(self) -> str:
        """The folder's name under `corpus`."""
        return self.group or self.worker

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """The inverse."""
        values: dict[str, Any] = json.loads(text)
        values["seeds"] = tuple(values["seeds"])
        values["designs"] = tuple(values["designs"])
        values["beyond"] = tuple(values.get("beyond", ()))
        values["until"] = tuple(values.get("until", ()))
        which, of = values.get("share", (0, 1))
        values["share"] = which, of
        return cls(**values)
