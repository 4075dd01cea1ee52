"""What searches came to, for people: a table bug x way, what is to be said of it in a line, and JSON for programs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from rich.table import Table
from rich.text import Text

from fuzz.search.medians import Taken, is_fewer, median
from fuzz.search.ways import OWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fuzz.search.asked import Result, Search
    from fuzz.search.medians import Median

Results: TypeAlias = "dict[Search, Result | None]"
"""By search what it came to; None of one that was not run."""


class Cell:
    """One bug in one way: searches that were made, of those that were asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.results: list[Result] = []

    @property
    def found(self) -> int:
        """How many found it."""
        return sum(one.found for one in self.results)

    @property
    def executions(self) -> Median | None:
        """What it took."""
        return median([Taken(one.executions, not one.found) for one in self.results])

    @property
    def seconds(self) -> Median | None:
        """Likewise by the clock."""
        return median([Taken(one.seconds, not one.found) for one in self.results])

    def text(self) -> str:
        """For the table: the median, k of n; below it the interval, and seconds."""
        executions, seconds = self.executions, self.seconds
        if executions is None or seconds is None:
            return "not run"
        made = f"{self.found}/{len(self.results)}"
        if not self.found:
            return f"{number(executions.middle)}  {made}"
        interval = f"[{number(executions.low)}, {number(executions.high)}]"
        return f"{number(executions.middle)}  {made}\n{interval} {duration(seconds.middle)}"

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        values: dict[str, Any] = {"asked": self.asked, "run": len(self.results), "found": self.found}
        for name, found in (("executions", self.executions), ("seconds", self.seconds)):
            values[name] = None if found is None else asdict(found)
        return values


def number(taken: Taken) -> str:
    """Executions, as people read them."""
    return f"{'> ' if taken.more else ''}{taken.number:,.0f}"


def duration(taken: Taken) -> str:
    """Seconds, likewise."""
    return f"{'> ' if taken.more else ''}{taken.number:.{1 if taken.number < 100 else 0}f}s"


def cells(results: Results) -> dict[str, dict[str, Cell]]:
    """By bug and way."""
    found: dict[str, dict[str, Cell]] = defaultdict(lambda: defaultdict(Cell))
    for search, result in results.items():
        cell = found[search.name][search.way]
        cell.asked += 1
        if result is not None:
            cell.results.append(result)
    return found


def table(results: Results) -> Table:
    """A row a bug, a column a way."""
    found = cells(results)
    ways = list(dict.fromkeys(search.way for search in results))
    title = Text("Executions until the bug is found: median, found/tried, [interval], time")
    shown = Table(title=title, title_justify="left")
    shown.add_column("bug", overflow="fold")
    for way in ways:
        shown.add_column(way, justify="right")
    for bug, of_ways in found.items():
        shown.add_row(bug, *(Text(of_ways[way].text()) for way in ways))
    return shown


def lines(results: Results) -> list[str]:
    """What the table comes to."""
    found = cells(results)
    ways = list(dict.fromkeys(search.way for search in results))
    said = []
    for way in ways:
        each = [of_ways[way] for of_ways in found.values()]
        all_seeds = sum(0 < cell.asked == cell.found for cell in each)
        tried, hits = sum(len(cell.results) for cell in each), sum(cell.found for cell in each)
        said.append(f"{way}: {all_seeds} of {len(each)} bugs found for every seed; {hits} of {tried} searches")
    others = [way for way in ways if way != OWN]
    if OWN in ways and others:
        fewer = {way: [fewer_than(of_ways, way) for of_ways in found.values()] for way in others}
        said += [
            f"{OWN} needs fewer executions (median) than {way} for {sum(fewer[way])} of {len(found)} bugs"
            for way in others
        ]
        all_of_them = sum(all(row) for row in zip(*fewer.values(), strict=True))
        said.append(f"and fewer than each of them for {all_of_them} of {len(found)} bugs")
    left = sum(result is None for result in results.values())
    if left:
        said.append(f"{left} of {len(results)} searches were not run")
    return said + troubles(results)


def fewer_than(of_ways: dict[str, Cell], way: str) -> bool:
    """Whether ours has found a bug in fewer executions than another way, which was tried as well."""
    ours, theirs = of_ways[OWN].executions, of_ways[way].executions
    return ours is not None and theirs is not None and is_fewer(ours, theirs)


def troubles(results: Results) -> list[str]:
    """What went wrong with searches, in a line each."""
    return [
        f"{told(search)}: {result.ended}: {result.why}" for search, result in results.items() if result and result.why
    ]


def told(search: Search) -> str:
    """A search in a few words."""
    return f"{search.name}, {search.way}, seed {search.seed}"


def outcome(result: Result) -> str:
    """What came of one, likewise."""
    if result.found:
        return f"found after {result.executions:,} executions, {result.seconds:.1f} s"
    return f"not found in {result.executions:,} executions, {result.seconds:.1f} s ({result.ended})"


def to_json(results: Results) -> dict[str, Any]:
    """All of it for programs."""
    searches = []
    for search, result in results.items():
        about: dict[str, Any] = {"bug": search.name, "way": search.way, "seed": search.seed, "machine": search.machine}
        searches.append(about | {"budget": search.executions, "result": None if result is None else asdict(result)})
    table = {bug: {way: cell.to_json() for way, cell in of_ways.items()} for bug, of_ways in cells(results).items()}
    return {"searches": searches, "bugs": table, "summary": lines(results)}


def is_complete(results: Results, ways: Iterable[str]) -> bool:
    """Whether our way found each bug for each seed; where it was not asked for, those that were."""
    ways = [OWN] if OWN in ways else list(ways)
    wanted: Sequence[Result | None] = [result for search, result in results.items() if search.way in ways]
    return all(result is not None and result.found for result in wanted)
