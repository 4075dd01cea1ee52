"""What `vmfuzz run` shows while it runs, with the clock in hand."""

from __future__ import annotations

import errno
import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fuzz.campaign import Campaign, FindingStore, Origin, Settings, Stats
from fuzz.campaign.history import NAME, History
from fuzz.campaign.spec import Spec
from fuzz.campaign.stats import write_stats
from fuzz.campaign.watch import Watch
from fuzz.commands.live import Looker, View, about_campaign, view_of_run
from fuzz.engine import Found

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """Time that passes when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def term(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the terminal is that the tests are run in."""
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    made = Campaign(tmp_path / "c")
    made.open(Settings("stream", ("pc-small",), ("wrap-main",), 1))
    made.prepare("pc-small", "pc-small")
    stats = Stats("pc-small", "pc-small", "stream", executions=1000, state="running", rate=50.0)
    write_stats(made.worker("pc-small") / "stats.json", stats)
    return made


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def keep(campaign: Campaign, number: int) -> None:
    found = Found("divergence", f"wrap-main/oracle/reader-{number}/a->b/c", f"text {number}", severity="hang")
    FindingStore(campaign.findings).keep(found, b"abc", Origin("pc-small", "stream", 7))


def view(campaign: Campaign, out: io.StringIO, clock: Clock, *, quiet: bool = False, terminal: bool = False) -> View:
    console = Console(file=out, width=80, height=24, force_terminal=terminal)
    looker = Looker(Watch(campaign), ["pc-small"], lambda _cause: False)
    about = about_campaign(campaign, campaign.settings(), "Ctrl-C ends it")
    return View(looker, about, console, History(campaign.path, 1), quiet=quiet, clock=clock)


def test_lines_of_a_log_grow_rarer(campaign: Campaign) -> None:
    out, clock = io.StringIO(), Clock()
    shown = view(campaign, out, clock)
    times = []
    for tenth in range(0, 9000, 5):
        clock.now = tenth / 10
        before = out.tell()
        shown.show(clock.now)
        if out.tell() != before:
            times.append(clock.now)
    assert times[:13] == [5.0 * number for number in range(13)]
    assert times[13:31] == [90.0 + 30 * number for number in range(18)]
    assert times[31:] == [660.0, 720.0, 780.0, 840.0]
    # Once in ten minutes it says more.
    longer = [line for line in out.getvalue().splitlines() if "executions" not in line or "another" in line]
    assert [line.split(":")[0] for line in longer] == ["causes by design", "another hour"]


def test_a_new_cause_is_told_at_once_and_once(campaign: Campaign) -> None:
    keep(campaign, 0)
    out, clock = io.StringIO(), Clock()
    shown = view(campaign, out, clock)
    shown.show(0.0)
    clock.now = 1.0
    keep(campaign, 1)
    shown.show(1.0)
    for number in range(2, 40):
        keep(campaign, number)
    clock.now = 6.0
    shown.show(6.0)
    keep(campaign, 40)
    shown.ended("time")
    first, told, *many, rest, status, last = out.getvalue().splitlines()
    # What an earlier run found is no news.
    assert "causes 1 (wrap-main 1)" in first
    assert told == "new cause after 7 executions: [hang] divergence: text 1 (wrap-main/oracle/reader-1/a->b/c)"
    assert len(many) == 4
    assert rest == "... and 34 more new causes"
    assert "causes 40 (wrap-main 40)" in status
    assert "text 40" in last
    ends = [json.loads(line)["ended"] for line in (campaign.path / NAME).read_text().splitlines()]
    assert ends == [None, None, "time"]


def test_quiet_is_quiet(campaign: Campaign, capsys: pytest.CaptureFixture[str]) -> None:
    out, clock = io.StringIO(), Clock()
    shown = view(campaign, out, clock, quiet=True)
    with shown.live:
        shown.show(0.0)
        keep(campaign, 1)
        shown.say("worker pc-small: died (SIGKILL), started again")
        clock.now = 10.0
        shown.show(10.0)
        shown.ended("time")
    assert out.getvalue() == ""
    # What is wrong is still said, where errors are.
    assert capsys.readouterr().err == "worker pc-small: died (SIGKILL), started again\n"
    assert len((campaign.path / NAME).read_text().splitlines()) == 3


def test_a_terminal_gets_a_screen(campaign: Campaign) -> None:
    keep(campaign, 0)
    out = Screen()
    shown = view(campaign, out, Clock(), terminal=True)
    with shown.live:
        shown.show(3.0)
    assert "stream on pc-small, 1 design, seed 1, start 1" in out.getvalue()
    assert "new cause after" not in out.getvalue()


def test_a_file_that_shall_have_colours_is_no_terminal(campaign: Campaign) -> None:
    out = io.StringIO()
    shown = view(campaign, out, Clock(), terminal=True)
    with shown.live:
        shown.show(3.0)
    assert out.getvalue() == "    3s  1,000 executions  50/s  corpus 0  situations 0  causes 0\n"


class Full(Screen):
    """A file on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("terminal", [False, True])
def test_where_nothing_can_be_shown_the_campaign_goes_on(campaign: Campaign, terminal: bool) -> None:
    shown = view(campaign, Full(), Clock(), terminal=terminal)
    shown.show(0.0)
    shown.say("anything")


def test_a_mistake_in_what_is_shown_ends_nothing(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    out, clock = io.StringIO(), Clock()
    shown = view(campaign, out, clock)
    monkeypatch.setattr("fuzz.commands.live.status_line", lambda *_: 1 // 0)
    for second in range(5):
        clock.now = second
        shown.show(clock.now)
    said = "cannot show the campaign: ZeroDivisionError: integer division or modulo by zero; it goes on"
    assert out.getvalue().splitlines() == [said]


def test_the_full_disk_is_said_once_and_a_torn_line_of_before(campaign: Campaign) -> None:
    (campaign.path / NAME).write_bytes(b'{"torn')
    spec = Spec("pc-small", "stream", "pc-small", "", (), ("wrap-main",), 1, str(campaign.path))
    out = io.StringIO()
    shown = view_of_run(campaign, [spec], Console(file=out, width=200), None, quiet=False)
    assert out.getvalue().endswith(f"{NAME}: the last line was torn, 6 bytes cut off\n")
    (campaign.path / NAME).unlink()
    (campaign.path / NAME).mkdir()
    shown.show(0.0)
    shown.ended("signal")
    assert out.getvalue().count("its lines are dropped until there is room") == 1
