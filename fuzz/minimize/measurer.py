"""A process that measures inputs, run as `python -m fuzz.minimize.measurer` with lines of JSON on both of its pipes.

Which features an input lights must not depend on what ran before it: the model remembers how schemas are walked and
what was rendered, so the code behind a memory runs for the first input that needs it and for no other. Therefore this
process builds the target once, under probes, runs nothing itself, and forks a child for each input: what is measured is
what the input does in a process that has run nothing else. The features of a corpus in a fresh process are then those
of its inputs, taken together. It also means that an input which hangs, dies or takes all memory ends its child only.

A request names files. `together`: all of them one after the other in one child, which is how a campaign runs them;
facts that come out otherwise then depend on more than the input. Each child has a limit of processor time for an
input (so that a busy machine changes nothing), one of memory, and ten times the time on the clock for one that sleeps.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from fuzz.engine import PROBES, FeatureMap, exception_found
from fuzz.engine.collector import leave_alone
from fuzz.engine.probes import install
from fuzz.lines import to_line
from fuzz.minimize.how import How
from fuzz.minimize.measurement import Measurement, of_numbers
from fuzz.work.limits import limit, memory_of_this_process
from fuzz.work.worker import INSTRUMENTED, UNDER_TEST, WITHOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.engine import Feature, Found, Target
    from fuzz.engine.probes import ProbeFinder

MEMORY: Final = 4 << 30
"""Bytes of address space that one input may take beyond what the process has."""
PATIENCE: Final = 10
"""Times the processor time that an input may take on the clock."""


class Measurer:
    """A target under probes, and children that run it."""

    def __init__(self, target: Target, features: FeatureMap, stream: bool, seconds: float) -> None:
        """`stream`: whether inputs may have a schedule in a JSON beside them. `seconds`: of processor, for an input."""
        # Imports the code under test, which has its probes by now; here, and not once more in each child.
        from fuzz.minimize.inputs import read_input  # noqa: PLC0415

        self._read = read_input
        self._target = target
        self._features = features
        self._stream = stream
        self._seconds = seconds
        self._named: set[Feature] = set()
        self._parent = os.getppid()

    def serve(self, paths: Sequence[str], *, together: bool, out: IO[bytes]) -> None:
        """Measure files, a line of answer for each, in order."""
        left = list(paths)
        while left:
            asked = left if together else left[:1]
            answered, ended = self._child(asked, out)
            if answered < len(asked):
                out.write(to_line(Measurement("", failed=ended).to_json()))
                answered += 1
            del left[:answered]
            out.flush()

    def _child(self, paths: Sequence[str], out: IO[bytes]) -> tuple[int, str]:
        """Have a child measure files: how many lines it wrote, and how it ended."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._measure(paths, writing)
        os.close(writing)
        answered, rest, stuck = 0, b"", False
        until = time.monotonic() + PATIENCE * self._seconds
        while True:
            if not select.select([reading], [], [], 1.0)[0]:
                if os.getppid() != self._parent or time.monotonic() > until:
                    stuck = True
                    os.kill(child, signal.SIGKILL)
                    break
                continue
            piece = os.read(reading, 1 << 16)
            if not piece:
                break
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                values = json.loads(line)
                self._named.update(map(tuple, values.get("facts", ())))
                out.write(line + b"\n")
                answered += 1
                until = time.monotonic() + PATIENCE * self._seconds
        os.close(reading)
        _, status = os.waitpid(child, 0)
        return answered, "slept too long" if stuck else _ending(status, self._seconds)

    def _measure(self, paths: Sequence[str], writing: int) -> None:
        """In the child: measure, answer, end. Does not return."""
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        limit(resource.RLIMIT_CORE, 0)
        limit(resource.RLIMIT_AS, memory_of_this_process()[0] + MEMORY)
        try:
            with os.fdopen(writing, "wb") as out:
                for path in paths:
                    signal.setitimer(signal.ITIMER_PROF, self._seconds)
                    answer = self._answer(Path(path))
                    signal.setitimer(signal.ITIMER_PROF, 0)
                    out.write(answer)
                    out.flush()
        except BaseException:  # noqa: BLE001 - a child must never go on as its parent
            os._exit(1)
        os._exit(0)

    def _answer(self, path: Path) -> bytes:
        try:
            data = self._read(path, stream=self._stream)
        except OSError as error:
            return to_line(Measurement("", failed=f"cannot be read: {error.strerror}").to_json())
        self._features.clear()
        facts, found = self._run(data)
        self._features.mark(facts)
        if any(one.kind == "exception" and "/MemoryError/" in one.cause for one in found):
            failed = "ran out of memory"
            return to_line(Measurement(_sha1(data), found=found, failed=failed).to_json())
        measured = Measurement(_sha1(data), of_numbers(self._features.taken()), found)
        new = [fact for fact in dict.fromkeys(facts) if fact not in self._named]
        self._named.update(new)
        names = {"facts": new, "numbers": [self._features.slot(fact) for fact in new]} if new else {}
        return to_line({**measured.to_json(), **names})

    def _run(self, data: bytes) -> tuple[list[Feature], tuple[Found, ...]]:
        """As `fuzz.engine.Harness` does it."""
        try:
            execution = self._target.run(data)
            return list(execution.features), execution.found
        except Exception as error:  # noqa: BLE001 - whatever the code under test raises is a finding
            found = exception_found("any", error)
            return [("exception", found.cause)], (found,)


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def _ending(status: int, seconds: float) -> str:
    """What a child's end says of its input."""
    if not os.WIFSIGNALED(status):
        return f"ended the process with status {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    return f"took more than {seconds:g} s" if number == signal.SIGPROF else f"died: {signal.Signals(number).name}"


def prepare(how: How, features: FeatureMap) -> tuple[Target, int, ProbeFinder]:
    """The target under probes, the longest input that its mutator makes in bytes, and the probes.

    Raises what building a target does.
    """
    packages = UNDER_TEST.get(how.target, INSTRUMENTED)
    finder = install(packages, features.counters, PROBES, () if how.target == "memory" else WITHOUT)
    # Only now: importing these imports the code under test.
    from fuzz.work.build import build_mutator, build_target  # noqa: PLC0415

    spec = how.spec()
    target, longest = build_target(spec), build_mutator(spec).max_size
    _import_all(packages)
    return target, longest, finder


def _import_all(packages: Sequence[str]) -> None:
    """What is imported only when it is needed gets its numbers now: a child's own would be another's, too."""
    import importlib  # noqa: PLC0415
    import pkgutil  # noqa: PLC0415

    for name in packages:
        module = importlib.import_module(name)
        if hasattr(module, "__path__"):
            found = sorted(one.name for one in pkgutil.walk_packages(module.__path__, f"{name}."))
            for inner in found:
                importlib.import_module(inner)


def main(argv: Sequence[str]) -> None:
    """Build, say what is ready, then answer requests until there are no more."""
    asked: dict[str, Any] = json.loads(argv[1])
    # What the code under test prints must not come between the answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    how = How.from_json(asked["how"])
    features = FeatureMap()
    target, longest, finder = prepare(how, features)
    measurer = Measurer(target, features, how.target == "stream" and not how.loadvm, asked["seconds"])
    leave_alone()
    places = {number: f"{module}:{line}" for number, (module, line) in finder.places.items()}
    out.write(to_line({"longest": longest, "places": places}))
    out.flush()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        measurer.serve(request["paths"], together=request["together"], out=out)


if __name__ == "__main__":
    main(sys.argv)
