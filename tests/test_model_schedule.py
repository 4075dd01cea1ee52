"""Schedules: text, the trailer behind a stream, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.actors import ACTORS, check
from model.schedule import EMPTY_SCHEDULE, MARK, POINTS, Schedule, ScheduleError, Step, join, split

WORDS = st.from_regex(r"[a-z0-9.:x-]{1,12}", fullmatch=True).filter(lambda word: not word.startswith(":"))
STEPS = st.builds(
    Step, st.sampled_from(POINTS), st.integers(0, 10**9 - 1), WORDS, st.lists(WORDS, max_size=3).map(tuple)
)
SCHEDULES = st.lists(STEPS, max_size=8).map(tuple).map(Schedule)


@given(SCHEDULES)
def test_text_and_json_are_read_back(schedule: Schedule) -> None:
    assert Schedule.parse(str(schedule)) == schedule
    assert Schedule.parse("; ".join(map(str, schedule))) == schedule
    assert Schedule.parse(schedule.to_json()) == schedule


@given(st.binary(max_size=64), SCHEDULES)
def test_a_trailer_comes_off_again(stream: bytes, schedule: Schedule) -> None:
    data = join(stream, schedule)
    assert split(data) == (stream, schedule) or (not schedule and data == stream)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_stream(data: bytes) -> None:
    for whole in (data, data + MARK, data + len(data).to_bytes(4, "big") + MARK):
        stream, schedule = split(whole)
        assert whole.startswith(stream)
        assert schedule or stream == whole or not str(schedule)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wait x: monitor-mtree", "POINT N: ACTOR"),
        ("lunch 1: monitor-mtree", "wait, fields, ram, turn, inside"),
        ("\n".join(["ram 0: rcu-reclaim"] * 65), "at most 64 steps, found 65"),
    ],
)
def test_what_is_no_schedule_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words) as caught:
        Schedule.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wait 1: nobody", "no such actor; there are vcpu-access"),
        ("wait 1: vcpu-access 0x10", "expected `vcpu-access <address> <length>`, found 1"),
        ("wait 1: vcpu-access 0x10 -3", "expected length as a number"),
        ("inside 1: rcu-reclaim", "does more than read"),
    ],
)
def test_steps_are_checked_against_the_actors(text: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        check(Schedule.parse(text), ACTORS)


def test_the_empty_schedule_is_null_in_json() -> None:
    assert EMPTY_SCHEDULE.to_json() is None
    assert Schedule.parse(None) == EMPTY_SCHEDULE
