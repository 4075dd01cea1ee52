"""What searches reached under each feedback, for people and for programs: medians over seeds.

Under the counts stand executions until something was found for the first time. A *goal* is one such thing: a design
with a seeded bug that went wrong, or one oracle and reader of a design. A search that did not get there within its
executions counts as a bound.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from fuzz.search.medians import Taken, median
from fuzz.search.table import number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fuzz.feedback.reach import Reach
    from fuzz.search.medians import Median

COUNTS: Final[Mapping[str, Callable[[Reach], int]]] = {
    "shapes of layouts": lambda reach: reach.shapes,
    "situations": lambda reach: reach.situations,
    "causes": lambda reach: len(reach.causes),
    "inputs kept": lambda reach: reach.corpus,
}
MOST: Final = 12
"""Goals that are shown, those that the fewest searches got to."""


def goals(reach: Reach) -> dict[str, int]:
    """At which execution each goal was reached first."""
    found: dict[str, int] = {}
    for cause, execution in reach.causes.items():
        design, oracle, reader, *_ = f"{cause}//".split("/")
        goal = design if "~" in design else f"{design}/{oracle}/{reader}"
        found[goal] = min(execution, found.get(goal, execution))
    return found


def taken(reaches: Sequence[Reach], goal: str) -> Median | None:
    """Executions until a goal."""
    first = [(goals(reach).get(goal), reach.executions) for reach in reaches]
    return median([Taken(limit, more=True) if at is None else Taken(at) for at, limit in first])


def telling(results: Mapping[str, Sequence[Reach]]) -> list[str]:
    """Goals that tell feedbacks apart: not there from the first executions on, and not met by one search alone."""
    reached: dict[str, list[int]] = defaultdict(list)
    for reaches in results.values():
        for reach in reaches:
            for goal, execution in goals(reach).items():
                reached[goal].append(execution)
    searches = sum(map(len, results.values()))
    late = [
        goal for goal, at in reached.items() if len(at) > 1 and (len(at) < searches or sorted(at)[len(at) // 2] > 10)
    ]
    return sorted(sorted(late), key=lambda goal: (len(reached[goal]), goal))[:MOST]


def table(results: Mapping[str, Sequence[Reach]]) -> Table:
    """A column a feedback."""
    seeds = max(map(len, results.values()), default=0)
    executions = next((reach.executions for reaches in results.values() for reach in reaches), 0)
    shown = Table(title=f"{executions:,} executions each, medians of {seeds} seeds", title_justify="left")
    shown.add_column("")
    for feedback in results:
        shown.add_column(feedback, justify="right", no_wrap=True)
    for name, count in COUNTS.items():
        shown.add_row(name, *(_count(reaches, count) for reaches in results.values()))
    groups = sorted({group for reaches in results.values() for reach in reaches for group in reach.facts})
    for group in groups:
        shown.add_row(f"  of {group}", *(_count(reaches, _facts_of(group)) for reaches in results.values()))
    shown.add_section()
    for goal in telling(results):
        shown.add_row(f"until {goal}", *(_told(taken(reaches, goal)) for reaches in results.values()))
    return shown


def to_json(results: Mapping[str, Sequence[Reach]]) -> dict[str, Any]:
    """For programs: all reaches, and medians of counts and goals."""
    return {
        feedback: {
            "reaches": [reach.to_json() for reach in reaches],
            "medians": {name: _middle(reaches, count) for name, count in COUNTS.items()},
            "goals": {
                goal: None if (one := taken(reaches, goal)) is None else asdict(one) for goal in telling(results)
            },
        }
        for feedback, reaches in results.items()
    }


def _facts_of(group: str) -> Callable[[Reach], int]:
    return lambda reach: reach.facts.get(group, 0)


def _middle(reaches: Sequence[Reach], count: Callable[[Reach], int]) -> float | None:
    one = median([Taken(count(reach)) for reach in reaches])
    return None if one is None else one.middle.number


def _count(reaches: Sequence[Reach], count: Callable[[Reach], int]) -> str:
    middle = _middle(reaches, count)
    return "not run" if middle is None else f"{middle:,.0f}"


def _told(one: Median | None) -> str:
    return "not run" if one is None else number(one.middle)
