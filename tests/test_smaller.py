"""Findings of a campaign made smaller in place: the cause stays, the witness is never lost, nobody is disturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bloated import FOLDER, bloated
from test_fuzz_cli import vmfuzz

from fuzz.campaign.findings import FindingStore, Origin, cause_id, read_record
from fuzz.campaign.folder import Campaign, Settings
from fuzz.corpus import find_machine, find_stream
from fuzz.engine import Found
from fuzz.programs import encode, from_text
from fuzz.replay import Asker
from fuzz.replay.given import Finding
from fuzz.smaller import finding as one_finding
from fuzz.smaller import make_all_smaller, make_smaller, wanted
from fuzz.smaller.known import FILE, is_minimal
from fuzz.targets.memory import MemoryTarget
from model import DESIGNS, parse, section_schemas
from model.schedule import Schedule, join
from vmformat import read, write

BAR = "wrap-main/flat-view-while-pending/virtio_init_region_cache/region:unmapped-to-io/virtio-net"
TURN = "threaded-sections/layout/flat-view/msix-pba+msix-table->msix-pba+msix-table/memory"
FROZEN = "v1-flag-eof/reset/system_reset/nothing-changes/machine"
EOF = "v1-flag-eof/pairing/loader/commit-without-begin/stream"

PROGRAM = """world board
load
map shadow 0x0 0x4000 w
disable bus
vcpu: read memory 0x1000 0x800
cache c0 memory 0x1000 0x800 r
"""


def padded(name: str, at: int) -> bytes:
    """The shipped crasher with a section more that may go, as record `at`."""
    schemas = section_schemas(parse(find_machine("pc-small").description.read_bytes()))
    stream = read((FOLDER / f"{name}.vmstate").read_bytes(), schemas, tolerant=True)
    seed = read(find_stream("pc-small/after").read_bytes(), schemas)
    more = next(one for one in seed.sections if one.name == "pcspk")
    return write(stream.with_records((*stream.records[:at], more, *stream.records[at:])))


def scheduled() -> bytes:
    """One with a step that does nothing, too."""
    name = "threaded-turn-is-overruled"
    steps = json.loads((FOLDER / f"{name}.json").read_text())["schedule"]
    return join(padded(name, 1), Schedule.parse([*steps, "wait 0: monitor-mtree"]))


def program() -> tuple[str, bytes]:
    data = encode(from_text(PROGRAM))
    found = MemoryTarget([DESIGNS["wrap-main"]]).run(data).found
    return next(one.cause for one in found if "cache_init" in one.cause), data


CACHE, CALLS = program()


def keep(folder: Path, cause: str, data: bytes, target: str = "stream", *, loadvm: bool = False) -> Path:
    """Put a finding into a campaign, which is made if there is none."""
    if not folder.exists():
        Campaign(folder).open(Settings(target, ("pc-small",), ("wrap-main",), 1))
    machine = "pc-small" if target != "memory" else ""
    FindingStore(folder / "findings").keep(Found("kind", cause, "as found"), data, Origin(machine, target, 7, loadvm))
    return folder / "findings" / cause_id(cause)


def shows(place: Path) -> bool:
    """As `replay` says."""
    record = read_record(place)
    assert record is not None
    return Asker().still(Finding(place, record)).shows


def record_of(place: Path) -> Any:
    record = read_record(place)
    assert record is not None
    return record


@pytest.fixture(scope="module")
def shrunk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A campaign with a finding of each sort, shrunk."""
    folder = tmp_path_factory.mktemp("shrunk") / "campaign"
    keep(folder, BAR, bloated("wrap-main-ring-in-own-bar"))
    keep(folder, TURN, scheduled())
    keep(folder, FROZEN, padded("v1-reset-changes-nothing", 0), loadvm=True)
    keep(folder, CACHE, CALLS, "memory")
    return folder, list(make_all_smaller(wanted(folder), None, 1, lambda _done, _executions: None))


def test_each_becomes_as_small_as_it_can_be_and_keeps_its_cause(shrunk: tuple[Path, list[Any]]) -> None:
    folder, done = shrunk
    by_cause = {small.cause: small for small in done}
    assert {small.ended for small in done} == {"minimal"}
    assert all(small.kept for small in done)
    for cause, shipped in ((BAR, "wrap-main-ring-in-own-bar"), (TURN, "threaded-turn-is-overruled")):
        place = folder / "findings" / cause_id(cause)
        assert (place / "witness.vmstate").read_bytes() == (FOLDER / f"{shipped}.vmstate").read_bytes()
    assert record_of(folder / "findings" / cause_id(TURN)).schedule == ["turn 0: vcpu-remap 0000:00:02.0 1 0x20000000"]
    assert by_cause[TURN].before.steps == 2
    assert (by_cause[CACHE].before.parts, by_cause[CACHE].after.parts) == (5, 2)
    readable = (folder / "findings" / cause_id(CACHE) / "witness.txt").read_text()
    assert from_text(readable).calls[-1].verb == "cache"
    for cause, small in by_cause.items():
        place = folder / "findings" / cause_id(cause)
        record = record_of(place)
        assert shows(place)
        assert (record.execution, record.first, record.doubt) == (7, 7, False)
        assert record.loadvm is (cause == FROZEN)
        assert record.text != "as found"
        assert (record.size, len(record.schedule or ())) == (small.after.bytes, small.after.steps)


def test_largest_first(shrunk: tuple[Path, list[Any]]) -> None:
    sizes = [small.before.bytes for small in shrunk[1]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_second_call_knows(shrunk: tuple[Path, list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, done = shrunk
    monkeypatch.setattr(one_finding, "_target", lambda *_: pytest.fail("nothing is to be loaded"))
    again = list(make_all_smaller(wanted(folder), None, 2, lambda _done, _executions: None))
    assert {small.ended for small in again} == {"known"}
    assert {small.cause: small.after for small in again} == {small.cause: small.after for small in done}


def test_what_is_known_is_known_of_one_witness_and_of_the_passes_there_are(
    shrunk: tuple[Path, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = shrunk[0] / "findings" / cause_id(BAR)
    record = record_of(place)
    assert is_minimal(place, record)
    assert not is_minimal(place, replace(record, sha256="0" * 64))
    assert not is_minimal(place, replace(record, schedule=["wait 0: monitor-mtree"]))
    monkeypatch.setattr("fuzz.smaller.known.PASSES", {"another": None})
    assert not is_minimal(place, record)


def test_the_budget_leaves_the_best_so_far(tmp_path: Path) -> None:
    place = keep(tmp_path / "campaign", BAR, bloated("wrap-main-ring-in-own-bar"))
    before = record_of(place).size
    small = make_smaller(place, 12)
    assert (small.ended, small.executions, small.kept) == ("budget", 12, True)
    assert record_of(place).size == small.after.bytes < before
    assert shows(place)
    assert not (place / FILE).exists()


@pytest.mark.parametrize(("cause", "target"), [(BAR, "stream"), (CACHE, "memory")])
def test_interrupted_with_the_best_so_far(cause: str, target: str, tmp_path: Path) -> None:
    place = keep(tmp_path / "campaign", cause, bloated("wrap-main-ring-in-own-bar") if cause == BAR else CALLS, target)
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == 8:
            raise KeyboardInterrupt

    small = make_smaller(place, None, tick)
    assert (small.ended, small.executions, small.kept) == ("interrupted", 8, True)
    assert shows(place)
    assert make_smaller(place).ended == "minimal"


def test_whoever_finds_a_smaller_one_meanwhile_keeps_it(tmp_path: Path) -> None:
    """A worker's find comes in while the search runs: the smaller of the two stays, whole, whoever was first."""
    shipped = (FOLDER / "wrap-main-ring-in-own-bar.vmstate").read_bytes()
    for found, kept in ((shipped[:-1], False), (bloated("wrap-main-ring-in-own-bar")[:-1], True)):
        folder = tmp_path / str(kept)
        place = keep(folder, BAR, bloated("wrap-main-ring-in-own-bar"))
        store = FindingStore(folder / "findings")
        came: list[str] = []

        def tick(found: bytes = found, store: FindingStore = store, came: list[str] = came) -> None:
            if not came:
                came.append(store.keep(Found("kind", BAR, "meanwhile"), found, Origin("pc-small", "stream", 9)))

        small = make_smaller(place, None, tick)
        assert came == ["smaller"]
        assert small.kept is kept
        record = record_of(place)
        assert (place / "witness.vmstate").read_bytes() == (shipped if kept else found)
        assert record.execution == 9  # of whose witness is there, or was before it was made smaller
        assert (place / FILE).exists() is kept


def test_a_worker_does_not_bring_the_larger_one_back(tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    data = bloated("wrap-main-ring-in-own-bar")
    place = keep(folder, BAR, data)
    worker = FindingStore(folder / "findings")
    origin = Origin("pc-small", "stream", 3)
    assert worker.keep(Found("kind", BAR, "again"), data, origin) == ""
    assert make_smaller(place).kept
    assert worker.keep(Found("kind", BAR, "again"), data[:-1], origin) == ""
    assert (place / "witness.vmstate").stat().st_size < len(data)


def test_what_shows_no_more_is_told_and_left(tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    gone = keep(folder, EOF, bloated("wrap-main-ring-in-own-bar"))
    other = keep(folder, BAR.replace("wrap-main", "nobodys"), bloated("wrap-main-ring-in-own-bar"))
    before = {path: path.read_bytes() for path in (*gone.iterdir(), *other.iterdir())}
    done = {small.place: small for small in make_all_smaller(wanted(folder), None, 1, lambda _done, _executions: None)}
    assert (done[gone].ended, done[gone].why) == ("gone", "the witness does not show the cause")
    assert done[other].ended == "unusable"
    assert "no such design" in done[other].why
    assert {path: path.read_bytes() for path in (*gone.iterdir(), *other.iterdir())} == before


def test_what_ends_its_process_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = keep(tmp_path / "campaign", "any/death/stream.read/SIGSEGV/-", b"QEVM")
    monkeypatch.setattr(one_finding, "_target", lambda *_: pytest.fail("it is not to be run"))
    small = make_smaller(place)
    assert (small.ended, small.why, small.before) == ("left", "what ends its process is not run again", small.after)


def test_a_design_of_ones_own(tmp_path: Path) -> None:
    """Its campaign knows its file."""
    (tmp_path / "mine.py").write_text(
        "from model.designs.wrap_main import WrapMain\n\n\nclass Mine(WrapMain):\n    name = 'mine'\n"
    )
    folder = tmp_path / "campaign"
    Campaign(folder).open(Settings("stream", ("pc-small",), (f"{tmp_path / 'mine.py'}:Mine",), 1))
    place = keep(folder, BAR.replace("wrap-main", "mine"), bloated("wrap-main-ring-in-own-bar"))
    assert make_smaller(place).ended == "minimal"
    assert (place / "witness.vmstate").read_bytes() == (FOLDER / "wrap-main-ring-in-own-bar.vmstate").read_bytes()


def test_a_disk_that_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "campaign"
    place = keep(folder, BAR, bloated("wrap-main-ring-in-own-bar"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(place))

    monkeypatch.setattr("fuzz.campaign.findings.write_atomic", full)
    (small,) = make_all_smaller([place], None, 1, lambda _done, _executions: None)
    assert (small.ended, small.why) == ("unusable", f"{place}: No space left on device")
    assert record_of(place).size == (place / "witness.vmstate").stat().st_size


def test_a_witness_in_doubt_is_settled(tmp_path: Path) -> None:
    place = keep(tmp_path / "campaign", BAR, (FOLDER / "wrap-main-ring-in-own-bar.vmstate").read_bytes())
    record = json.loads((place / "finding.json").read_text())
    (place / "finding.json").write_text(json.dumps({**record, "doubt": True}))
    small = make_smaller(place)
    assert (small.ended, small.kept, small.before) == ("minimal", True, small.after)
    assert not record_of(place).doubt


# The command


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "campaign"
    keep(folder, CACHE, CALLS, "memory")
    place = keep(folder, BAR, bloated("wrap-main-ring-in-own-bar"))
    assert vmfuzz(monkeypatch, "shrink", str(place), "--executions", "3") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["bytes", "sections", "steps", "executions", "ended", "cause"]
    assert said[1].endswith(f"3  executions spent  {BAR}")
    assert said[2].startswith("1 of 1 findings improved, ")
    assert vmfuzz(monkeypatch, "shrink", str(folder), "--json") == 0
    got = json.loads(capsys.readouterr().out)
    assert (got["of"], got["interrupted"]) == (2, False)
    assert [one["cause"] for one in got["findings"]] == [BAR, CACHE]
    assert got["findings"][0]["after"] == {"bytes": 1021, "sections": 1, "steps": 0}
    assert set(got["findings"][1]["after"]) == {"bytes", "calls", "steps"}
    assert got["executions"] == sum(one["executions"] for one in got["findings"])
    assert all(one["passes"] for one in got["findings"])
    assert vmfuzz(monkeypatch, "shrink", str(folder)) == 0
    assert "minimal, as known" in capsys.readouterr().out


def test_a_finding_that_is_gone_is_an_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = keep(tmp_path / "campaign", EOF, b"QEVM")
    assert vmfuzz(monkeypatch, "shrink", str(tmp_path / "campaign")) == 1
    assert f"{place}: the witness does not show the cause" in capsys.readouterr().out


UNUSABLE = {
    "not a campaign": ["DIR"],
    "options of one stream": ["DIR", "--cause", BAR],
    "jobs of one stream": [str(FOLDER / "wrap-main-ring-in-own-bar.vmstate"), "--jobs", "2"],
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_used_is_one_line(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.replace("DIR", str(tmp_path)) for word in UNUSABLE[case]]
    assert vmfuzz(monkeypatch, "shrink", *words) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)


# Processes


def campaign(folder: Path) -> list[Path]:
    """Two findings that take a while."""
    return [
        keep(folder, BAR, bloated("wrap-main-ring-in-own-bar")),
        keep(folder, FROZEN, padded("v1-reset-changes-nothing", 0), loadvm=True),
    ]


def command(folder: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", "from fuzz.cli import main; main()", "shrink", str(folder), "--jobs", "2", "--json"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)


def members(group: int) -> list[int]:
    """The processes of a group that are no zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdecimal() else []
        except OSError:
            continue
        if fields and int(fields[2]) == group and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def test_several_processes_do_what_one_does(tmp_path: Path, shrunk: tuple[Path, list[Any]]) -> None:
    places = campaign(tmp_path / "campaign")
    told: list[tuple[int, int]] = []
    done = list(make_all_smaller(places, None, 2, lambda *numbers: told.append(numbers)))
    alone = {small.cause: small for small in shrunk[1]}
    for small in done:
        assert replace(small, place=alone[small.cause].place) == alone[small.cause]
        assert shows(small.place)
    assert told[-1][1] == sum(small.executions for small in done)


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_whatever_ends_it_leaves_whole_findings_and_no_process(name: str, tmp_path: Path) -> None:
    places = campaign(tmp_path / "campaign")
    running = command(tmp_path / "campaign")
    while len(members(running.pid)) < 3 and running.poll() is None:
        time.sleep(0.02)
    os.kill(running.pid, signal.Signals[name])
    out, _ = running.communicate()
    while members(running.pid):
        time.sleep(0.02)
    if name == "SIGINT":
        assert running.returncode == 0
        assert json.loads(out)["of"] == 2
    for place in places:
        assert record_of(place).size == (place / "witness.vmstate").stat().st_size
        assert shows(place)
