"""`vmfuzz replay`: crashers against the outcome expected of each design, a row each; findings against their cause."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fuzz.crashers import CrasherError, read_crasher
from fuzz.designs import UsageError, named_designs, text_of
from fuzz.replay import Replayer, Row, Still, accept, given
from fuzz.replay.many import still
from fuzz.replay.show import show
from fuzz.show.progress import Line
from model.designs import DESIGNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fuzz.crashers import Crasher
    from fuzz.replay import Given


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What `vmfuzz replay` was asked.

    `designs`: those of the user's own that crashers may tell of, FILE:CLASS; with `accept` all of which they are to
    tell. `only`: the designs that are looked at; none: all. `every`: show the rows that are as expected, too.
    """

    paths: tuple[Path, ...]
    designs: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    accept: bool = False
    every: bool = False
    as_json: bool = False


@dataclass(slots=True)
class Replayed:
    """What came of it so far. `unusable`: a line for each crasher, finding or design of one that cannot be used."""

    rows: list[Row] = field(default_factory=list)
    findings: list[Still] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    stopped: str = ""

    @property
    def status(self) -> int:
        """The exit status."""
        if self.stopped:
            return 130
        if self.unusable:
            return 2
        good = all(row.as_expected or row.accepted for row in self.rows) and all(one.shows for one in self.findings)
        return int(not good)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "rows": [row.to_json() for row in self.rows],
            "findings": [one.to_json() for one in self.findings],
            "unusable": self.unusable,
        }


def replay(options: ReplayOptions, console: Console | None = None) -> int:
    """Replay and print. Exit status: 0 as expected, 1 something differs or is gone, 2 unusable, 130 stopped."""
    console = console or Console(emoji=False)
    try:
        chosen = _designs(options)
        own = {design.name: design for design in named_designs(options.designs) if options.designs}
        wanted = given(options.paths)
    except (CrasherError, UsageError) as error:
        _say(str(error))
        return 2
    except OSError as error:
        _say(f"{error.filename}: {error.strerror}")
        return 2
    replayer = Replayer({name: design for name, design in own.items() if name not in DESIGNS})
    done = Replayed()
    line = Line()
    try:
        for step in _steps(wanted, options, chosen, replayer, done):
            line(partial(str, step))
        _findings(wanted, replayer, done, line)
    except KeyboardInterrupt:
        done.stopped = f"stopped: {len(done.rows)} outcomes, {len(done.findings)} findings looked at"
    finally:
        line.done()
    if options.as_json:
        print(json.dumps(done.to_json(), indent=2))
    else:
        show(console, done.rows, done.findings, every=options.every)
    for trouble in (*done.unusable, *filter(None, [done.stopped])):
        _say(trouble)
    return done.status


def _steps(
    wanted: Given, options: ReplayOptions, chosen: tuple[str, ...], replayer: Replayer, done: Replayed
) -> Iterator[str]:
    """All crashers, one at a time: which it is, then doing it."""
    added = [design.name for design in named_designs(options.designs)] if options.accept and options.designs else []
    for number, path in enumerate(wanted.crashers, 1):
        yield f"{number} of {len(wanted.crashers)} crashers: {path.stem}"
        try:
            crasher = read_crasher(path)
        except CrasherError as error:
            done.unusable.append(str(error))
            continue
        if not crasher.expect and not added:
            why = "nothing is expected of it; --accept --design NAME writes what comes out"
            done.unusable.append(f"crasher {path}: {why}")
        names = dict.fromkeys((*crasher.expect, *added))
        _one(crasher, [name for name in names if not chosen or name in chosen], options, replayer, done)


def _findings(wanted: Given, replayer: Replayer, done: Replayed, line: Line) -> None:
    """All findings, in as many processes as there are processors."""
    own = [text_of(design) for design in replayer.own.values()]
    many = len(wanted.findings)
    jobs = len(os.sched_getaffinity(0))
    for one in still(wanted.findings, own, jobs, lambda so_far: line(lambda: f"{so_far} of {many} findings")):
        if isinstance(one, CrasherError):
            done.unusable.append(str(one))
        else:
            done.findings.append(one)


def _one(crasher: Crasher, names: Sequence[str], options: ReplayOptions, replayer: Replayer, done: Replayed) -> None:
    """One crasher under designs; what is accepted of it is written at once."""
    rows = []
    for name in names:
        try:
            rows.append(replayer.row(crasher, name))
        except CrasherError as error:
            done.unusable.append(str(error))
    done.rows += _accepted(crasher, rows, done) if options.accept else rows


def _accepted(crasher: Crasher, rows: Sequence[Row], done: Replayed) -> list[Row]:
    """The rows, their news written."""
    news = {row.design: row.news for row in rows if row.is_news}
    try:
        if news:
            accept(crasher.path, news)
    except CrasherError as error:
        done.unusable.append(str(error))
        return [*rows]
    return [replace(row, accepted=row.design in news) for row in rows]


def _designs(options: ReplayOptions) -> tuple[str, ...]:
    """The names of the designs that are looked at. Raises UsageError."""
    for name in options.designs:
        if ":" not in name and not options.accept:
            named_designs((name,))
            raise UsageError(
                f"--design {name}: crashers may tell of it as it is; --only looks at it alone, --accept adds it"
            )
    return tuple(design.name for design in named_designs(options.only)) if options.only else ()


def _say(line: str) -> None:
    Console(stderr=True, emoji=False).print(f"vmfuzz replay: {line}", markup=False, highlight=False, soft_wrap=True)
