"""`vmfuzz bench --search` as it is typed: tables, exit statuses, going on after a kill."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fuzz import cli
from fuzz.commands import bench_search
from fuzz.commands.bench_search import SearchOptions
from fuzz.search.asked import Result
from fuzz.search.kept import FILE, Kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fuzz.search.asked import Search

BUGS = '''
class MasterForgotten:
    """Devices reach no memory: the seed itself shows it."""
    def set_master(self, sound, function, enabled):
        sound(function, False)

class NothingWrong:
    """Nobody can find it."""
    def set_master(self, sound, function, enabled):
        sound(function, enabled)
'''


@pytest.fixture
def bugs(tmp_path: Path) -> Path:
    file = tmp_path / "bugs.py"
    file.write_text(BUGS)
    return file


def searched(options: SearchOptions) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=140)
    status = bench_search.bench_search(options, console)
    assert isinstance(console.file, io.StringIO)
    return status, console.file.getvalue()


def scripted(monkeypatch: pytest.MonkeyPatch, executions: dict[str, int], stop_after: int | None = None) -> list[str]:
    """Searches take what they are told to, by way; 0 for one that finds nothing. After some, somebody types Ctrl-C."""
    made: list[str] = []

    def run(searches: list[Search], *_: object) -> Iterator[tuple[Search, Result]]:
        for search in searches:
            if stop_after is not None and len(made) >= stop_after:
                raise KeyboardInterrupt
            made.append(f"{search.name} {search.way} {search.seed}")
            took = executions[search.way]
            yield search, Result("found", took, 0.1, "c", 5) if took else Result("executions", search.executions, 1.0)

    monkeypatch.setattr("fuzz.search.pool.run", run)
    return made


def test_ours_finds_all(tmp_path: Path, bugs: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, {"vmfuzz": 10, "random": 0})
    named = (f"{bugs}:MasterForgotten", f"{bugs}:NothingWrong")
    ways = ("vmfuzz", "random")
    status, told = searched(SearchOptions(tmp_path / "kept", named, (machine,), ways=ways, seeds=2))
    assert status == 0
    assert told.count("Executions until the bug is found") == 2  # after the first seed, and at the end
    assert "8/8" in told
    assert "vmfuzz: 2 of 2 bugs found for every seed; 4 of 4 searches" in told
    assert "and fewer than each of them for 2 of 2 bugs" in told


def test_ours_does_not_find_all(tmp_path: Path, bugs: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, {"vmfuzz": 0, "random": 1})
    options = SearchOptions(tmp_path / "k", (f"{bugs}:NothingWrong",), (machine,), ways=("vmfuzz", "random"), seeds=1)
    assert searched(options)[0] == 1


def test_interrupted_and_gone_on_with(
    tmp_path: Path, bugs: Path, machine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = SearchOptions(tmp_path / "k", (f"{bugs}:NothingWrong",), (machine,), ways=("vmfuzz", "random"), seeds=2)
    first = scripted(monkeypatch, {"vmfuzz": 3, "random": 3}, stop_after=3)
    status, told = searched(options)
    assert status == 130
    assert "1 of 4 searches were not run" in told
    assert "the same command goes on" in capsys.readouterr().err
    second = scripted(monkeypatch, {"vmfuzz": 3, "random": 3})
    status, told = searched(options)
    assert status == 0
    assert f"3 of 4 searches are in {tmp_path / 'k' / FILE}" in told
    assert len(first) == 3
    assert second == ["nothing-wrong random 2"]


def killed(how: signal.Signals, kept: Path, bugs: Path, machine: str) -> tuple[int, list[str]]:
    """A bench that gets a signal when its first search has ended: its status, and the command."""
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'vmfuzz'; from fuzz.cli import main; main()", "bench"]
    command += ["--search", "--seeded", f"{bugs}:MasterForgotten", "--machine", machine, "--way", "random"]
    command += ["--resume", str(kept), "--seeds", "2", "--jobs", "1", "--json"]
    bench = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not ((kept / FILE).exists() and (kept / FILE).read_bytes().endswith(b"\n")):
        assert bench.poll() is None
        time.sleep(0.05)
    bench.send_signal(how)
    return bench.wait(), command


def test_a_killed_bench_goes_on(tmp_path: Path, bugs: Path, machine: str) -> None:
    kept = tmp_path / "kept"
    status, command = killed(signal.SIGKILL, kept, bugs, machine)
    assert status == -signal.SIGKILL
    before = (kept / FILE).read_bytes()
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert [one["result"]["ended"] for one in values["searches"]] == ["found", "found"]
    assert (kept / FILE).read_bytes().startswith(before)
    assert (kept / FILE).read_bytes().count(b"\n") == 2


def test_a_bench_that_is_told_to_end_keeps_what_it_has(tmp_path: Path, bugs: Path, machine: str) -> None:
    status, _ = killed(signal.SIGTERM, tmp_path / "kept", bugs, machine)
    assert status == 130
    lines = (tmp_path / "kept" / FILE).read_bytes().splitlines(keepends=True)
    assert all(line.endswith(b"\n") and json.loads(line) for line in lines)
    assert lines


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--search", "--seeded", "nobody"], "--seeded nobody: no such bug"),
        (["--search", "--way", "luck"], "--way luck: no such way; there are vmfuzz, atheris"),
        (["--search", "--machine", "nowhere"], "machine nowhere: no such file"),
        (["--search", "-m", "pc-small", "-m", "q35-modern"], "--machine q35-modern: a search is made on one machine"),
        (["--quick"], "for --search"),
        (["--seeded", "nobody"], "for --search"),
    ],
)
def test_usage(
    arguments: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["vmfuzz", "bench", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    said = capsys.readouterr()
    assert why in said.err
    assert not said.out
    assert not (tmp_path / "bench-search").exists()


def test_one_bench_writes_into_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Kept(tmp_path / "kept")
    status, said = searched(SearchOptions(folder=tmp_path / "kept", machines=("pc-small",)))
    kept.close()
    assert status == 2
    assert said == ""
    assert f"{tmp_path / 'kept'}: another bench writes there" in capsys.readouterr().err


def test_quick_ends(tmp_path: Path, bugs: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens: what is under way is dropped, what was found is told."""
    monkeypatch.setattr(bench_search, "QUICK_SECONDS", 3.0)
    named = (f"{bugs}:NothingWrong",)
    options = SearchOptions(tmp_path / "kept", named, (machine,), ways=("random",), executions=10_000_000, quick=True)
    status, told = searched(options)
    assert status == 1
    assert "2 of 2 searches were not run" in told
