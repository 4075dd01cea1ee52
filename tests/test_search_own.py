"""What a campaign's only worker leaves behind, as the end of a search."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fuzz.campaign.findings import WITNESS
from fuzz.search.asked import DIED, FOUND, LATE, SPENT, Search
from fuzz.search.own import attempt_of
from model.schedule import split

if TYPE_CHECKING:
    from pathlib import Path

SEARCH = Search("tie", "tie", "vmfuzz", 1, "pc-small", ("d",), ("per-device~tie",), 5, 60.0)
STATS = {"worker": "search", "machine": "pc-small", "target": "stream", "executions": 70, "seconds": 3.5}


def left_behind(folder: Path, state: str, **findings: dict[str, object]) -> Path:
    """A campaign's folder with statistics in that state, and findings by their cause."""
    place = folder / "workers" / "search"
    place.mkdir(parents=True)
    causes = {
        cause: {"kind": "divergence", "count": 1, "first_execution": values["first"], "first_seconds": 1.25}
        for cause, values in findings.items()
    }
    (place / "stats.json").write_text(json.dumps({**STATS, "state": state, "findings": causes}))
    for number, (cause, values) in enumerate(findings.items()):
        found = folder / "findings" / f"f{number}"
        found.mkdir(parents=True)
        record = {"kind": "divergence", "cause": cause, "text": "t", "machine": "pc-small", "target": "stream"}
        more = {"size": 3, "sha256": "", "execution": values["first"], **values}
        (found / "finding.json").write_text(json.dumps({**record, **more}))
        (found / WITNESS).write_bytes(b"%d!" % number)
    return folder


@pytest.mark.parametrize(
    ("state", "ended", "why"),
    [
        ("stopped: executions", SPENT, ""),
        ("stopped: time", LATE, ""),
        ("running", DIED, "the worker ended with status -9, running"),
        ("died", DIED, "the worker ended with status -9, died"),
    ],
)
def test_without_a_finding_it_ended_as_the_worker_says(tmp_path: Path, state: str, ended: str, why: str) -> None:
    attempt = attempt_of(SEARCH, left_behind(tmp_path, state), -9)
    assert (attempt.ended, attempt.executions, attempt.seconds, attempt.why) == (ended, 70, 3.5, why)
    assert (attempt.cause, attempt.witness) == ("", b"")


def test_the_earliest_finding_of_the_bug_is_what_was_found(tmp_path: Path) -> None:
    found: dict[str, dict[str, object]] = {
        "wrap-main/layout/a/b/c": {"first": 3},  # of the sound design
        "per-device~tie/layout/late/b/c": {"first": 40},
        "per-device~tie/layout/b/b/c": {"first": 12, "schedule": ["record 2: vcpu ram[0x0:1]"]},
        "per-device~tie/layout/c/b/c": {"first": 12},
    }
    attempt = attempt_of(SEARCH, left_behind(tmp_path, "stopped: found", **found), 0)
    assert (attempt.ended, attempt.executions, attempt.seconds) == (FOUND, 12, 1.25)
    assert attempt.cause == "per-device~tie/layout/b/b/c"
    assert split(attempt.witness)[0] == b"2!"


def test_a_worker_that_never_began(tmp_path: Path) -> None:
    attempt = attempt_of(SEARCH, tmp_path, 1)
    assert (attempt.ended, attempt.executions) == (DIED, 0)
    assert attempt.why == "the worker ended with status 1 before it began"
