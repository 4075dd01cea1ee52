"""`run` from end to end on a tiny machine: real workers in the real engine, a folder that can be killed and resumed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tiny
from rich.console import Console

from fuzz.campaign import Campaign, Settings, all_stats, records
from fuzz.commands.bench import bench
from fuzz.commands.run import run
from fuzz.commands.run_asked import (
    DEFAULT_MACHINES,
    RunOptions,
    as_before,
    chosen_designs,
    group_names,
    seconds,
    usual_machines,
)
from fuzz.commands.status import status
from fuzz.corpus import MachineFiles, shipped_machines
from fuzz.designs import UsageError
from fuzz.mutate.small import MAX_SIZE
from fuzz.replay import Replayer
from fuzz.schedules import scheduled
from model import DESIGNS

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
NO_FULL = tiny.HEADER + tiny.EOF


SOME = ("v1-flag-eof", "wrap-main")
"""Designs for campaigns that need no more: an execution costs a load under each."""


def quiet() -> Console:
    return Console(file=Path(os.devnull).open("w"), width=200, record=True)


@pytest.mark.parametrize(
    ("text", "value"), [("60", 60.0), ("60s", 60.0), ("5m", 300.0), ("1.5h", 5400.0), ("1d", 86400.0), (None, None)]
)
def test_durations(text: str | None, value: float | None) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "x", "5x", "0", "-1", "5 minutes"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--time"):
        seconds(text)


def test_designs_beside_the_reference() -> None:
    assert "per-device" not in chosen_designs(())
    assert chosen_designs(("all",)) == chosen_designs(())
    assert chosen_designs(("wrap-main", "per-device", "wrap-main")) == ("wrap-main",)


def test_machines_of_one_name_get_workers_of_their_own() -> None:
    same = [MachineFiles("a", f"{folder}/a", Path(folder), ()) for folder in ("x", "y")]
    assert group_names(same) == ("a", "a-2")


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("target", lambda options: options(target="nothing")),
        ("machine", lambda options: options(machines=("nowhere/at-all",))),
        ("design", lambda options: options(designs=("nothing",))),
        ("time", lambda options: options(time="soon")),
        ("campaign", lambda options: options(campaign=Path("/dev/null"))),
    ],
)
def test_an_option_that_cannot_be_used_is_one_line_and_status_2(
    case: str,
    change: Callable[[Callable[..., RunOptions]], RunOptions],
    machine: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("atheris")

    def options(**values: object) -> RunOptions:
        return RunOptions(**{"machines": (machine,), "time": "1s", **values})  # type: ignore[arg-type]

    assert run(change(options)) == 2
    said = capsys.readouterr().err.strip()
    assert case in said
    assert "\n" not in said


def test_without_the_engine_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    assert run(RunOptions()) == 2
    assert "atheris, the fuzzing engine, is not installed" in capsys.readouterr().err
    assert bench() == 2


def test_a_campaign_of_snapshot_loads_stays_one(machine: str, tmp_path: Path) -> None:
    """What is kept depends on it, so going on without the option goes on with it; findings say how they are shown."""
    pytest.importorskip("atheris")
    campaign = Campaign(tmp_path / "campaign")
    for loadvm, executions in ((True, 15), (False, 25)):
        options = RunOptions(
            machines=(machine,),
            designs=("v1-flag-eof",),
            campaign=campaign.path,
            executions=executions,
            loadvm=loadvm,
            resume=loadvm,
        )
        console = quiet()
        assert run(options, console) == 1
        assert (campaign.settings().loadvm, campaign.settings().beyond) == (True, ("resume",))
    found = {record.cause: record for _, record in records(campaign.findings)}
    record = found["v1-flag-eof/again-pairing/loader/commit-without-begin/stream"]
    assert record.loadvm
    assert "--loadvm --design v1-flag-eof" in console.export_text()


def test_a_campaign_finds_what_designs_do_wrong_keeps_it_and_goes_on(machine: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    place = tmp_path / "campaign"
    console = quiet()
    assert run(RunOptions(machines=(machine,), designs=SOME, campaign=place, executions=300, time="60s"), console) == 1
    text = console.export_text()
    assert "executions" in text
    assert "Causes by design" in text
    campaign = Campaign(place)
    causes = [record.cause for _, record in records(campaign.findings)]
    assert any(cause.startswith("v1-flag-eof/pairing/") for cause in causes), causes
    (stats,) = all_stats(campaign)
    assert (stats.executions, stats.state) == (300, "stopped: executions")
    assert set(stats.findings) == set(causes)
    assert list(campaign.corpus("tiny").iterdir())
    assert not campaign.settings().loadvm
    # Each finding shows itself again, under its own design, from the witness on disk.
    replayer = Replayer()
    for folder, record in records(campaign.findings):
        witness = folder / "witness.vmstate"
        data, schedule = scheduled(witness, witness.read_bytes())
        assert (len(data), schedule.to_json()) == (record.size, record.schedule)
        seen = replayer.outcomes(data, machine, [record.design], schedule)
        assert record.cause in seen[record.design]["causes"]
    # Resumed, it adds to what it has.
    assert run(RunOptions(machines=(machine,), designs=SOME, campaign=place, executions=400, time="60s"), quiet()) == 1
    (stats,) = all_stats(campaign)
    assert (stats.executions, stats.runs) == (400, 2)
    assert 0 < stats.lit < stats.probes
    # What was asked for is done: another start adds nothing.
    assert run(RunOptions(machines=(machine,), designs=SOME, campaign=place, executions=400, time="60s"), quiet()) == 1
    (stats,) = all_stats(campaign)
    assert (stats.executions, stats.runs) == (400, 3)
    assert {record.cause for _, record in records(campaign.findings)} >= set(causes)
    # How it went is written down: a line at each start, one at each end.
    history = [json.loads(line) for line in (place / "stats.jsonl").read_text().splitlines()]
    assert [line["start"] for line in history if line["ended"]] == [1, 2, 3]
    assert [*dict.fromkeys(line["start"] for line in history if not line["elapsed"] > 1)] == [1, 2, 3]
    assert history[-1]["executions"] == 400
    assert history[-1]["causes"] == len(records(campaign.findings))
    assert status(place, quiet()) == 0
    assert status(tmp_path) == 2


def test_what_is_not_said_again_is_as_it_was(machine: str, tmp_path: Path) -> None:
    campaign = Campaign(tmp_path / "c")
    new = as_before(RunOptions(campaign=campaign.path))
    assert (new.target, new.machines, new.designs, new.seed) == ("stream", (), (), 1)
    campaign.open(Settings("stream", (machine,), ("v8-rcu-getref",), 9))
    again = as_before(RunOptions(campaign=campaign.path, time="5s"))
    assert (again.target, again.machines, again.designs, again.seed, again.time) == (
        "stream", (machine,), ("v8-rcu-getref",), 9, "5s",
    )  # fmt: skip
    other = as_before(RunOptions(campaign=campaign.path, machines=("pc-small",), designs=("all",), seed=0))
    assert (other.machines, other.designs, other.seed) == (("pc-small",), ("all",), 0)
    assert as_before(RunOptions("memory", campaign=campaign.path)).machines == ()
    campaign.open(Settings("stream", (machine,), ("/somewhere/mine.py:Mine",), 9))
    with pytest.raises(UsageError, match=r"name them: --design /somewhere/mine\.py:Mine"):
        as_before(RunOptions(campaign=campaign.path))


def kept(campaign: Campaign) -> dict[str, bytes]:
    """All of a campaign's corpus and findings."""
    places = (campaign.path / "corpus", campaign.findings)
    return {
        str(entry.relative_to(campaign.path)): entry.read_bytes()
        for place in places
        for entry in sorted(place.rglob("*"))
        if entry.is_file()
    }


@pytest.mark.parametrize("target", ["stream", "memory"])
def test_equal_seeds_give_equal_campaigns_byte_for_byte(target: str, machine: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    machines = (machine,) if target == "stream" else ()
    seen = []
    for name in ("one", "other"):
        campaign = Campaign(tmp_path / name)
        run(RunOptions(target, machines, SOME, None, 5, campaign.path, 150), quiet())
        (stats,) = all_stats(campaign)
        seen.append((kept(campaign), stats.executions, stats.arms, stats.features, stats.once, stats.twice))
    assert seen[0] == seen[1]
    assert any("witness" in name for name in seen[0][0])
    assert any(name.startswith("corpus") for name in seen[0][0])


def test_with_one_job_for_two_machines_they_take_turns_and_it_is_equal_again(
    machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("atheris")
    monkeypatch.setattr("fuzz.work.supervisor.TURN", 40)
    (tmp_path / "other").mkdir()
    seen = []
    for name in ("c", "d"):
        campaign = Campaign(tmp_path / name)
        options = RunOptions("stream", (machine, "pc-small"), SOME[:1], None, 5, campaign.path, 60, jobs=1)
        run(options, quiet())
        assert {(one.worker, one.executions, one.runs) for one in all_stats(campaign)} == {
            ("tiny", 60, 2),
            ("pc-small", 60, 2),
        }
        seen.append(kept(campaign))
    assert seen[0] == seen[1]


SEGFAULT = """
import ctypes
from model.designs import Design
class Crashes(Design):
    name = "crashes"
    def section_ends(self, load, error):
        if error is not None:
            ctypes.string_at(0)
"""


def test_a_design_that_kills_its_process_is_a_finding_with_its_input(machine: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    (tmp_path / "mine.py").write_text(SEGFAULT)
    campaign = Campaign(tmp_path / "c")
    console = quiet()
    design = f"{tmp_path / 'mine.py'}:Crashes"
    assert run(RunOptions(machines=(machine,), designs=(design,), campaign=campaign.path, executions=30), console) == 1
    text = console.export_text()
    assert "died (SIGSEGV, its input is kept as a finding), started again" in text
    ((place, record),) = [one for one in records(campaign.findings) if one[1].kind == "death"]
    assert record.cause == "any/death/__init__.string_at/SIGSEGV/-"
    assert (place / "witness.vmstate").stat().st_size == record.size > 0
    assert f"--design {design}" in text


def test_roundtrip_runs_too(machine: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    place = tmp_path / "c"
    options = RunOptions("roundtrip", (machine,), campaign=place, executions=300, time="120s")
    assert run(options, quiet()) == 0
    (stats,) = all_stats(Campaign(place))
    assert (stats.executions, stats.findings) == (300, {})
    begun = [entry.read_bytes() for entry in (place / "seeds" / "roundtrip-tiny").iterdir()]
    assert all(len(data) <= MAX_SIZE for data in begun)
    assert b"" in begun


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_table_and_no_orphans(number: int, machine: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    place = tmp_path / "c"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from fuzz.cli import main; main()",
            "run",
            "--machine",
            machine,
            "--campaign",
            str(place),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    stats = all_stats(Campaign(place))
    for _ in range(300):
        stats = all_stats(Campaign(place))
        if stats and stats[0].executions > 5:
            break
        time.sleep(0.1)
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode in {0, 1}
    assert "stopped; everything found is kept" in output
    (stats_after,) = all_stats(Campaign(place))
    assert stats_after.state == "stopped: signal"
    with pytest.raises(ProcessLookupError):
        os.kill(stats[0].pid, 0)


def test_bench_prints_rates_shares_and_the_ceiling(machine: str) -> None:
    pytest.importorskip("atheris")
    console = quiet()
    assert bench([machine], console, time=1.0, only="fuzz") == 0
    text = console.export_text()
    for word in ("Engine ceiling", "share of read", "load of the reference", "compare", "reset", "mutate", "tiny"):
        assert word in text
    (row,) = [line for line in text.splitlines() if "mutants that are streams" in line]
    assert re.search(r"\d+% of \d", row)


def test_a_design_is_searched_where_what_is_known_of_it_shows() -> None:
    assert usual_machines(()) == usual_machines(("all",)) == DEFAULT_MACHINES
    assert usual_machines(("v7-rcu-dispatch", "wrap-main")) == (*DEFAULT_MACHINES, "linux-intel-iommu")
    assert set(shipped_machines()).issuperset(name for design in DESIGNS.values() for name in design.shows_on)
