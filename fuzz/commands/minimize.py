"""`vmfuzz minimize`: of a corpus the fewest and smallest files that show all that it shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fuzz import lives
from fuzz.campaign.folder import CampaignError
from fuzz.commands.signals import interrupts
from fuzz.corpus import CorpusError
from fuzz.designs import UsageError
from fuzz.lines import BusyError
from fuzz.minimize.control import Control
from fuzz.minimize.index import control_path
from fuzz.minimize.output import Output
from fuzz.minimize.pool import SECONDS, CannotMeasure
from fuzz.minimize.sources import Asked, gather
from fuzz.minimize.telling import OBJECTIVE, show, tell
from fuzz.minimize.work import Work, outcomes
from fuzz.show.progress import Line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.minimize.work import Outcome


@dataclass(frozen=True, slots=True)
class MinimizeOptions:
    """What `vmfuzz minimize` was asked."""

    folder: Path
    output: Path
    merge: tuple[Path, ...] = ()
    target: str | None = None
    machine: str | None = None
    designs: tuple[str, ...] = ()
    loadvm: bool = False
    resume: bool = False
    """Inputs are run by starting the guest behind the load, too."""
    again: bool = False
    """... and by saving behind it, and loading that."""
    jobs: int = 1
    timeout: float = SECONDS
    """Processor seconds that one input may take."""
    once: bool = False
    """Look at each input once, and do not look for such as show something else at another time."""
    as_json: bool = False


def run(options: MinimizeOptions, console: Console | None = None) -> int:
    """Exit status: 0, also when interrupted; 1 if something was seen that no input shows again; 2 unusable."""
    line = Line()
    try:
        with interrupts():
            values = _run(options, line)
    except (UsageError, CorpusError, CampaignError) as error:
        return _unusable(str(error), line)
    except CannotMeasure as error:
        return _unusable(f"the target cannot be built: {error}", line)
    except OSError as error:
        return _unusable(f"{error.filename or options.output}: {error.strerror or error}", line)
    except KeyboardInterrupt:
        line.done()
        _complain("interrupted; the same command goes on")
        return 130
    line.done()
    if options.as_json:
        print(json.dumps(values, indent=2))
    else:
        show(console or Console(emoji=False), options.output, values)
    return 1 if any(group["lost"] for group in values["groups"]) else 0


def _run(options: MinimizeOptions, line: Line) -> dict[str, Any]:
    folders = options.folder, *options.merge
    beyond = lives.asked(resume=options.resume, again=options.again, loadvm=False)
    asked = Asked(options.target or "", options.machine or "", options.designs, options.loadvm, beyond)
    gathered = gather(folders, asked, line)
    output = Output(options.output, folders, gathered)
    try:
        control = Control(control_path(options.output))
    except BusyError:
        raise UsageError(f"-o {options.output}: another minimize is at it") from None
    ended = ""
    try:
        work = Work(control, options.jobs, options.timeout, line, twice=not options.once)
        results = [*outcomes(gathered.groups).values()]
        ended = _measured(work, results)
        for one in results:
            work.choose(one, hurried=ended != "complete")
        output.write(results)
        if ended == "complete":
            ended = _checked(work, results, output)
        values = {
            "ended": ended,
            "objective": OBJECTIVE,
            "from": [str(folder) for folder in folders],
            "output": str(options.output),
            "shape": gathered.shape,
            "reused": work.reused,
            "groups": [tell(one) for one in results],
        }
        output.end(values)
    finally:
        control.close(remove=ended == "complete")
    return values


def _measured(work: Work, results: Sequence[Outcome]) -> str:
    try:
        for one in results:
            work.measure(one)
    except KeyboardInterrupt:
        if not any(one.measured for one in results):
            raise
        return "interrupted"
    return "complete"


def _checked(work: Work, results: Sequence[Outcome], output: Output) -> str:
    before = [one.choice for one in results]
    try:
        for one in results:
            work.check(one)
    except KeyboardInterrupt:
        return "interrupted"
    if before != [one.choice for one in results]:
        output.write(results)
    return "complete"


def _unusable(text: str, line: Line) -> int:
    line.done()
    _complain(text)
    return 2


def _complain(text: str) -> None:
    Console(stderr=True, emoji=False).print(f"vmfuzz minimize: {text}", markup=False, highlight=False, soft_wrap=True)
