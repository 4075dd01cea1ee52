"""`stats.jsonl`: when lines are written, and that it is never left torn."""

from __future__ import annotations

import json
import os
import resource
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from fuzz.campaign import Campaign, CauseCount, FindingStore, Origin, Stats, records
from fuzz.campaign.figures import Figures, figures
from fuzz.campaign.history import FIRST_MINUTES, NAME, OFTEN, SELDOM, History
from fuzz.engine import Found

if TYPE_CHECKING:
    from pathlib import Path

CAUSES = [f"{design}/oracle/{reader}/a->b/c" for design in ("one", "two") for reader in "xyz"]


def campaign(path: Path, causes: int = len(CAUSES)) -> Figures:
    store = FindingStore(Campaign(path).findings)
    for cause in CAUSES[:causes]:
        store.keep(Found("kind", cause, "text"), b"abc", Origin("m", "stream", 5))
    one = Stats(
        "w", "m", "stream", "g", executions=5000, rate=20.0, state="running", corpus=7, features=90, rss=1 << 20
    )
    one.arms = {"flip": [9, 8, 7, 6, 5]}
    one.findings = {cause: CauseCount("kind", 2, 5, 0.1, "2026-11-26T20:00:00Z") for cause in CAUSES[:causes]}
    return figures(records(Campaign(path).findings), [one])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / NAME).read_text().splitlines()]


def test_a_line_says_what_there_is(tmp_path: Path) -> None:
    history = History(tmp_path, 3, lambda: 1_795_000_000.0)
    assert history.write(0.0, campaign(tmp_path, 4))
    assert history.write(5.04, campaign(tmp_path), "time")
    first, last = lines(tmp_path)
    assert (first["time"], first["start"], first["elapsed"], first["ended"]) == ("2026-11-18T11:06:40Z", 3, 0.0, None)
    # What there is at the start is no news.
    assert (first["causes"], first["new_causes"]) == (4, [])
    assert (last["elapsed"], last["ended"], last["new_causes"]) == (5.0, "time", CAUSES[4:])
    assert last["designs"] == {"one": 3, "two": 3}
    assert last["arms"] == {"flip": [9, 8, 7, 6, 5]}
    assert (last["executions"], last["corpus"], last["features"], last["rss"]) == (5000, 7, 90, 1 << 20)
    assert [one["worker"] for one in last["workers"]] == ["w"]
    assert last["estimate"]["more"] == 72_000


def test_lines_are_rarer_after_the_first_minutes_and_a_week_stays_small(tmp_path: Path) -> None:
    history, now = History(tmp_path, 1), campaign(tmp_path)
    written = [second for second in range(1200) if history.due(second) and history.write(second, now)]
    early = [second for second in written if second < FIRST_MINUTES]
    assert {right - left for left, right in pairwise(early)} == {OFTEN}
    late = written[len(early) :]
    assert {right - left for left, right in pairwise(late)} == {SELDOM}
    assert (tmp_path / NAME).stat().st_size / len(written) * 7 * 24 * 60 < 10 << 20


@pytest.mark.parametrize(
    ("case", "tail", "kept", "said"),
    [
        ("whole", b"", 2, ""),
        ("torn", b'{"time": "20', 2, "torn, 12 bytes cut off"),
        ("without its end", b'{"time": 1}', 3, "no end, completed"),
        ("no object", b"12", 2, "torn, 2 bytes cut off"),
        ("zeros of a computer that lost its power", bytes(70_000), 2, "torn, 70000 bytes cut off"),
    ],
)
def test_a_torn_last_line_is_put_right_at_the_next_start(
    tmp_path: Path, case: str, tail: bytes, kept: int, said: str
) -> None:
    now = campaign(tmp_path)
    before = History(tmp_path, 1)
    before.write(0, now)
    before.write(5, now)
    with (tmp_path / NAME).open("ab") as file:
        file.write(tail)
    history = History(tmp_path, 2)
    repaired = history.repair()
    assert [said in line for line in repaired] == ([True] if said else []), case
    assert history.repair() == ()
    assert history.write(0, now)
    assert [line.get("start") for line in lines(tmp_path)][-1] == 2
    assert len(lines(tmp_path)) == kept + 1


def test_nothing_to_repair(tmp_path: Path) -> None:
    assert History(tmp_path, 1).repair() == ()
    (tmp_path / NAME).write_bytes(b"{torn")
    assert len(History(tmp_path, 1).repair()) == 1
    assert (tmp_path / NAME).read_bytes() == b""
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).mkdir()
    assert "not repaired" in History(tmp_path, 1).repair()[0]


def test_where_the_disk_takes_a_part_of_a_line_the_line_is_dropped_and_its_news_are_told_later(tmp_path: Path) -> None:
    history = History(tmp_path, 1)
    assert history.write(0, campaign(tmp_path, 1))
    whole = (tmp_path / NAME).read_bytes()
    now = campaign(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 40, limits[1]))
    try:
        assert not history.write(5, now)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert history.trouble == f"{NAME}: {os.strerror(28)}"
    assert (tmp_path / NAME).read_bytes() == whole
    assert history.write(10, now)
    assert history.trouble == ""
    assert lines(tmp_path)[-1]["new_causes"] == CAUSES[1:]


def test_where_nothing_can_be_written_at_all_it_goes_on(tmp_path: Path) -> None:
    history = History(tmp_path / "nowhere", 1)
    assert not history.write(0, campaign(tmp_path))
    assert "No such file" in history.trouble
