"""The numbers of a campaign, from hand-made findings and statistics."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fuzz.campaign import Campaign, CauseCount, Record, Stats
from fuzz.campaign.alive import is_alive
from fuzz.campaign.figures import epoch, figures, newest_first

if TYPE_CHECKING:
    from collections.abc import Sequence

EIGHT = "2026-11-26T20:00:00Z"
NINE = "2026-11-26T21:00:00Z"


def found(*causes: str) -> Sequence[tuple[Path, Record]]:
    return [(Path("nowhere"), Record("kind", cause, "text", "m", "stream", 1, "", 1)) for cause in causes]


def worker(name: str, group: str = "", **values: float | str) -> Stats:
    return Stats(name, "m", "stream", group, **{"state": "running", **values})  # type: ignore[arg-type]


def test_what_a_group_shares_counts_once() -> None:
    now = figures(
        (),
        [
            worker("a", "g", corpus=10, features=100, situations=9, executions=5, rss=1, rate=1.0),
            worker("a.2", "g", corpus=11, features=90, situations=8, executions=6, rss=2, rate=2.0),
            worker("b", corpus=100, features=7, situations=1, executions=7, rss=4, rate=4.0, state="died: SIGKILL"),
        ],
    )
    assert (now.corpus, now.features, now.situations) == (111, 107, 10)
    assert now.executions == 18
    # Who is not at work neither runs nor takes memory.
    assert (now.rate, now.rss) == (3.0, 3)


def test_workers_of_earlier_runs_tell_of_causes_only() -> None:
    old = worker("old", executions=1000)
    old.findings = {"d/c": CauseCount("kind", 4, 250, 1.0, EIGHT)}
    now = figures(found("d/c"), [old, worker("new", executions=3000)], ["new"])
    assert [one.worker for one in now.workers] == ["new"]
    assert now.executions == 3000
    (known,) = now.causes
    assert (known.count, known.when) == (4, epoch(EIGHT))
    # It was seen when its worker had done a quarter of what it did; so had all of them.
    assert known.since == 3000


def test_when_a_cause_was_new() -> None:
    one, other = worker("a", executions=10), worker("b", executions=10)
    one.findings = {"d/late": CauseCount("kind", 1, 5, 1.0, NINE), "d/unknown": CauseCount("kind", 1, 5)}
    other.findings = {"d/late": CauseCount("kind", 1, 5, 1.0, EIGHT), "d/later": CauseCount("kind", 1, 9, 1.0, NINE)}
    now = figures(found("d/late", "d/later", "d/unknown", "e/nobody"), [one, other])
    assert [known.record.cause for known in newest_first(now.causes)] == ["d/later", "d/late", "d/unknown", "e/nobody"]
    assert [known.count for known in now.causes] == [2, 1, 1, 1]
    assert now.recent(epoch(NINE) or 0, 60) == 1
    assert {design: len(causes) for design, causes in now.by_design(["f", "d"]).items()} == {"d": 3, "e": 1, "f": 0}


def test_a_cause_that_no_worker_wrote_down_yet_is_as_old_as_its_folder(tmp_path: Path) -> None:
    os.utime(tmp_path, (5, 5))
    (known,) = figures([(tmp_path, found("d/c")[0][1])], []).causes
    assert (known.when, known.since, known.count) == (5.0, None, 1)


def test_causes_set_aside_are_a_number() -> None:
    now = figures(found("d/known", "d/new"), [], aside=lambda cause: cause == "d/known")
    assert ([known.record.cause for known in now.causes], now.aside) == (["d/new"], 1)


def test_arms_are_added_up_the_most_yielding_first() -> None:
    one, other = worker("a"), worker("b")
    one.arms = {"often": [9, 9, 100_000, 100, 1], "good": [9, 9, 500, 50, 0], "never": [0, 0, 0, 0, 0], "old": [3, 2]}
    other.arms = {"good": [1, 1, 500, 150, 2], "lucky": [1, 1, 4, 1, 0]}
    arms = figures((), [one, other]).arms
    assert [(arm.name, arm.per_thousand) for arm in arms] == [
        ("good", 200.0),
        # One entry of four executions is luck until there are more.
        ("lucky", 250.0),
        ("often", 1.0),
        ("old", 0.0),
    ]
    assert (arms[0].tried, arms[0].executions, arms[0].entries, arms[0].causes) == (10, 1000, 200, 2)


@pytest.mark.parametrize(("text", "value"), [("1970-01-01T00:01:00Z", 60.0), ("", None), ("soon", None)])
def test_times(text: str, value: float | None) -> None:
    assert epoch(text) == value


def test_a_number_of_a_process_proves_nothing(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.prepare("a", "a")
    (campaign.worker("a") / "spec.json").write_text("{}")
    # This very process is there, but it is no worker.
    assert not is_alive(campaign, worker("a", pid=os.getpid()))
    assert not is_alive(campaign, worker("a", pid=0))
    assert not is_alive(campaign, worker("a", pid=2**22 + 1))
