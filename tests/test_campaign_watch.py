"""What does not change is read once; what changes is seen."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.campaign import Campaign, FindingStore, Origin, Stats, cause_id, records
from fuzz.campaign.stats import write_stats
from fuzz.campaign.watch import SETTLED, Watch
from fuzz.engine import Found

ORIGIN = Origin("pc-small", "stream", 17)


def keep(campaign: Campaign, name: str, size: int = 9) -> None:
    FindingStore(campaign.findings).keep(Found("k", f"d/{name}/a/b/c", "text"), bytes(size), ORIGIN)


def later() -> float:
    """The clock of somebody to whom everything is old."""
    return time.time() + 10 * SETTLED


def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    keep(campaign, "one")
    keep(campaign, "two")
    watch = Watch(campaign, later)
    first = watch.findings()
    assert (first, watch.reads) == (records(campaign.findings), 2)
    assert watch.findings() is first
    keep(campaign, "three")
    assert [record.cause for _place, record in watch.findings()] == [
        f"d/{name}/a/b/c" for name in ("one", "three", "two")
    ]
    assert watch.reads == 3
    keep(campaign, "one", 4)
    assert watch.findings()[0][1].size == 4
    assert watch.reads == 4


def test_what_is_young_is_read_again(tmp_path: Path) -> None:
    """The control for the test above: a file system's clock ticks slowly, so a young stamp proves nothing."""
    campaign = Campaign(tmp_path)
    keep(campaign, "one")
    watch = Watch(campaign)
    watch.findings()
    watch.findings()
    assert watch.reads == 2


def test_a_finding_without_its_description_is_waited_for(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    place = campaign.findings / cause_id("d/one/a/b/c")
    place.mkdir(parents=True)
    watch = Watch(campaign, later)
    assert watch.findings() == ()
    keep(campaign, "one")
    assert len(watch.findings()) == 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["keep", "lose", "damage"]), st.integers(0, 3), st.integers(0, 30)), max_size=12
)


@settings(max_examples=20)
@given(steps=STEPS)
def test_it_always_sees_what_somebody_sees_who_reads_everything(steps: list[tuple[str, int, int]]) -> None:
    with TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder))
        watch = Watch(campaign)
        for step, number, size in steps:
            place = campaign.findings / cause_id(f"d/{number}/a/b/c")
            if step == "keep":
                keep(campaign, str(number), size)
            elif place.exists():
                shutil.rmtree(place) if step == "lose" else (place / "finding.json").write_text("{")
            assert watch.findings() == records(campaign.findings)


def test_statistics_are_read_when_they_are_new_and_kept_when_they_are_damaged(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    watch = Watch(campaign)
    assert watch.stats() == ()
    campaign.prepare("a", "a")
    assert watch.stats() == ()
    path = campaign.worker("a") / "stats.json"
    for executions in (1, 2):
        write_stats(path, Stats("a", "m", "stream", executions=executions))
        assert [one.executions for one in watch.stats()] == [executions]
    reads = watch.reads
    watch.stats()
    assert watch.reads == reads
    path.write_text(json.dumps("damaged"))
    assert [one.executions for one in watch.stats()] == [2]
    os.utime(path, (0, 0))
    assert [one.executions for one in watch.stats()] == [2]
