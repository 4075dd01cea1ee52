"""What is said of searches."""

from __future__ import annotations

import io

from rich.console import Console

from fuzz.search.asked import Result, Search
from fuzz.search.table import Results, is_complete, lines, table, to_json


def search(bug: str, way: str, seed: int) -> Search:
    return Search(bug, bug, way, seed, "tiny", ("d",), ("d",), 1000, 60.0)


def results(rows: dict[tuple[str, str], list[Result | None]]) -> Results:
    return {search(*key, seed): one for key, found in rows.items() for seed, one in enumerate(found, 1)}


def found(executions: int, seconds: float = 1.0) -> Result:
    return Result("found", executions, seconds, "d/cause", 10)


SPENT = Result("executions", 1000, 9.0)
RESULTS = results(
    {
        ("first", "vmfuzz"): [found(10), found(30), found(1200, 200.0)],
        ("first", "random"): [found(500), SPENT, SPENT],
        ("second", "vmfuzz"): [found(700), found(800), SPENT],
        ("second", "random"): [found(2), found(3), found(4)],
        ("third", "vmfuzz"): [found(5), found(6), None],
        ("third", "random"): [None, None, None],
    }
)


def test_table() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(table(RESULTS))
    assert isinstance(console.file, io.StringIO)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in console.file.getvalue().splitlines()]
    assert [row for row in rows if row] == [
        ["first", "30  3/3", "> 1,000  1/3"],
        ["", "[10, 1,200] 1.0s", "[500, > 1,000] > 9.0s"],
        ["second", "800  2/3", "3  3/3"],
        ["", "[700, > 1,000] 1.0s", "[2, 4] 1.0s"],
        ["third", "6  2/2", "not run"],
        ["", "[5, 6] 1.0s", ""],
    ]


def test_lines() -> None:
    assert lines(RESULTS) == [
        "vmfuzz: 1 of 3 bugs found for every seed; 7 of 8 searches",
        "random: 1 of 3 bugs found for every seed; 4 of 6 searches",
        "vmfuzz needs fewer executions (median) than random for 1 of 3 bugs",
        "and fewer than each of them for 1 of 3 bugs",
        "4 of 18 searches were not run",
    ]


def test_what_went_wrong_is_told() -> None:
    told = lines({search("first", "vmfuzz", 2): Result("unconfirmed", 5, 1.0, "d/cause", 10, "shows nothing")})
    assert told[-1] == "first, vmfuzz, seed 2: unconfirmed: shows nothing"
    assert told[0] == "vmfuzz: 0 of 1 bugs found for every seed; 0 of 1 searches"


def test_complete_is_what_our_way_found_for_every_seed() -> None:
    ours: list[Result | None] = [found(10), found(30)]
    assert is_complete(results({("b", "vmfuzz"): ours, ("b", "random"): [SPENT, None]}), ("vmfuzz", "random"))
    assert not is_complete(results({("b", "vmfuzz"): [found(1), SPENT]}), ("vmfuzz",))
    assert not is_complete(results({("b", "vmfuzz"): [found(1), None]}), ("vmfuzz",))
    assert not is_complete(results({("b", "random"): [SPENT]}), ("random",))


def test_json() -> None:
    values = to_json(RESULTS)
    assert len(values["searches"]) == len(RESULTS)
    assert values["searches"][0]["result"]["executions"] == 10
    assert values["bugs"]["first"]["random"]["found"] == 1
    assert values["bugs"]["first"]["random"]["executions"]["middle"] == {"number": 1000, "more": True}
    assert values["bugs"]["third"]["random"]["executions"] is None
    assert values["summary"] == lines(RESULTS)
