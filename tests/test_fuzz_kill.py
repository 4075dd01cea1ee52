"""`kill -9` at random moments: no finding is missing that had been there, no corpus file is torn, every start works.

Short here; `VMFUZZ_KILL_ROUNDS=100 pytest tests/test_fuzz_kill.py` is the long form.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from fuzz.campaign import Campaign, read_stats, records
from fuzz.campaign.shelf import NAME, name_of
from fuzz.work.blackbox import progress, read_box

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS: Final = int(os.environ.get("VMFUZZ_KILL_ROUNDS", "3"))
MAIN: Final = "import sys; sys.argv[0] = 'vmfuzz'; from fuzz.cli import main; main()"


def start(place: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAIN, "run", "--campaign", str(place), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def children(process: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def kill(processes: Sequence[int]) -> None:
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def torn(campaign: Campaign) -> list[str]:
    return [
        entry.name
        for group in campaign.groups()
        for entry in campaign.corpus(group).iterdir()
        if NAME.fullmatch(entry.name) and name_of(entry.read_bytes()) != entry.name
    ]


def done(campaign: Campaign) -> int:
    """Executions of the present processes of all workers."""
    boxes = (progress(campaign.worker(worker) / "current") for worker in campaign.workers())
    return sum(box[0] for box in boxes if box is not None)


def until(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not what() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()[0]
    assert what()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_kill_at_random_moments(machine: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    campaign = Campaign(tmp_path / "c")
    asked = ("--machine", machine, "--design", "v1-flag-eof", "--jobs", "2")
    dice = random.Random(7)
    seen: set[str] = set()
    for number in range(ROUNDS):
        process = start(campaign.path, *asked)
        until(lambda process=process: len(children(process.pid)) == 2, process)  # type: ignore[misc]
        if dice.random() < 0.7:
            until(lambda: done(campaign) > 2, process)
        time.sleep(dice.uniform(0.0, 2.0))
        workers = children(process.pid)
        seen |= {record.cause for _, record in records(campaign.findings)}
        victims = dice.choice([[process.pid, *workers], workers[:1], workers, [process.pid]])
        kill(victims)
        if process.pid not in victims:
            time.sleep(dice.uniform(0.0, 1.0))
            kill([process.pid, *children(process.pid)])
        process.communicate()
        assert torn(campaign) == []
        assert not seen - {record.cause for _, record in records(campaign.findings)}, number
    # The last start ends by itself, in good order; what was there is there, and nothing is under way.
    stats = (read_stats(campaign.worker(worker) / "stats.json") for worker in campaign.workers())
    most = max(one.executions for one in stats if one is not None)
    process = start(campaign.path, *asked, "--executions", str(most + 100))
    text = process.communicate()[0]
    assert process.returncode == 1, text
    assert "Traceback" not in text
    assert not seen - {record.cause for _, record in records(campaign.findings)}
    assert torn(campaign) == []
    (group,) = campaign.groups()
    assert all(not entry.name.startswith(".") for entry in campaign.corpus(group).iterdir())
    assert all(read_box(campaign.worker(worker) / "current") is None for worker in campaign.workers())
    assert len(campaign.workers()) == 2


def test_an_end_by_ctrl_c_is_clean(machine: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    campaign = Campaign(tmp_path / "c")
    process = start(campaign.path, "--machine", machine, "--design", "v1-flag-eof", "--jobs", "2")
    until(lambda: bool(records(campaign.findings)), process)
    process.send_signal(signal.SIGINT)
    text = process.communicate()[0]
    assert process.returncode == 1, text
    assert "stopped; everything found is kept" in text
    assert "Causes by design" in text
    assert "Traceback" not in text
