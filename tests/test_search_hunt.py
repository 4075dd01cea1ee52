"""The hunt counts executions, sees the bug it is told to see and no other, and ends what was spent."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fuzz.engine.target import Execution, Found
from fuzz.search import hunt as hunting
from fuzz.search.asked import FOUND, LATE, SPENT, Search
from fuzz.search.hunt import Ended, Hunt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEARCH = Search("tie", "tie", "random", 1, "pc-small", ("d",), ("per-device~tie", "wrap-main~tie"), 5, 60.0)
SHOWN = (
    Found("divergence", "wrap-main/layout/x/y/z", "of the sound design"),
    Found("divergence", "wrap-main~tie/layout/b/y/z", "later"),
    Found("divergence", "per-device~tie/layout/b/y/z", "second"),
    Found("divergence", "per-device~tie/layout/a/y/z", "first"),
)


class Target:
    """Shows what it is told to for some inputs, and keeps what it was given."""

    name = "stream"

    def __init__(self, shows: dict[bytes, tuple[Found, ...] | Exception]) -> None:
        self.shows = shows
        self.given: list[bytes] = []

    def run(self, data: bytes) -> Execution:
        self.given.append(data)
        shown = self.shows.get(data, ())
        if isinstance(shown, Exception):
            raise shown
        return Execution([("of", data.decode())], shown)


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """No alarm of a hunt that was not ended rings in another test."""
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets what time it is."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def set_to(seconds: float) -> None:
        now[0] = 100.0 + seconds

    return set_to


def ended(hunt: Hunt, *inputs: bytes) -> None:
    for data in inputs[:-1]:
        hunt(data)
    with pytest.raises(Ended):
        hunt(inputs[-1])


def test_the_first_input_that_shows_the_bug_ends_it_with_the_first_cause(clock: Callable[[float], None]) -> None:
    hunt = Hunt(Target({b"c": SHOWN}), SEARCH)
    assert hunt.seconds == 0.0
    assert tuple(hunt(b"a").features) == (("of", "a"),)
    hunt(b"b")
    clock(2.5)
    ended(hunt, b"c")
    assert hunt.attempt is not None
    assert (hunt.attempt.ended, hunt.attempt.executions, hunt.attempt.seconds) == (FOUND, 3, 2.5)
    assert (hunt.attempt.cause, hunt.attempt.witness) == ("per-device~tie/layout/a/y/z", b"c")


def test_findings_of_others_are_none_of_the_bug() -> None:
    hunt = Hunt(Target({b"a": SHOWN[:1]}), SEARCH)
    assert hunt(b"a").found == SHOWN[:1]
    assert hunt.attempt is None
    ended(Hunt(Target({b"a": SHOWN[:2]}), replace(SEARCH, watched=("wrap-main~tie",))), b"a")


def test_what_the_target_raises_is_an_execution_like_any_other() -> None:
    hunt = Hunt(Target({b"a": LookupError("no"), b"b": SHOWN}), SEARCH)
    (one,) = hunt(b"a").found
    assert one.cause == "any/exception/test_search_hunt.run/LookupError/-"
    ended(hunt, b"b")
    assert hunt.executions == 2


def test_as_many_are_executed_as_may_be_and_no_more() -> None:
    target = Target({})
    hunt = Hunt(target, SEARCH)
    ended(hunt, *(b"%d" % number for number in range(6)))
    assert target.given == [b"0", b"1", b"2", b"3", b"4"]
    assert hunt.attempt is not None
    assert (hunt.attempt.ended, hunt.attempt.executions, hunt.attempt.cause) == (SPENT, 5, "")


def test_time_begins_with_the_first_execution(clock: Callable[[float], None]) -> None:
    target = Target({})
    hunt = Hunt(target, SEARCH)
    clock(1000.0)
    hunt(b"a")
    clock(1059.9)
    hunt(b"b")
    clock(1060.0)
    ended(hunt, b"c")
    assert target.given == [b"a", b"b"]
    assert hunt.attempt is not None
    assert (hunt.attempt.ended, hunt.attempt.executions, hunt.attempt.seconds) == (LATE, 2, 60.0)


def test_who_is_left_alone_is_noticed_within_a_second(
    clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    monkeypatch.setattr(hunting, "is_alone", lambda: True)
    monkeypatch.setattr("os._exit", left.append)
    hunt = Hunt(Target({}), replace(SEARCH, executions=100))
    for tenth in range(25):
        clock(tenth / 10)
        hunt(b"a")
    assert left == [1, 1, 1]


def test_the_alarm_rings_while_it_hunts_and_not_afterwards() -> None:
    hunt = Hunt(Target({b"b": SHOWN}), SEARCH)
    hunt(b"a")
    assert signal.getitimer(signal.ITIMER_REAL)[1] > 0
    ended(hunt, b"b")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_end_is_none_of_the_exceptions_that_a_way_may_swallow() -> None:
    assert not issubclass(Ended, Exception)
