"""`vmfuzz oss-fuzz`: build the fuzz targets as OSS-Fuzz would, and do with them what it would do, on this computer."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fuzz.commands.run_asked import seconds
from fuzz.designs import UsageError
from fuzz.engine import available
from fuzz.oss.definition import names
from fuzz.oss.trial.building import build
from fuzz.oss.trial.checks import Check, Trial
from fuzz.oss.trial.place import Place, TrialError, checkout
from fuzz.oss.trial.ready import fuzz_targets
from fuzz.show.progress import Line

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_TIME: Final = "10s"
NOT_DONE: Final = (
    "the image of the Dockerfile is not built: that takes docker",
    "no coverage report is made: its tools are in the image",
    "nothing is uploaded, filed or mailed",
)
"""What a service does beyond this."""


@dataclass(frozen=True, slots=True)
class OssFuzzOptions:
    """What `vmfuzz oss-fuzz` was asked."""

    targets: tuple[str, ...] = ()
    out: Path = Path("oss-fuzz")
    bundle: bool = True
    time: str | None = None
    """How long each target searches."""
    runs: int | None = None
    """Or, how many executions."""
    as_json: bool = False


def oss_fuzz(options: OssFuzzOptions, console: Console | None = None) -> int:
    """Try it. Exit status: 0, 1 when the build or a check fails, 2 for what cannot be used, 130 after Ctrl-C."""
    console = console or Console(emoji=False)
    place = Place(options.out)
    progress = Line()
    try:
        budget = _budget(options)
        wanted = _wanted(options.targets)
        place.prepare(checkout(), wanted)
        failure = build(place, bundle=options.bundle, tell=lambda what, now: progress(lambda: f"{what} {now:.0f} s"))
        tried: dict[str, list[Check]] = {}
        found = () if failure else fuzz_targets(place.built)
        for name in found:
            trial = Trial(place, name, budget, lambda what, now, n=name: progress(lambda: f"{n}: {what} {now:.0f} s"))  # type: ignore[misc]
            tried[name] = list(trial.checks())
    except (UsageError, TrialError) as error:
        progress.done()
        Console(stderr=True, emoji=False).print(
            f"vmfuzz oss-fuzz: {error}", markup=False, highlight=False, soft_wrap=True
        )
        return 2
    except KeyboardInterrupt:
        progress.done()
        Console(stderr=True, emoji=False).print(
            f"vmfuzz oss-fuzz: stopped; what there is lies in {place.path}", highlight=False
        )
        return 130
    progress.done()
    missing = [name for name in wanted if name not in found]
    if options.as_json:
        console.print_json(json.dumps(_json(place, options, failure, missing, tried)))
    else:
        _show(console, place, failure, missing, tried)
    return 1 if failure or missing or not all(check.passed for checks in tried.values() for check in checks) else 0


def _budget(options: OssFuzzOptions) -> str:
    if options.time is not None and options.runs is not None:
        raise UsageError("--time and --runs: give one of them")
    if (missing := available()) != "":
        raise UsageError(missing.partition(": ")[2])
    if shutil.which("bash") is None:
        raise UsageError("bash: not found; build.sh is written for it")
    if options.runs is not None:
        return f"-runs={options.runs}"
    limit = seconds(options.time or DEFAULT_TIME)
    return f"-max_total_time={max(1, round(limit or 0))}"


def _wanted(given: Sequence[str]) -> tuple[str, ...]:
    there = names()
    for name in given:
        if name not in there:
            raise UsageError(f"--target {name}: no such fuzz target; there are {', '.join(there)}")
    return tuple(name for name in there if not given or name in given)


def _json(
    place: Place, options: OssFuzzOptions, failure: str, missing: Sequence[str], tried: dict[str, list[Check]]
) -> dict[str, Any]:
    return {
        "out": str(place.path),
        "bundle": options.bundle,
        "failure": failure or None,
        "missing": list(missing),
        "targets": [
            {
                "name": name,
                "bytes": (place.built / f"{name}.pkg").stat().st_size,
                "passed": all(check.passed for check in checks),
                "checks": [asdict(check) for check in checks],
            }
            for name, checks in tried.items()
        ],
        "not_done": list(NOT_DONE),
    }


def _show(console: Console, place: Place, failure: str, missing: Sequence[str], tried: dict[str, list[Check]]) -> None:
    if failure:
        console.print(failure, markup=False, highlight=False, soft_wrap=True)
    titles = list(dict.fromkeys(check.name for checks in tried.values() for check in checks))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("target", *titles, "features"):
        table.add_column(title, no_wrap=True)
    for name, checks in tried.items():
        by_name = {check.name: check for check in checks}
        search = by_name.get("search")
        features = search.text.removesuffix(" features") if search is not None and search.passed else ""
        table.add_row(name, *(_cell(by_name.get(title)) for title in titles), features)
    if tried:
        console.print(table)
    for name in missing:
        console.print(f"{name}: not built", markup=False, highlight=False, soft_wrap=True)
    for name, checks in tried.items():
        for check in checks:
            if not check.passed:
                line = f"{name}: {check.name}: {check.text} (logs in {place.path / 'logs'})"
                console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"not done here: {'; '.join(NOT_DONE)}", markup=False, highlight=False, soft_wrap=True)


def _cell(check: Check | None) -> str:
    if check is None:
        return "-"
    return "ok" if check.passed else "FAILED"
