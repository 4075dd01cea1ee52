"""The campaign's folder: findings, statistics, repair, and the supervisor over workers that misbehave."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fuzz.atomic import write_atomic
from fuzz.campaign import (
    Campaign,
    CampaignError,
    FindingStore,
    Origin,
    Settings,
    Stats,
    cause_id,
    read_record,
    read_stats,
    records,
)
from fuzz.campaign.findings import Record
from fuzz.campaign.spec import Spec
from fuzz.campaign.stats import write_stats
from fuzz.engine import Found
from fuzz.report import campaign_json, final_report, rank
from fuzz.schedules import scheduled
from fuzz.work.supervisor import Supervisor
from model.schedule import EMPTY_SCHEDULE, Schedule, join

if TYPE_CHECKING:
    from pathlib import Path

CAUSE = "wrap-main/flat-view-while-pending/vring cache/region:ram-to-rom/virtio-blk"
FOUND = Found("harmful read", CAUSE, "the old view shows the ROM")
ORIGIN = Origin("pc-small", "stream", 17)
SETTINGS = Settings("stream", ("pc-small",), ("wrap-main",), 1)


@pytest.mark.parametrize(
    ("case", "second", "machine", "said", "kept"),
    [
        ("smaller, same machine", b"ab", "pc-small", "smaller", b"ab"),
        ("larger", b"abcdef", "pc-small", "", b"abcd"),
        ("as large", b"wxyz", "pc-small", "", b"abcd"),
        ("smaller, of another machine", b"ab", "q35-modern", "", b"abcd"),
    ],
)
def test_the_smallest_witness_of_a_cause_is_kept(
    tmp_path: Path, case: str, second: bytes, machine: str, said: str, kept: bytes
) -> None:
    first, other = FindingStore(tmp_path / "findings"), FindingStore(tmp_path / "findings")
    assert first.keep(FOUND, b"abcd", ORIGIN) == "new"
    # Another worker, which knows nothing of the first one's find.
    assert other.keep(FOUND, second, Origin(machine, "stream", 3)) == said, case
    ((place, record),) = records(tmp_path / "findings")
    assert (place / "witness.vmstate").read_bytes() == kept
    assert record.sha256 == hashlib.sha256(kept).hexdigest()
    assert (record.cause, record.design, record.size) == (CAUSE, "wrap-main", len(kept))


def test_killed_between_witness_and_description_the_finding_is_still_whole(tmp_path: Path) -> None:
    store = FindingStore(tmp_path)
    store.keep(FOUND, b"abcd", ORIGIN)
    place = tmp_path / cause_id(CAUSE)
    write_atomic(place / "witness.vmstate", b"ab")
    record = read_record(place)
    assert record is not None
    assert (record.size, record.sha256) == (2, hashlib.sha256(b"ab").hexdigest())
    (place / "finding.json").unlink()
    assert records(tmp_path) == ()
    assert FindingStore(tmp_path).keep(FOUND, b"abc", ORIGIN) == "new"


SCHEDULE = Schedule.parse("wait 3: monitor-mtree")


def test_a_schedule_is_kept_beside_its_witness(tmp_path: Path) -> None:
    store = FindingStore(tmp_path)
    assert store.keep(FOUND, join(b"abcd", SCHEDULE), ORIGIN) == "new"
    ((place, record),) = records(tmp_path)
    witness = place / "witness.vmstate"
    assert (witness.read_bytes(), record.size, record.schedule) == (b"abcd", 4, ["wait 3: monitor-mtree"])
    assert scheduled(witness, b"abcd") == (b"abcd", SCHEDULE)
    # A stream alone counts as smaller, even if it is a little longer.
    assert FindingStore(tmp_path).keep(FOUND, join(b"abcd", SCHEDULE), ORIGIN) == ""
    assert FindingStore(tmp_path).keep(FOUND, b"abcdef", ORIGIN) == "smaller"
    assert records(tmp_path)[0][1].schedule is None


def test_killed_at_any_moment_a_witness_has_its_own_schedule(tmp_path: Path) -> None:
    FindingStore(tmp_path).keep(FOUND, join(b"abcdef", SCHEDULE), ORIGIN)
    other = Schedule.parse("ram 0: rcu-reclaim")
    (place, _), witness = records(tmp_path)[0], tmp_path / cause_id(CAUSE) / "witness.vmstate"
    for data, schedule in ((join(b"abcd", other), other), (b"abc", EMPTY_SCHEDULE)):
        write_atomic(witness, data)  # and killed before the description
        record = read_record(place)
        assert record is not None
        assert Schedule.parse(record.schedule) == schedule
        assert scheduled(witness, data)[1] == schedule


def test_ids_of_causes_are_readable_bounded_and_different() -> None:
    one, other = cause_id(CAUSE), cause_id(CAUSE.replace("vring cache", "vring-cache"))
    assert one.startswith("wrap-main.flat-view-while-pending.vring.cache")
    assert one != other
    assert len(cause_id("x" * 1000)) < 120


def test_a_campaign_is_resumed_and_counts_its_starts(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path / "c")
    assert campaign.open(SETTINGS) == (Settings("stream", ("pc-small",), ("wrap-main",), 1, 1), ())
    assert campaign.open(SETTINGS)[0].runs == 2
    assert campaign.settings().machines == ("pc-small",)


def test_a_folder_that_is_no_campaign_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(CampaignError, match=r"not empty and not a campaign") as raised:
        Campaign(tmp_path).open(SETTINGS)
    assert "\n" not in str(raised.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(CampaignError, match="is a file"):
        Campaign(tmp_path / "file").open(SETTINGS)
    with pytest.raises(CampaignError, match="not a campaign"):
        Campaign(tmp_path / "nowhere").settings()


def test_a_start_that_found_no_room_can_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "c" / "findings").mkdir(parents=True)
    assert Campaign(tmp_path / "c").open(SETTINGS)[1] == ()


def test_a_damaged_campaign_file_costs_nothing_found(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path / "c")
    campaign.open(SETTINGS)
    FindingStore(campaign.findings).keep(FOUND, b"abcd", ORIGIN)
    (tmp_path / "c" / "campaign.json").write_text("{torn")
    _, repaired = campaign.open(SETTINGS)
    assert "started anew" in repaired[0]
    assert len(records(campaign.findings)) == 1


def test_statistics_survive_the_round_trip_and_damage(tmp_path: Path) -> None:
    stats = Stats("pc-small", "pc-small", "stream", executions=5)
    assert stats.saw(CAUSE, "harmful read", 3, 0.5)
    assert not stats.saw(CAUSE, "harmful read", 4, 0.6)
    write_stats(tmp_path / "stats.json", stats)
    assert read_stats(tmp_path / "stats.json") == stats
    (tmp_path / "stats.json").write_text("{")
    assert read_stats(tmp_path / "stats.json") is None


def campaign_with_findings(path: Path) -> Campaign:
    campaign = Campaign(path)
    campaign.open(SETTINGS)
    campaign.prepare("pc-small", "pc-small")
    store = FindingStore(campaign.findings)
    stats = Stats("pc-small", "pc-small", "stream", executions=1000, seconds=2.0, state="running", rate=500.0)
    for cause, kind, size, count in (
        (CAUSE, "harmful read", 40, 3),
        ("wrap-main/verdict/loader/accepted->refused/virtio-blk", "divergence", 30, 2),
        ("v1-flag-eof/pairing/loader/commit-without-begin/stream", "pairing", 20, 7),
    ):
        severity = "memory-corruption" if cause == CAUSE else ""
        store.keep(Found(kind, cause, f"text of {kind}", severity=severity), bytes(size), ORIGIN)
        for _ in range(count):
            stats.saw(cause, kind, 1, 0.1)
    write_stats(campaign.worker("pc-small") / "stats.json", stats)
    return campaign


def test_the_report_ends_with_the_table_and_a_command_for_each_finding(tmp_path: Path) -> None:
    campaign = campaign_with_findings(tmp_path / "my campaign")
    console = Console(width=100, record=True, quiet=False, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    assert final_report(campaign, console) == 3
    text = console.export_text()
    table = text[text.index("Causes by design") :]
    assert [line.split() for line in table.splitlines()[4:] if line.strip()] == [
        ["v1-flag-eof", "assertion", "1", "20"],
        ["wrap-main", "memory-corruption", "1", "1", "30"],
    ]
    told = [line.split()[0] for line in text.splitlines() if line.startswith("[")]
    assert told == ["[memory-corruption]", "[assertion]", "[refusal]"]
    witness = campaign.findings / cause_id(CAUSE) / "witness.vmstate"
    assert f"vmfuzz load '{witness}' --machine pc-small --design wrap-main" in text
    assert "1000 executions in 2s (500/s)" in text


def test_programs_get_json(tmp_path: Path) -> None:
    campaign = campaign_with_findings(tmp_path / "c")
    shown = json.loads(json.dumps(campaign_json(campaign)))
    assert [(one["design"], one["count"], one["severity"]) for one in shown["findings"]] == [
        ("v1-flag-eof", 7, "assertion"),
        ("wrap-main", 3, "memory-corruption"),
        ("wrap-main", 2, "refusal"),
    ]


def test_a_severity_that_nobody_told_is_that_of_the_cause() -> None:
    record = Record("kind", "d/law/x/bytes/stream", "t", "m", "roundtrip", 1, "", 1)
    assert str(rank(record)) == "invariant"
    assert str(rank(replace(record, cause="not five parts"))) == "invariant"
    assert str(rank(replace(record, cause="d/layout/x/a->b/memory"))) == "wrong-state"
    assert str(rank(replace(record, severity="hang"))) == "hang"


def spec(campaign: Path, **values: object) -> Spec:
    made = Spec("w", "stream", "m", "m.json", (), (), 1, str(campaign))
    return Spec.from_json(json.dumps({**json.loads(made.to_json()), **values}))


WORKER = """
import json, os, signal, sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from fuzz.campaign.stats import Stats, read_stats, write_stats
spec = json.loads(Path(sys.argv[1]).read_text())
path = Path(sys.argv[1]).with_name("stats.json")
stats = read_stats(path) or Stats("w", "m", "stream")
stats.runs += 1
{body}
"""
DIES_TWICE = """
stats.executions += 10
stats.state = "running" if stats.runs < 3 else "stopped: time"
write_stats(path, stats)
if stats.runs < 3:
    os.kill(os.getpid(), signal.SIGKILL)
"""
HOPELESS = "sys.exit(3)"
STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
stats.state = "running"
write_stats(path, stats)
time.sleep(60)
"""


def supervise(tmp_path: Path, body: str, seconds: float | None) -> tuple[str, list[str], Campaign]:
    campaign = Campaign(tmp_path / "c")
    campaign.open(SETTINGS)
    said: list[str] = []
    root = os.fspath(__import__("pathlib").Path(__file__).resolve().parent.parent)
    command = (sys.executable, "-c", WORKER.format(root=root, body=body))
    supervisor = Supervisor(campaign, [spec(tmp_path / "c")], seconds, lambda _: None, said.append, command)
    return supervisor.run(), said, campaign


def test_a_worker_that_dies_is_started_again_with_another_seed(tmp_path: Path) -> None:
    reason, said, campaign = supervise(tmp_path, DIES_TWICE, 30)
    assert reason == "workers"
    assert [line.split(",")[0] for line in said] == ["worker w: died (SIGKILL)"] * 2
    stats = read_stats(campaign.worker("w") / "stats.json")
    assert stats is not None
    assert (stats.executions, stats.runs, stats.deaths) == (30, 3, 2)
    assert Spec.from_json((campaign.worker("w") / "spec.json").read_text()).seed == 1 + 2 * 1_000_003


def test_a_worker_that_never_executes_anything_is_given_up(tmp_path: Path) -> None:
    reason, said, _ = supervise(tmp_path, HOPELESS, 30)
    assert reason == "workers"
    assert "given up after 3 deaths (exit status 3)" in said[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_even_when_a_worker_does_not_listen(tmp_path: Path, number: int) -> None:
    timer = threading.Timer(0.8, os.kill, (os.getpid(), number))
    timer.start()
    reason, said, _ = supervise(tmp_path, STUBBORN, None)
    assert (reason, said) == ("signal", [])


def test_a_worker_puts_its_probes_in_place_before_the_model_is_imported() -> None:
    code = "import sys, fuzz.work.worker; sys.exit(any(name.split('.')[0] == 'model' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
