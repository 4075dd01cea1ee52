"""What the engine calls and what it gets back: a target is a function of bytes."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Protocol

from fuzz.engine.watchdog import OutOfTime

if TYPE_CHECKING:
    from collections.abc import Iterable

Feature = tuple[str | int, ...]
"""A small composable fact about one execution, such as ("verdict", "wrap-main", "refused")."""


@dataclass(frozen=True, slots=True)
class Found:
    """One finding as the campaign keeps it: `cause` is the text of the five joined by "/".

    `readable`: the input in a text form, if it has one, to be kept beside the witness.
    `severity` is the text of a `model.severity.Severity`, "" where the cause alone says it.
    """

    kind: str
    cause: str
    text: str
    readable: str = field(default="", kw_only=True)
    severity: str = field(default="", kw_only=True)

    @property
    def design(self) -> str:
        """The load design, the first of the five parts of a cause."""
        return self.cause.split("/", 1)[0]


@dataclass(frozen=True, slots=True)
class Execution:
    """What one input did: facts for the engine to collect, findings for the campaign to keep.

    `stopped` is for the mutator: where the input was refused, as section and instance joined by "/", "" where it was
    taken to its end, None where nobody knows.
    """

    features: Iterable[Feature] = ()
    found: tuple[Found, ...] = ()
    stopped: str | None = None


class Target(Protocol):
    """A function of bytes. `run` must not raise for any input; what it does raise becomes a finding."""

    name: str

    def run(self, data: bytes) -> Execution:
        """Execute one input, returning to the pristine state afterwards."""
        ...


RAISED: Final = (Exception, OutOfTime)
"""What an execution may raise that is a finding."""


def exception_found(design: str, error: BaseException, device: str = "-") -> Found:
    """A finding for an exception that left the code under test.

    The cause is the exception's type and the innermost frame, without line numbers, so that it is the same between runs
    and survives edits elsewhere in a file. What the watchdog ended is a hang of the function that did not end; what
    asked for more memory than a worker may have is a finding of its own kind.
    """
    if isinstance(error, OutOfTime):
        cause = f"{design}/hang/{error.where}/-/{device}"
        return Found("hang", cause, f"{error} in {error.where}", severity="hang")
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{PurePath(frame.filename).stem}.{frame.name}" for frame in frames[-3:]] or ["?"]
    cause = "/".join((design, "exception", where[-1], type(error).__name__, device))
    detail = str(error).splitlines()[0][:200] if str(error) else ""
    text = f"{type(error).__name__}: {detail} in {' < '.join(reversed(where))}"
    if isinstance(error, MemoryError):
        return Found("memory", cause.replace("/exception/", "/memory/", 1), text or "MemoryError", severity="assertion")
    return Found("exception", cause, text)
