"""`vmfuzz status`: whether a campaign runs, its tables, and `--watch`."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fuzz.campaign import Campaign, FindingStore, Origin, Settings, Stats, records
from fuzz.campaign.alive import as_it_is, is_alive
from fuzz.campaign.figures import figures
from fuzz.campaign.history import History, last_line
from fuzz.campaign.stats import write_stats
from fuzz.commands.status import status
from fuzz.engine import Found

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CAUSE = "wrap-main/oracle/reader/a->b/virtio-blk"


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@contextmanager
def process(campaign: Campaign) -> Iterator[int]:
    """A process that was started as the worker `a` is."""
    words = [sys.executable, "-c", "print(flush=True); input()", str(campaign.worker("a") / "spec.json")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        yield running.pid
        running.communicate(b"\n")


@pytest.fixture(autouse=True)
def term(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the terminal is that the tests are run in."""
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    made = Campaign(tmp_path / "c")
    made.open(Settings("stream", ("pc-small",), ("wrap-main", "v1-flag-eof"), 1))
    made.prepare("a", "g")
    (made.worker("a") / "spec.json").write_text("{}")
    found = Found("divergence", CAUSE, "ends otherwise", severity="hang")
    FindingStore(made.findings).keep(found, b"abc", Origin("pc-small", "stream", 7))
    one = Stats("a", "pc-small", "stream", "g", executions=4000, seconds=8.0, rate=500.0, state="running")
    one.arms = {"flip": [9, 8, 2000, 6, 5]}
    one.saw(CAUSE, "divergence", 1000, 2.0)
    says(made, one)
    return made


def says(campaign: Campaign, one: Stats, pid: int = 0) -> None:
    write_stats(campaign.worker("a") / "stats.json", replace(one, pid=pid))
    History(campaign.path, 1).write(65.0, figures(records(campaign.findings), [one]), None if pid else "signal")


def said(campaign: Campaign) -> Stats:
    values = json.loads((campaign.worker("a") / "stats.json").read_text())
    return replace(
        Stats("a", "pc-small", "stream"), **{name: values[name] for name in ("group", "state", "executions")}
    )


def shown(campaign: Campaign) -> str:
    out = io.StringIO()
    assert status(campaign.path, Console(file=out, width=120)) == 0
    return out.getvalue()


def test_a_worker_is_alive_as_long_as_its_process_is(campaign: Campaign) -> None:
    with process(campaign) as pid:
        one = replace(said(campaign), pid=pid)
        assert is_alive(campaign, one)
        assert as_it_is(campaign, one) is one
        # One that says that it has stopped is believed.
        assert not is_alive(campaign, replace(one, state="stopped: time"))
        # And it is nobody else's process.
        campaign.prepare("b", "g")
        (campaign.worker("b") / "spec.json").write_text("{}")
        assert not is_alive(campaign, replace(one, worker="b"))
    assert as_it_is(campaign, one).state == "killed"


def test_it_says_whether_it_runs_and_shows_the_tables_below_the_findings(campaign: Campaign) -> None:
    text = shown(campaign)
    assert "not running; killed: a\n" in text
    with process(campaign) as pid:
        says(campaign, said(campaign), pid)
        text = shown(campaign)
    assert f"running: a (process {pid})\n" in text
    assert "[hang] divergence: ends otherwise" in text
    tables = text[text.index("Causes by design") :]
    assert f"{campaign.path}"[-20:] in tables
    for part in ("worker", "v1-flag-eof", "wrap-main", "another hour: "):
        assert part in tables, part
    assert "latest" not in tables


def test_programs_get_all_of_it(campaign: Campaign, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(campaign.path, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["running"], told["start"], told["elapsed"], told["ended"]) == (False, 1, 65.0, "signal")
    assert told["designs"] == {"wrap-main": 1}
    assert told["arms"] == {"flip": [9, 8, 2000, 6, 5]}
    assert [one["state"] for one in told["workers"]] == ["killed"]
    (finding,) = told["findings"]
    assert (finding["count"], finding["executions_since"]) == (1, 3000)
    assert finding["seen"].endswith("Z")
    # Whatever a line of stats.jsonl says, this says too.
    line = last_line(campaign.path)
    assert line is not None
    assert set(line) - set(told) == {"time", "new_causes"}


def test_watching_ends_with_ctrl_c_and_leaves_the_screen(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(3))

    def sleep(_seconds: float) -> None:
        if next(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("fuzz.commands.status.time.sleep", sleep)
    out = Screen()
    assert status(campaign.path, Console(file=out, width=100, height=30, force_terminal=True), watch=True) == 0
    assert "Ctrl-C ends watching" in out.getvalue()
    assert "1m05s" in out.getvalue()


def test_what_cannot_be_used_is_one_line(
    tmp_path: Path, campaign: Campaign, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(tmp_path / "nowhere") == 2
    assert status(campaign.path, as_json=True, watch=True) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "not a campaign" in first
    assert "--watch is for people" in second


def test_without_a_history_the_time_is_that_of_its_workers(campaign: Campaign) -> None:
    os.unlink(campaign.path / "stats.jsonl")  # noqa: PTH108
    assert last_line(campaign.path) is None
    assert "  8s  stream on pc-small" in shown(campaign)
