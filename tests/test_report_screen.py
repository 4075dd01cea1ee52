"""What a campaign looks like: it fits, says what matters, and leaves out what does not fit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from fuzz.campaign import CauseCount, Record, Stats
from fuzz.campaign.estimate import Estimate
from fuzz.campaign.figures import Figures, epoch, figures
from fuzz.report.news import AT_ONCE, News
from fuzz.report.part import share
from fuzz.report.screen import About, Moment, screen
from fuzz.report.words import ago, amount, outlook, status_line

START = epoch("2026-11-26T20:00:00Z") or 0.0
ABOUT = About("campaign", "stream on pc-small", ("d0", "quiet-design"), "Ctrl-C ends it; everything found is kept")


@cache
def campaign(workers: int = 2, designs: int = 3, causes: int = 2, arms: int = 5, trouble: str = "") -> Figures:
    """Worker 0 found everything: in each design as many causes, one each second."""
    stats = []
    for number in range(workers):
        one = Stats(f"pc-small.{number}", "pc-small", "stream", "pc-small", state="running", seconds=100.0)
        one.executions = one.sampled = 61_728
        one.lit, one.probes = 1234, 4936
        one.rate, one.corpus, one.features, one.once, one.twice, one.rss = 250.0, 321, 4321, 12, 6, 200 << 20
        one.arms = {f"arm-{arm}": [90, 80, 7000, 10 * arm, arm] for arm in range(arms)}
        stats.append(one)
    found = []
    for design in range(designs):
        for cause in range(causes):
            name = f"d{design}/oracle/reader-{cause}/change/virtio-blk"
            second = design * causes + cause
            first = CauseCount("divergence", 1 + cause, 10 + second, 1.0, f"2026-11-26T20:00:{second % 60:02d}Z")
            if stats:
                stats[0].findings[name] = first
            text = f"0000:00:03.0/virtio-net: queue 0 says {cause} where the reference says something else altogether"
            record = Record(
                "divergence", name, text, "m", "stream", 1, "", 1, severity="wrong-state", first=10 + second
            )
            found.append((Path("nowhere"), record))
    if trouble:
        stats[-1].trouble = trouble
    return figures(found, stats)


def drawn(now: Figures, width: int, height: int | None, elapsed: float = 125.0) -> list[str]:
    with Path("/dev/null").open("w") as nowhere:
        console = Console(width=width, height=height, file=nowhere, record=True, force_terminal=True)
        console.print(screen(ABOUT, now, Moment(elapsed, START + 90), height, width))
        return console.export_text().splitlines()


def test_on_80_columns_and_24_lines_every_part_is_there() -> None:
    lines = drawn(
        campaign(workers=3, designs=22, causes=30, arms=40, trouble="findings: No space left on device"), 80, 23
    )
    text = "\n".join(lines)
    assert len(lines) == 23
    assert lines[0].startswith("campaign  2m05s  stream on pc-small")
    assert lines[1] == "pc-small.2: findings: No space left on device".ljust(80) or lines[1].startswith(
        "pc-small.2: findings"
    )
    for part in ("worker ", "together", "design ", "latest ", "mutator arm", "another hour: ", "Ctrl-C"):
        assert part in text, part
    assert "185,184" in text  # executions of all workers
    assert "... 20 more designs" in text
    assert "30 wrong-state" in text
    assert "25%" in text


def test_with_room_for_all_nothing_is_left_out_and_designs_stand_by_name() -> None:
    lines = drawn(campaign(), 100, 60)
    text = "\n".join(lines)
    assert "more" not in text.replace("more features", "")
    rows = [line.split()[0] for line in lines if line.startswith(("d0 ", "d1 ", "d2 ", "quiet-design"))]
    assert rows == ["d0", "d1", "d2", "quiet-design"]
    (row,) = [line for line in lines if line.startswith("d2 ")]
    # The last one 85 seconds ago, when its worker had executed 15 of 61,728.
    assert row.split() == ["d2", "2", "2", "wrong-state", "1m25s", "ago", "123,426"]
    assert drawn(campaign(), 100, None) == drawn(campaign(), 100, 60)


def test_where_there_is_no_room_for_all_the_newest_design_comes_first() -> None:
    lines = drawn(campaign(designs=30), 80, 23)
    at = next(number for number, line in enumerate(lines) if line.startswith("design "))
    assert lines[at + 1].startswith("d29 ")


def test_causes_that_differ_in_the_design_only_are_one_line() -> None:
    (row,) = [line for line in drawn(campaign(designs=7, causes=1), 200, 60) if "queue 0 says 0" in line]
    assert row.split()[:5] == ["1m24s", "ago", "7", "designs", "[wrong-state]"]


def test_a_narrow_terminal_has_fewer_columns_and_a_wide_one_more() -> None:
    narrow, usual, wide = ("\n".join(drawn(campaign(), width, 40)) for width in (50, 80, 120))
    assert "corpus entries" not in narrow
    assert "per 1,000" in narrow
    assert "executions since" in usual
    assert "last entry" not in narrow
    assert "last entry" in wide


SIZES = st.tuples(st.integers(20, 220), st.integers(3, 70))


@settings(max_examples=40)
@given(
    size=SIZES,
    workers=st.sampled_from([0, 1, 2, 9]),
    designs=st.sampled_from([0, 1, 22]),
    arms=st.sampled_from([0, 40]),
    trouble=st.sampled_from(["", "findings: No space left on device"]),
)
def test_it_fits(size: tuple[int, int], workers: int, designs: int, arms: int, trouble: str) -> None:
    width, height = size
    now = campaign(workers, designs, 2, arms, trouble if workers else "")
    lines = drawn(now, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


WANTS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 5)), max_size=6)


@given(lines=st.integers(0, 60), wants=WANTS)
def test_lines_are_shared_out(lines: int, wants: list[tuple[int, int]]) -> None:
    wanted = {str(number): want for number, (want, _) in enumerate(wants)}
    least = {str(number): few for number, (_, few) in enumerate(wants)}
    given = share(lines, wanted, least)
    assert sum(given.values()) <= lines
    assert all(given[name] == 0 or min(least[name], wanted[name]) <= given[name] <= wanted[name] for name in wanted)
    served = [name for name in wanted if given[name]]
    # Nothing is left over as long as somebody who is shown wants more.
    assert sum(given.values()) == lines or all(given[name] == wanted[name] for name in served)


def test_a_line_for_a_log() -> None:
    assert status_line(campaign(), 125.0, START + 65) == (
        " 2m05s  123,456 executions  500/s  corpus 321  features 4,321  400 MiB  "
        "causes 6 (d0 2, d1 2, d2 2), last new 1m00s ago"
    )
    many = status_line(campaign(designs=22, trouble="corpus: No space left on device"), 90_000.0, START + 120)
    assert many.startswith(" 1d01h  ")
    assert many.endswith(
        "causes 44 under 22 designs, last new 1m17s ago  [pc-small.1: corpus: No space left on device]"
    )


def test_each_new_cause_is_told_once_and_hundreds_are_a_number() -> None:
    news = News(campaign(designs=0))
    assert news.lines(campaign(designs=0)) == []
    now = campaign(designs=2, causes=1)
    told = news.lines(now)
    text = "0000:00:03.0/virtio-net: queue 0 says 0 where the reference says something else altogether"
    cause = "<design>/oracle/reader-0/change/virtio-blk under 2 designs"
    assert told == [f"new cause after 10 executions: [wrong-state] divergence: {text} ({cause})"]
    assert news.lines(now) == []
    many = campaign(designs=3, causes=40)
    assert len(news.lines(many)) == AT_ONCE - 1
    # 120 causes, of which 2 were known; 7 lines told of one cause under 3 designs each, or of one left of them.
    (rest,) = news.rest()
    assert rest.startswith("... and ")
    assert rest.endswith(" more new causes")
    assert news.rest() == []
    assert news.lines(many) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Estimate(0, 0, None, None, None, beyond=False), "another hour: nothing ran yet"),
        (Estimate(9, 9, None, None, None, beyond=True), "another hour: too early to tell, fewer than 1,000 executions"),
        (
            Estimate(10**6, 10**5, 12.2, 0.31, 10_800.0, beyond=False),
            "another hour: about 12 more features, 0.3 causes; at present one new cause in about 3h00m",
        ),
        (
            Estimate(10**4, 10**6, 12.2, 1234.5, 0.2, beyond=True),
            "another hour: at least 12 more features, 1,234 causes; at present one new cause in about a second",
        ),
        (
            Estimate(10**6, 10**5, None, 2.0, 1800.0, beyond=False),
            "another hour: about 2.0 more causes; at present one new cause in about 30m00s",
        ),
        (
            Estimate(10**6, 10**5, 0.0, 0.0, None, beyond=False),
            "another hour: about 0 more features; no new cause in sight",
        ),
    ],
)
def test_the_estimate_in_words(said: Estimate, words: str) -> None:
    assert outlook(said) == words


def test_what_the_last_hour_did_bring_stands_beside_it() -> None:
    said = Estimate(10**6, 10**5, None, 2.0, 1800.0, beyond=False)
    assert outlook(said, 5, 600).endswith(" (the last 10m00s brought 5)")
    assert outlook(said, 5, 1e6).endswith(" (the last 1h00m brought 5)")


def test_amounts_and_times() -> None:
    assert [amount(number) for number in (0.0, 0.01, 0.3, 9.94, 9.96, 1234.0)] == [
        "0",
        "less than 0.1",
        "0.3",
        "9.9",
        "10",
        "1,234",
    ]
    assert [ago(when, 1000.0) for when in (None, 990.0, 1001.0)] == ["?", "10s ago", "0s ago"]
