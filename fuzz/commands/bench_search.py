"""`vmfuzz bench --search`: every seeded bug looked for in several ways, from several seeds (docs/search.md)."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import Console

from fuzz.commands.signals import interrupts
from fuzz.corpus import CorpusError
from fuzz.designs import UsageError
from fuzz.lines import BusyError
from fuzz.search import plan, pool
from fuzz.search.kept import Kept
from fuzz.search.table import is_complete, lines, outcome, table, to_json, told
from fuzz.search.ways import ALL, WAYS, lacking
from fuzz.show.progress import Line
from model import DescriptionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.search.asked import Search
    from fuzz.search.table import Results

QUICK_SECONDS: Final = 570.0
"""When a quick bench drops what is left: some way before ten minutes."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What is asked for. `limit`: seconds for one search. `quick`: few bugs and seeds, an end within ten minutes."""

    folder: Path
    bugs: tuple[str, ...] = ()
    """All that are shipped if none is named."""
    machines: tuple[str, ...] = ()
    designs: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()
    seeds: int | None = None
    executions: int | None = None
    """Of each search; each bug's budget where None."""
    limit: float = 600.0
    jobs: int | None = None
    quick: bool = False
    as_json: bool = False


def bench_search(options: SearchOptions, console: Console | None = None) -> int:
    """Search and print. Exit status: 0 when our way found every bug for every seed, else 1; 2 for unusable options.

    130 when interrupted, by SIGTERM too; what was found until then is kept, and the same command goes on.
    """
    began = time.monotonic()
    console = console or _console()
    try:
        ways, left_out = _ways(options.ways)
        names = options.bugs or (plan.quick_bugs() if options.quick else ())
        bugs = plan.bugs_named(names, _machine(options.machines), options.designs)
        seeds = options.seeds or (plan.QUICK_SEEDS if options.quick else plan.SEEDS)
        wanted = tuple(plan.searches(bugs, ways, seeds, options.executions, options.limit))
        kept = Kept(options.folder)
    except BusyError:
        return _complain(f"{options.folder}: another bench writes there")
    except (UsageError, CorpusError, DescriptionError) as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"{error.filename or options.folder}: {error.strerror or error}")
    for line in left_out:
        _complain(line)
    deadline = began + QUICK_SECONDS if options.quick else None
    jobs = options.jobs or os.cpu_count() or 1
    bench = _Bench(wanted, kept, console, quiet=options.as_json)
    try:
        with interrupts():
            bench.run(jobs, deadline)
    except KeyboardInterrupt:
        bench.line.done()
        _complain(f"interrupted; the same command goes on with what is in {options.folder}")
        bench.show()
        return 130
    except OSError as error:
        return _complain(f"{error.filename or kept.path}: {error.strerror or error}")
    finally:
        bench.line.done()
        kept.close()
    if options.as_json:
        print(json.dumps(to_json(bench.results), indent=2))
    else:
        bench.show()
    return 0 if is_complete(bench.results, ways) else 1


class _Bench:
    """Searches under way, and what is shown of them."""

    def __init__(self, wanted: Sequence[Search], kept: Kept, console: Console, *, quiet: bool) -> None:
        self._kept = kept
        self._console = console
        self._quiet = quiet
        self.results: Results = dict.fromkeys(wanted)
        self.line = Line(patience=2.0)

    def run(self, jobs: int, deadline: float | None) -> None:
        """Make those that nobody has made yet."""
        for search in self.results:
            self.results[search] = self._kept.get(search)
        left = [search for search, result in self.results.items() if result is None]
        if len(left) < len(self.results):
            self._say(f"{len(self.results) - len(left)} of {len(self.results)} searches are in {self._kept.path}")
        for search, result in pool.run(left, jobs, deadline, self._tick):
            self._kept.add(search, result)
            self.results[search] = result
            self._say(f"{self._done()}  {told(search)}: {outcome(result)}")
            if self._ends_a_round(search):
                self.show()

    def _ends_a_round(self, search: Search) -> bool:
        """Whether a seed is through with this, and others are not."""
        more = any(result is None for result in self.results.values())
        return more and not any(result is None for one, result in self.results.items() if one.seed <= search.seed)

    def _done(self) -> str:
        return f"{sum(result is not None for result in self.results.values())}/{len(self.results)}"

    def _tick(self, running: int) -> None:
        self.line(lambda: f"{self._done()} searches done, {running} under way")

    def _say(self, text: str) -> None:
        if not self._quiet:
            self.line.done()
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self) -> None:
        """The table so far."""
        if self._quiet:
            return
        self.line.done()
        self._console.print(table(self.results))
        for line in lines(self.results):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _machine(named: Sequence[str]) -> str | None:
    """The one machine named, if any is. Raises UsageError."""
    if len(named) > 1:
        raise UsageError(f"--machine {named[1]}: a search is made on one machine; {named[0]} is named before it")
    return named[0] if named else None


def _ways(asked: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The ways asked for, or all that can be gone here; and why others cannot. Raises UsageError."""
    for way in asked:
        if way not in ALL:
            raise UsageError(f"--way {way}: no such way; there are {', '.join(ALL)}")
        if lacking(way):
            raise UsageError(f"--way {way}: {lacking(way)}")
    if asked:
        return tuple(dict.fromkeys(asked)), []
    missing = {way: lacking(way) for way in WAYS if lacking(way)}
    usable = tuple(way for way in WAYS if way not in missing)
    return usable, [f"{way} is left out: {why}" for way, why in missing.items()]


def _console() -> Console:
    """Wide enough for the table where nobody looks at a terminal."""
    console = Console(emoji=False)
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(emoji=False, width=140)


def _complain(why: str) -> int:
    Console(stderr=True, emoji=False).print(f"vmfuzz bench: {why}", markup=False, highlight=False, soft_wrap=True)
    return 2
