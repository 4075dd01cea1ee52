"""What runs in a fuzz target: one of our targets in the engine, until a new cause shows.

The order is that of a worker (`fuzz.work.worker`): probes first, then the code under test; nothing touches
atheris's native module before the first execution. Everything about the run comes from the command line, as with any
libFuzzer target: corpora, `-runs`, `-merge`, one file to reproduce.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from fuzz.baseline import Baseline, TriageError, read_baseline
from fuzz.engine import PROBES, FeatureMap, bytes_mutator
from fuzz.engine.collector import leave_alone
from fuzz.engine.probes import install
from fuzz.engine.target import Found
from fuzz.oss.definition import KNOWN
from fuzz.oss.feedback import byte_code, has_counters
from fuzz.oss.raising import new_cause
from fuzz.work.worker import INSTRUMENTED, UNDER_TEST, WITHOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.engine import Target
    from fuzz.oss.definition import FuzzTarget

PLANT: Final = "VMFUZZ_PLANT"
"""An environment variable: the SHA-1 of an input that is to count as a finding, whatever it does. It is the control of
`vmfuzz oss-fuzz`: with it a target must end, leave the input behind and end again when it is given that file."""
PLANTED: Final = "planted/control/nobody/input/none"


class OneInput:
    """What the engine calls for each input."""

    def __init__(self, target: Target, features: FeatureMap, known: Baseline, plant: str = "") -> None:
        self._target = target
        self._features = features
        self._known = known
        self._plant = plant

    def __call__(self, data: bytes) -> None:
        """One execution. Raises NewCause."""
        if not self._features.registered:
            # What was lit while all this was built would count for the first input, whichever that is in a merge.
            self._features.clear()
            self._features.register()
        self.execute(data)

    def execute(self, data: bytes) -> None:
        """The same, without the engine."""
        execution = self._target.run(data)
        self._features.mark(execution.features)
        new = [one for one in execution.found if not self._known.sets_aside(one.cause)]
        if self._plant and hashlib.sha1(data, usedforsecurity=False).hexdigest() == self._plant:
            new.append(Found("control", PLANTED, f"{PLANT} names this input"))
        if new:
            new_cause(new)


def run(target: FuzzTarget, argv: Sequence[str]) -> NoReturn:
    """Run a fuzz target with libFuzzer's own command line. Does not return: the process ends."""
    try:
        known = read_baseline(Path(argv[0]).resolve().parent / KNOWN)
    except TriageError as error:
        sys.exit(f"{Path(argv[0]).name}: {error}")
    features = FeatureMap()
    under_test = UNDER_TEST.get(target.kind, INSTRUMENTED)
    if has_counters():
        install(under_test, features.counters, PROBES, () if target.kind == "memory" else WITHOUT)
        instrumented: AbstractContextManager[Any] = nullcontext()
    else:
        features.registered = True
        instrumented = byte_code(under_test)
    # Only now: importing this imports the code under test.
    with instrumented:
        from fuzz.oss.build import mutator_of, target_of  # noqa: PLC0415

        one = OneInput(target_of(target), features, known, os.environ.get(PLANT, ""))
        mutator = mutator_of(target)
    import atheris  # noqa: PLC0415 - optional

    mutator.engine = bytes_mutator()
    leave_alone()
    atheris.Setup(command(argv), one, custom_mutator=mutator.mutate, custom_crossover=mutator.crossover)
    atheris.Fuzz()
    sys.exit(0)


def command(argv: Sequence[str]) -> list[str]:
    """The command line for atheris. libFuzzer gives argv[0] to a shell where it starts itself again, as for a merge."""
    if getattr(sys, "frozen", False):
        return [shlex.quote(argv[0]), *argv[1:]]
    return [f"{shlex.quote(sys.executable)} {shlex.quote(argv[0])}", *argv[1:]]
