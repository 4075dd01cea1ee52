"""Every way from one state to another: what a person, a replay and a campaign can say of a cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.triage.entries import BACK, FIXED, KNOWN, NEW, STATES, Entry
from fuzz.triage.states import GONE, SEEN, SHOWS, UNLISTED, Evidence, moved

CAUSE = "eager/layout/flat-view/moved/memory"
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
EARLY, MIDDLE, LATE = NOW - timedelta(days=3), NOW - timedelta(days=2), NOW - timedelta(days=1)
SHOWN, NOT_SHOWN, NOT_REPLAYED = True, False, None

TABLE = [
    # before      replay        seen by a campaign   after    why
    (UNLISTED, SHOWN, None, NEW, "found"),
    (UNLISTED, NOT_REPLAYED, None, NEW, "found"),
    (UNLISTED, NOT_SHOWN, None, FIXED, f"found; {GONE}"),
    (NEW, SHOWN, None, NEW, ""),
    (NEW, NOT_REPLAYED, LATE, NEW, ""),
    (NEW, NOT_SHOWN, None, FIXED, GONE),
    (KNOWN, SHOWN, LATE, KNOWN, ""),
    (KNOWN, NOT_REPLAYED, LATE, KNOWN, ""),
    (KNOWN, NOT_SHOWN, LATE, FIXED, GONE),
    (FIXED, NOT_SHOWN, None, FIXED, ""),
    (FIXED, NOT_SHOWN, EARLY, FIXED, ""),
    (FIXED, NOT_REPLAYED, EARLY, FIXED, ""),
    (FIXED, NOT_REPLAYED, LATE, BACK, SEEN),
    (FIXED, NOT_SHOWN, LATE, BACK, SEEN),
    (FIXED, SHOWN, None, BACK, SHOWS),
    (FIXED, SHOWN, EARLY, BACK, SHOWS),
    (BACK, SHOWN, None, BACK, ""),
    (BACK, SHOWN, LATE, BACK, ""),
    (BACK, NOT_REPLAYED, LATE, BACK, ""),
    (BACK, NOT_SHOWN, None, FIXED, GONE),
    (BACK, NOT_SHOWN, EARLY, FIXED, GONE),
    (BACK, NOT_SHOWN, LATE, BACK, ""),  # a campaign saw it since: there is another input
]
"""An entry that is fixed was marked so in the middle; one that is back again was seen then."""


@pytest.mark.parametrize(("before", "shows", "seen", "after", "why"), TABLE)
def test_the_table(before: str, shows: bool | None, seen: datetime | None, after: str, why: str) -> None:
    listed = before != UNLISTED
    fixed, back = {FIXED: (MIDDLE, None), BACK: (EARLY, MIDDLE)}.get(before, (None, None))
    entry = Entry(CAUSE, before if listed else NEW, fixed=fixed, back=back)
    one, change = moved(entry, Evidence(shows, seen), NOW, listed=listed)
    assert one.state == after
    if before == after:
        assert change is None
    else:
        assert change is not None
        assert (change.cause, change.before, change.after, change.why) == (CAUSE, before, after, why)


def test_the_table_has_every_row() -> None:
    """Every state with every answer of a replay."""
    assert {(before, shows) for before, shows, *_ in TABLE} == {
        (before, shows) for before in (UNLISTED, *STATES) for shows in (SHOWN, NOT_SHOWN, NOT_REPLAYED)
    }


RULED = [
    # before    pattern  replay         after
    (UNLISTED, KNOWN, SHOWN, KNOWN),
    (UNLISTED, KNOWN, NOT_SHOWN, FIXED),
    (UNLISTED, FIXED, SHOWN, BACK),
    (UNLISTED, FIXED, NOT_REPLAYED, FIXED),
    (UNLISTED, NEW, SHOWN, NEW),
    (NEW, KNOWN, SHOWN, KNOWN),
    (NEW, FIXED, NOT_SHOWN, FIXED),
    (NEW, BACK, NOT_REPLAYED, BACK),
    (KNOWN, FIXED, SHOWN, KNOWN),
    (FIXED, KNOWN, NOT_SHOWN, FIXED),
    (BACK, KNOWN, SHOWN, BACK),
]


@pytest.mark.parametrize(("before", "ruled", "shows", "after"), RULED)
def test_a_pattern_speaks_for_what_is_new(before: str, ruled: str, shows: bool | None, after: str) -> None:
    listed = before != UNLISTED
    entry = Entry(CAUSE, before if listed else NEW, fixed=MIDDLE if before == FIXED else None)
    one, change = moved(entry, Evidence(shows, None, ruled), NOW, listed=listed)
    assert one.state == after
    assert (change is None) == (before == after)


def test_a_person_marks_it_fixed_and_what_campaigns_saw_before_that_is_nothing() -> None:
    one, change = moved(Entry(CAUSE, FIXED), Evidence(None, LATE), NOW)
    assert (one.fixed, change) == (NOW, None)
    # Once more, after it had come back: the old moments are not those of this mark.
    again = Entry(CAUSE, FIXED, fixed=EARLY, back=MIDDLE)
    one, change = moved(again, Evidence(None, LATE), NOW)
    assert (one.fixed, one.back, change) == (NOW, None, None)


def test_a_person_calls_it_known_and_the_moments_go() -> None:
    one, _ = moved(Entry(CAUSE, KNOWN, fixed=EARLY, back=MIDDLE), Evidence(), NOW)
    assert one == Entry(CAUSE, KNOWN)


def test_a_person_says_that_it_is_back() -> None:
    by_hand = Entry(CAUSE, BACK)
    assert moved(by_hand, Evidence(), NOW) == (by_hand, None)
    assert moved(by_hand, Evidence(shows=True), NOW)[0].back == NOW
    assert moved(by_hand, Evidence(shows=False), NOW)[0].state == FIXED


def test_what_a_campaign_alone_saw_stays_until_a_person_speaks() -> None:
    seen = Evidence(shows=False, seen=LATE)
    one, _ = moved(Entry(CAUSE, FIXED, fixed=MIDDLE), seen, NOW)
    assert one.state == BACK
    later = NOW + timedelta(days=1)
    assert moved(one, seen, later) == (one, None)
    marked, _ = moved(replace(one, state=FIXED), seen, later)
    assert (marked.state, marked.fixed) == (FIXED, later)
    # A witness that shows it is proof of its own, and its silence then counts, too.
    shown, _ = moved(one, replace(seen, shows=True), later)
    assert moved(shown, seen, later + timedelta(days=1))[0].state == FIXED


MOMENTS = st.none() | st.sampled_from([EARLY, MIDDLE, LATE])
ENTRIES = st.builds(Entry, st.just(CAUSE), st.sampled_from(STATES), fixed=MOMENTS, back=MOMENTS)
EVIDENCE = st.builds(Evidence, st.none() | st.booleans(), MOMENTS, st.none() | st.sampled_from(STATES))


@given(ENTRIES, EVIDENCE)
def test_what_was_said_once_is_said_the_same_again(entry: Entry, evidence: Evidence) -> None:
    """A second look, with nothing new, changes no state and writes nothing."""
    once, _ = moved(entry, evidence, NOW)
    again, change = moved(once, evidence, NOW + timedelta(hours=1))
    assert (again, change) == (once, None)


@given(ENTRIES, EVIDENCE)
def test_without_a_replay_nothing_becomes_fixed(entry: Entry, evidence: Evidence) -> None:
    after, change = moved(entry, replace(evidence, shows=None, ruled=None), NOW)
    assert after.state != FIXED or entry.state == FIXED
    assert (change is None) == (after.state == entry.state)


@given(ENTRIES, EVIDENCE)
def test_what_shows_is_never_called_fixed(entry: Entry, evidence: Evidence) -> None:
    assert moved(entry, replace(evidence, shows=True), NOW)[0].state != FIXED
