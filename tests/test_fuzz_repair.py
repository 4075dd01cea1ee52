"""Repair: what a kill or a hand left in a campaign's folder is put right at the next start, said, and never lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fuzz.atomic import write_atomic
from fuzz.campaign import Campaign, FindingStore, Origin, Settings, cause_id, read_record, records
from fuzz.campaign.shelf import name_of
from fuzz.campaign.slots import take
from fuzz.engine import Found
from model.schedule import Schedule, join

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CAUSE = "wrap-main/layout/loader/a->b/memory"
FOUND = Found("divergence", CAUSE, "text")
ORIGIN = Origin("m", "stream", 17)
SETTINGS = Settings("stream", ("m",), ("wrap-main",), 1)
STEPS = Schedule.parse("ram 0: rcu-reclaim")


def made(path: Path, data: bytes = b"abcdef") -> tuple[Campaign, Path]:
    campaign = Campaign(path)
    campaign.open(SETTINGS)
    campaign.prepare("m", "m")
    FindingStore(campaign.findings).keep(FOUND, data, ORIGIN)
    return campaign, campaign.findings / cause_id(CAUSE)


def corpus(campaign: Campaign) -> set[bytes]:
    return {entry.read_bytes() for entry in campaign.corpus("m").iterdir()}


def test_a_whole_campaign_has_nothing_to_say(tmp_path: Path) -> None:
    campaign, _ = made(tmp_path / "c", join(b"abcdef", STEPS))
    assert campaign.open(SETTINGS)[1] == ()
    assert corpus(campaign) == set()


def _no_description(place: Path) -> None:
    (place / "finding.json").unlink()


def _torn_description(place: Path) -> None:
    (place / "finding.json").write_text('{"kind": "dive')


def _altered(place: Path) -> None:
    (place / "witness.vmstate").write_bytes(b"ABCDEF")


def _killed_before_the_description(place: Path) -> None:
    write_atomic(place / "witness.vmstate", join(b"ab", STEPS))


def _killed_before_the_end(place: Path) -> None:
    write_atomic(place / "witness.vmstate", join(b"abcdef", STEPS))


@pytest.mark.parametrize(
    ("damage", "listed", "line", "again"),
    [
        (_no_description, False, "not described yet; the witness runs again", b"abcdef"),
        (_torn_description, False, "its finding.json cannot be read and is put aside", b"abcdef"),
        (_altered, True, "not the one that finding.json spoke of; it runs again", b"ABCDEF"),
        (_killed_before_the_description, True, "it runs again", join(b"ab", STEPS)),
        (_killed_before_the_end, True, "it runs again", join(b"abcdef", STEPS)),
    ],
)
def test_a_damaged_finding_runs_again_and_is_never_missing(
    tmp_path: Path, damage: Callable[[Path], None], listed: bool, line: str, again: bytes
) -> None:
    campaign, place = made(tmp_path / "c")
    damage(place)
    assert (read_record(place) is not None) is listed
    _, said = campaign.open(SETTINGS)
    assert len(said) == 1
    assert str(place) in said[0]
    assert line in said[0]
    assert corpus(campaign) == {again}
    assert [record.cause for _, record in records(campaign.findings)] == [CAUSE] * listed
    # The next sight of the cause puts it right, whatever the witness's size.
    FindingStore(campaign.findings).keep(FOUND, b"as long as that", ORIGIN)
    record = read_record(place)
    assert record is not None
    assert (record.size, record.doubt) == (15, False)
    assert (place / "witness.vmstate").read_bytes() == b"as long as that"
    assert campaign.open(SETTINGS)[1] == ()


def test_a_missing_witness_is_said_and_the_cause_is_kept_again(tmp_path: Path) -> None:
    campaign, place = made(tmp_path / "c")
    (place / "witness.vmstate").unlink()
    (line,) = campaign.open(SETTINGS)[1]
    assert "its witness is missing" in line
    assert FindingStore(campaign.findings).keep(FOUND, b"abcdefgh", ORIGIN) == "new"
    assert campaign.open(SETTINGS)[1] == ()


def test_statistics_that_cannot_be_read_are_put_aside(tmp_path: Path) -> None:
    campaign, _ = made(tmp_path / "c")
    path = campaign.worker("m") / "stats.json"
    path.write_text("{")
    (line,) = campaign.open(SETTINGS)[1]
    assert "stats.json: cannot be read" in line
    assert not path.exists()


def test_beside_another_run_only_the_corpus_is_looked_at(tmp_path: Path) -> None:
    campaign, place = made(tmp_path / "c")
    _altered(place)
    write_atomic(campaign.corpus("m") / name_of(b"x"), b"y")
    held = take(campaign, "m")
    assert held is not None
    spec = campaign.worker("m") / "spec.json"
    spec.write_text(json.dumps({"supervisor": 1}))  # a process that lives
    (line,) = campaign.open(SETTINGS)[1]
    assert "torn or altered" in line
