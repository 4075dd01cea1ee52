"""The supervisor: turns, deaths that are findings, workers that stand still, what workers say."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fuzz.campaign import Campaign, Settings, read_stats, records
from fuzz.campaign.slots import take, wait_for_orphans
from fuzz.campaign.spec import Spec
from fuzz.work import supervisor
from fuzz.work.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKER = """
import json, os, signal, sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from fuzz.work.blackbox import BlackBox
from fuzz.campaign.spec import Spec
from fuzz.work import supervisor
from fuzz.work.supervisor import Supervisor
from fuzz.campaign.stats import Stats, read_stats, write_stats
spec = Spec.from_json(Path(sys.argv[1]).read_text())
folder = Path(sys.argv[1]).parent
voice = int(sys.argv[2])
stats = read_stats(folder / "stats.json") or Stats(spec.worker, "m", "stream")
stats.runs += 1

def stop(reason):
    stats.state = "stopped: " + reason
    write_stats(folder / "stats.json", stats)
    sys.exit(0)

def die(number, data=b"deadly", during=True):
    box = BlackBox(folder / "current", 64)
    box.begin(data, 1)
    if not during:
        box.end()
    write_stats(folder / "stats.json", stats)
    os.kill(os.getpid(), number)

{body}
"""
ROOT = os.fspath(Path(__file__).resolve().parent.parent)


def supervise(
    path: Path, body: str, specs: Sequence[str] = ("w",), *, jobs: int | None = None, executions: int | None = None
) -> tuple[Campaign, list[str]]:
    campaign = Campaign(path)
    campaign.open(Settings("stream", ("m",), ("wrap-main",), 1))
    said: list[str] = []
    command = (sys.executable, "-c", WORKER.format(root=ROOT, body=body))
    made = [Spec(name, "stream", "m", "m.json", (), (), 1, str(path), executions=executions) for name in specs]
    Supervisor(campaign, made, 60, lambda _: None, said.append, command, jobs=jobs).run()
    return campaign, said


def test_a_signal_that_the_worker_brought_upon_itself_is_a_finding_with_its_input(tmp_path: Path) -> None:
    body = "import faulthandler; faulthandler.enable()\nif stats.runs > 1: stop('time')\ndie(signal.SIGSEGV)"
    campaign, said = supervise(tmp_path / "c", body)
    ((place, record),) = records(campaign.findings)
    assert (record.kind, record.cause) == ("death", "any/death/<string>.die/SIGSEGV/-")
    assert (place / "witness.vmstate").read_bytes() == b"deadly"
    assert "died (SIGSEGV, its input is kept as a finding), started again" in said[0]
    stats = read_stats(campaign.worker("w") / "stats.json")
    assert stats is not None
    assert (stats.deaths, list(stats.findings)) == (1, [record.cause])


@pytest.mark.parametrize("how", ["die(signal.SIGKILL)", "die(signal.SIGSEGV, during=False)"])
def test_what_may_be_nobodys_fault_is_no_finding(tmp_path: Path, how: str) -> None:
    campaign, said = supervise(tmp_path / "c", f"if stats.runs > 1: stop('time')\n{how}")
    assert records(campaign.findings) == ()
    assert "started again" in said[0]
    # The input that was under way is still there, for the worker to run once more.
    assert (campaign.worker("w") / "current").read_bytes()[24] == ("KILL" in how)


def test_a_worker_that_stands_still_is_killed_and_its_input_is_a_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "SLACK", 0.0)
    monkeypatch.setattr(supervisor, "STUCK", 0.0)
    body = """
if stats.runs > 1: stop("time")
import faulthandler
faulthandler.enable()
faulthandler.register(signal.SIGUSR1)
box = BlackBox(folder / "current", 64)
box.begin(b"endless", 1)
def naps():
    while True: time.sleep(60)
naps()
"""
    campaign, said = supervise(tmp_path / "c", body)
    ((place, record),) = records(campaign.findings)
    assert (record.kind, record.cause) == ("hang", "any/hang/<string>.naps/native/-")
    assert (place / "witness.vmstate").read_bytes() == b"endless"
    assert "stood still" in said[0]


def test_with_one_job_workers_take_turns_of_equal_executions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "TURN", 10)
    body = """
with open(folder.parent.parent / "turns", "a") as file: file.write(f"{spec.worker} {spec.seed} {spec.executions}\\n")
stats.executions = spec.executions
stop("executions")
"""
    campaign, _ = supervise(tmp_path / "c", body, ["a", "b"], jobs=1, executions=25)
    turns = [line.split() for line in (campaign.path / "turns").read_text().splitlines()]
    assert [(worker, int(executions)) for worker, _, executions in turns] == [
        ("a", 10), ("b", 10), ("a", 20), ("b", 20), ("a", 25), ("b", 25),
    ]  # fmt: skip
    assert len({seed for worker, seed, _ in turns if worker == "a"}) == 3


def test_what_workers_say_is_heard_and_one_that_grew_begins_anew(tmp_path: Path) -> None:
    body = """
os.write(voice, f"worker {spec.worker}: life {stats.runs}\\n".encode())
stats.rss = 300 << 20
stop("memory" if stats.runs == 1 else "time")
"""
    _, said = supervise(tmp_path / "c", body)
    assert said == ["worker w: life 1", "worker w: started anew, it had grown to 300 MiB", "worker w: life 2"]


def test_a_name_is_held_as_long_as_a_worker_or_its_supervisor_lives(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path / "c")
    held = take(campaign, "w")
    assert held is not None
    assert take(campaign, "w") is None
    # Its supervisor is gone: it gets some time, then is taken for a stranger's.
    assert wait_for_orphans(campaign, 0.1) == ("w",)
    os.close(held)
    again = take(campaign, "w")
    assert again is not None
    os.close(again)


def test_two_runs_on_one_folder_have_workers_of_different_names(tmp_path: Path) -> None:
    from fuzz.commands.run_asked import RunOptions, _workers

    campaign = Campaign(tmp_path / "c")
    held = take(campaign, "m")
    base = Spec("m", "stream", "m", "m.json", (), (), 5, str(tmp_path))
    specs = _workers([base, replace(base, worker="n")], RunOptions(jobs=3), campaign)
    assert {(spec.worker, spec.shared) for spec in specs} == {("m.2", "m"), ("m.3", "m"), ("n", "n")}
    assert len({spec.seed for spec in specs if spec.shared == "m"}) == 2
    assert {(spec.shared, spec.share) for spec in specs} == {("m", (0, 2)), ("m", (1, 2)), ("n", (0, 1))}
    assert all(Spec.from_json(spec.to_json()) == spec for spec in specs)
    assert held is not None
    os.close(held)
