"""What searches reached, side by side."""

from __future__ import annotations

import io

from rich.console import Console

from fuzz.feedback.reach import Reach
from fuzz.feedback.table import goals, table, telling, to_json

EARLY = "wrap-main/pairing/loader/x/stream"
LATE = "wrap-main/flat-view-while-pending/vring/ram-to-io/virtio-blk"
BUG = "per-device~tie/layout/flat-view/a->b/memory"


def reach(shapes: int, **causes: int) -> Reach:
    names = {"early": EARLY, "late": LATE, "bug": BUG}
    return Reach(100, shapes, {"ends": 3, "layout": shapes}, {names[name]: at for name, at in causes.items()}, 7)


RESULTS = {
    "code": [reach(4, early=2), reach(6, early=2, bug=90), reach(5, early=2, late=50)],
    "both": [reach(9, early=3, late=20), reach(8, early=2, late=40, bug=30), reach(10, early=2, late=30)],
}


def test_goals_are_seeded_bugs_and_what_went_wrong_where() -> None:
    assert goals(reach(1, early=2, bug=90)) == {"wrap-main/pairing/loader": 2, "per-device~tie": 90}


def test_what_all_find_at_once_tells_nothing() -> None:
    assert telling(RESULTS) == ["per-device~tie", "wrap-main/flat-view-while-pending/vring"]


def test_the_table_has_medians_and_bounds() -> None:
    out = io.StringIO()
    Console(file=out, width=140).print(table(RESULTS))
    rows = {line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:4]] for line in _rows(out)}
    assert rows["shapes of layouts"] == ["5", "9"]
    assert rows["of layout"] == ["5", "9"]
    assert rows["until wrap-main/flat-view-while-pending/vring"] == ["> 100", "30"]
    assert rows["until per-device~tie"] == ["> 100", "> 100"]


def _rows(out: io.StringIO) -> list[str]:
    return [line for line in out.getvalue().splitlines() if line.startswith("│")]


def test_programs_get_it_all() -> None:
    found = to_json(RESULTS)["both"]
    assert found["medians"]["inputs kept"] == 7
    assert found["goals"]["wrap-main/flat-view-while-pending/vring"]["middle"] == {"number": 30, "more": False}
    assert Reach.from_json(found["reaches"][0]) == RESULTS["both"][0]


def test_a_feedback_that_was_not_run_says_so() -> None:
    out = io.StringIO()
    Console(file=out, width=140).print(table({"code": RESULTS["code"], "hash": []}))
    assert "not run" in out.getvalue()
