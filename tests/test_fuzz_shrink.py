"""`vmfuzz shrink`: what it takes, writes and says; that nothing is lost when it is stopped; what cannot be used."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bloated import FOLDER, bloated, bloated_crasher
from test_fuzz_cli import vmfuzz

from fuzz.campaign.findings import FindingStore, Origin, cause_id
from fuzz.commands.shrink import ShrinkOptions, run
from fuzz.corpus import find_stream
from fuzz.crashers import read_crasher
from fuzz.engine.target import Found
from fuzz.expectations import expectations
from fuzz.replay import Replayer
from fuzz.schedules import scheduled
from fuzz.show.progress import Line
from fuzz.shrink import Judge
from fuzz.shrink.kept import Kept
from model import DESIGNS, REFERENCE, Machine
from model.schedule import EMPTY_SCHEDULE, Schedule, join

if TYPE_CHECKING:
    from fuzz.shrink import Case
    from model.outcome import Layout

RING = FOLDER / "wrap-main-ring-in-own-bar.vmstate"
POSTCOPY = FOLDER / "postcopy-listener-commits-without-lock.vmstate"
LISTENER = bloated(POSTCOPY.stem)


def test_a_crasher_becomes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = bloated_crasher(RING.stem, tmp_path)
    assert vmfuzz(monkeypatch, "shrink", str(file), "-o", "deep/small") == 0
    said = capsys.readouterr()
    assert not said.err
    assert "deep/small.vmstate and small.json: minimal" in said.out
    assert f"shows {json.loads(RING.with_suffix('.json').read_text())['expect']['wrap-main']['causes'][0]}" in said.out
    before, crasher = read_crasher(file), read_crasher(Path("deep/small.json"))
    assert crasher.path.stat().st_size < before.path.stat().st_size
    assert (crasher.machine, crasher.schedule) == ("pc-small", EMPTY_SCHEDULE)
    assert list(crasher.expect) == list(before.expect)
    assert crasher.expect["wrap-main"]["causes"]
    assert not [row for row in Replayer().rows(crasher) if row.differences]
    assert vmfuzz(monkeypatch, "shrink", "deep/small.json", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["output"] == "deep/small-shrunk.vmstate"
    assert again["before"] == again["after"]
    assert {one["kept"] for one in again["passes"]} <= {0}
    assert Path("deep/small-shrunk.vmstate").read_bytes() == crasher.path.read_bytes()


def test_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.vmstate"
    assert (
        vmfuzz(
            monkeypatch,
            "shrink",
            str(bloated_crasher(POSTCOPY.stem, tmp_path)),
            "-d",
            "v1-flag-eof",
            "-o",
            str(out),
            "--json",
        )
        == 0
    )
    got = json.loads(capsys.readouterr().out)
    assert got["causes"] == ["v1-flag-eof/pairing/loader/commit-without-lock/stream"]
    assert (got["machine"], got["design"], got["ended"]) == ("pc-small", "v1-flag-eof", "minimal")
    assert got["output"] == str(out)
    assert got["after"]["bytes"] == out.stat().st_size < got["before"]["bytes"]
    assert got["after"]["sections"] == 1
    assert got["executions"] == sum(one["tried"] for one in got["passes"])
    assert got["passes"]
    assert set(got["passes"][0]) == {"pass", "tried", "kept", "saved", "sections", "steps"}


def test_any_stream_and_a_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of several causes; the schedule behind the stream belongs to it, and goes where it does not matter."""
    stream = tmp_path / "stream"
    schedule = Schedule.parse("ram 0: monitor-mtree")
    stream.write_bytes(join(bloated("wrap-main-breaks-device"), schedule))
    cause = "wrap-main/device-state/broken/derived/virtio-blk"
    words = ("--machine", "pc-small", "--cause", cause, "--executions", "20", "--json")
    assert vmfuzz(monkeypatch, "shrink", str(stream), *words) == 0
    got = json.loads(capsys.readouterr().out)
    assert (got["ended"], got["executions"], got["causes"]) == ("budget", 20, [cause])
    assert (got["before"]["steps"], got["after"]["steps"], got["schedule"]) == (1, 0, None)
    crasher = read_crasher(tmp_path / "stream-shrunk.vmstate")
    assert list(crasher.expect) == ["per-device", "wrap-main"]
    assert cause in crasher.expect["wrap-main"]["causes"]


def test_a_finding_of_a_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cause = "v1-flag-eof/pairing/loader/commit-without-lock/stream"
    store = FindingStore(tmp_path / "findings")
    store.keep(Found("pairing", cause, "text"), LISTENER, Origin("pc-small", "stream", 1))
    folder = tmp_path / "findings" / cause_id(cause)
    output = str(folder / "witness-shrunk")  # its folder alone is shrunk in place (test_smaller.py)
    for words in ((folder, "-o", output), (folder / "witness.vmstate",), (folder / "finding.json",)):
        assert vmfuzz(monkeypatch, "shrink", *map(str, words), "--json") == 0
        got = json.loads(capsys.readouterr().out)
        assert (got["causes"], got["machine"]) == ([cause], "pc-small")
        assert got["output"] == str(folder / "witness-shrunk.vmstate")
    crasher = read_crasher(folder / "witness-shrunk.vmstate")
    assert list(crasher.expect) == ["per-device", "v1-flag-eof"]
    assert set(json.loads(crasher.path.with_suffix(".json").read_text())) == {"machine", "schedule", "cause", "expect"}


def test_a_shipped_stream_shrinks_into_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert vmfuzz(monkeypatch, "shrink", "pc-small/after", "-d", "wrap-main") == 0
    assert "pc-small-after-shrunk.vmstate and" in capsys.readouterr().out
    assert Path("pc-small-after-shrunk.vmstate").stat().st_size < find_stream("pc-small/after").stat().st_size


def test_a_snapshot_load_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    causes = Judge.causes

    def asked(self: Judge, case: Case) -> tuple[str, ...]:
        seen.append(self.loadvm)
        return causes(self, case)

    monkeypatch.setattr(Judge, "causes", asked)
    name = tmp_path / "one.vmstate"
    name.write_bytes(RING.read_bytes())
    said = {**json.loads(RING.with_suffix(".json").read_text()), "loadvm": True, "confirm": {"any": 1}}
    name.with_suffix(".json").write_text(json.dumps(said))
    assert vmfuzz(monkeypatch, "shrink", str(name), "-d", "wrap-main", "--executions", "3") == 0
    assert set(seen) == {True}
    got = json.loads((tmp_path / "one-shrunk.json").read_text())
    assert (got["loadvm"], got["confirm"]) == (True, {"any": 1})


def test_the_verdict_of_the_reference_may_have_to_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two causes that a refused load shows too: cut off, or with a section that is wrong behind them."""
    file, out = tmp_path / "in.vmstate", tmp_path / "out.vmstate"
    whole = find_stream("pc-small/after").read_bytes()
    file.write_bytes(whole[: whole.index(b"globalstate") + 20])
    cause = "wrap-main/flat-view-while-pending/cpu_physical_memory_read/region:rom-to-ram/kvm-tpr-opt"
    verdicts = {}
    for option in ((), ("--same-verdict",)):
        words = ("-m", "pc-small", "--cause", cause, "-o", str(out), *option)
        assert vmfuzz(monkeypatch, "shrink", str(file), *words) == 0
        verdicts[option] = read_crasher(out).expect["per-device"]["verdict"]
    capsys.readouterr()
    assert verdicts == {(): "accepted", ("--same-verdict",): "refused"}


def stopped(monkeypatch: pytest.MonkeyPatch, after: int, error: type[BaseException]) -> None:
    """Somebody stops it in the midst of its n-th load."""
    layout = Machine.layout
    left = [after]

    def asked(self: Machine) -> Layout:
        left[0] -= 1
        if left[0] == 0:
            raise error
        return layout(self)

    monkeypatch.setattr(Machine, "layout", asked)


def test_an_interrupt_keeps_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = bloated_crasher("wrap-main-breaks-device", tmp_path)
    causes = read_crasher(whole).expect["wrap-main"]["causes"]
    with monkeypatch.context() as patched:
        stopped(patched, 25, KeyboardInterrupt)
        words = ("-m", "pc-small", "-d", "wrap-main", "-o", str(tmp_path / "out"))
        assert vmfuzz(monkeypatch, "shrink", str(whole), *words) == 0
    assert "out.json: interrupted" in capsys.readouterr().out
    crasher = read_crasher(tmp_path / "out.vmstate")
    assert crasher.path.stat().st_size < whole.stat().st_size
    assert set(causes) <= set(crasher.expect["wrap-main"]["causes"])
    assert not [row for row in Replayer().rows(crasher) if row.differences]


class Killed(BaseException):
    """What nobody catches."""


def test_a_crash_leaves_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stops it: the files are a crasher that replays, at every moment after the first."""
    moments: list[int] = []
    improved = Kept.improved

    def watched(self: Kept, case: Case) -> None:
        improved(self, case)
        assert scheduled(self.path, self.path.read_bytes()) == (case.data, case.schedule)
        if moments:  # the JSON comes behind the first
            assert read_crasher(self.path).machine == "pc-small"
        moments.append(len(case.data))

    monkeypatch.setattr(Kept, "improved", watched)
    stopped(monkeypatch, 60, Killed)
    stream = tmp_path / "in.vmstate"
    stream.write_bytes(join(LISTENER, Schedule.parse("ram 5: monitor-mtree; ram 0: rcu-reclaim")))
    options = ShrinkOptions(str(stream), "pc-small", "v1-flag-eof", output=tmp_path / "out")
    with pytest.raises(Killed):
        run(options)
    assert moments == sorted(moments, reverse=True)
    assert len(set(moments)) > 1
    crasher = read_crasher(tmp_path / "out.vmstate")
    assert not crasher.schedule
    assert not [row for row in Replayer().rows(crasher) if row.differences]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.vmstate", "out.json", "out.vmstate"]


def test_over_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = tmp_path / "v1-flag-eof-postcopy.vmstate"
    name.write_bytes(LISTENER)
    name.with_suffix(".json").write_bytes(POSTCOPY.with_suffix(".json").read_bytes())
    assert vmfuzz(monkeypatch, "shrink", str(name), "-o", str(name)) == 0
    crasher = read_crasher(name)
    assert list(crasher.expect) == list(read_crasher(POSTCOPY).expect)
    assert not [row for row in Replayer().rows(crasher) if row.differences]


def test_a_terminal_is_told_how_far_it_is() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out, now = Terminal(), [0.0]
    line = Line(out, lambda: now[0], 2.0)
    for now[0] in (1.0, 2.5, 2.6, 3.0):
        line(lambda: f"at {now[0]}")
    line.done()
    assert out.getvalue() == "\r\x1b[Kat 2.5\r\x1b[Kat 3.0\r\x1b[K"


def test_expectations_are_what_a_replay_finds() -> None:
    crasher = read_crasher(RING)
    judge = Judge(Replayer()._machine(crasher.machine).description, REFERENCE)
    names = ["per-device", "wrap-main"]
    got = expectations(judge.machine, crasher.path.read_bytes(), designs=[DESIGNS[name] for name in names])
    assert got == Replayer().outcomes(crasher.path.read_bytes(), crasher.machine, names)


UNUSABLE: dict[str, tuple[tuple[str, ...], str]] = {
    "no such file": (("nothing.vmstate",), "stream nothing.vmstate: no such file"),
    "no machine": (("bare", "-d", "wrap-main"), "--machine: not given, and bare names none"),
    "no such machine": (("bare", "-d", "wrap-main", "-m", "none"), "machine none: no such file"),
    "no design": (("bare", "-m", "pc-small"), "--design: not given, and bare names none that shows a cause"),
    "several designs": (
        ("several.vmstate",),
        "several.vmstate shows causes under wrap-main, v1-flag-eof",
    ),
    "no such design": (("bare", "-m", "pc-small", "-d", "none"), "--design none: no such design"),
    "every design": (("bare", "-m", "pc-small", "-d", "all"), "--design all: takes exactly one design"),
    "no cause": (("bare", "-m", "pc-small", "-d", "wrap-main"), "bare: shows no cause under wrap-main"),
    "half a cause": (("bare", "-m", "pc-small", "--cause", "wrap-main/x"), "a cause has five parts"),
    "another cause": (
        ("bare", "-m", "pc-small", "--cause", "wrap-main/a/b/c/d"),
        "bare: no such cause under wrap-main: wrap-main/a/b/c/d; which shows none",
    ),
    "a cause of another design": (
        ("bare", "-m", "pc-small", "-d", "wrap-main", "--cause", "assert-depth/a/b/c/d"),
        "--cause assert-depth/a/b/c/d: is of another design than wrap-main",
    ),
    "broken JSON": (("broken.vmstate",), "broken.json: "),
    "a list": (("list.vmstate",), "list.json: expected an object"),
    "a schedule": (("schedule.vmstate",), "schedule.vmstate: schedule.json: schedule: expected `POINT N: ACTOR ...`"),
    "an actor": (("actor.vmstate", "-d", "wrap-main"), "actor.vmstate: schedule: step ram 0: nobody: no such actor"),
    "expect": (("expect.vmstate",), "expect.vmstate: expect must be an object"),
    "a cause that is none": (("cause.vmstate",), "cause.vmstate: cause must be a string or a list of them"),
    "a machine that is none": (("machine.vmstate",), "machine.vmstate: machine must be a string"),
    "another target": (
        ("target.vmstate",),
        "target.vmstate: a finding of the target roundtrip: give its folder alone",
    ),
    "a JSON alone": (("alone.json",), "alone.vmstate: No such file or directory"),
    "no folder to write to": (
        (str(RING), "-d", "wrap-main", "-o", "/proc/nothing/out"),
        "/proc/nothing: No such file or directory",
    ),
    "executions": (("bare", "--executions", "0"), "--executions"),
}
SAID: dict[str, Any] = {
    "list": [],
    "schedule": {"machine": "pc-small", "schedule": ["soon"], "expect": {}},
    "actor": {"machine": "pc-small", "schedule": ["ram 0: nobody"], "expect": {}},
    "expect": {"machine": "pc-small", "expect": 3},
    "cause": {"machine": "pc-small", "expect": {}, "cause": 3},
    "machine": {"machine": 3, "expect": {}},
    "several": {"machine": "pc-small", "expect": {key: {"causes": ["any"]} for key in ("wrap-main", "v1-flag-eof")}},
    "target": {"machine": "pc-small", "cause": "any/a/b/c/d", "target": "roundtrip"},
    "alone": {"machine": "pc-small", "expect": {}},
}


@pytest.mark.parametrize(("words", "line"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_be_used(
    words: tuple[str, ...],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bare").write_bytes(b"QEVM\0\0\0\3\0")
    Path("broken.vmstate").write_bytes(b"")
    Path("broken.json").write_text("{")
    for name, said in SAID.items():
        Path(f"{name}.json").write_text(json.dumps(said))
        if name != "alone":
            Path(f"{name}.vmstate").write_bytes(b"QEVM\0\0\0\3\0")
    before = sorted(path.name for path in tmp_path.iterdir())
    assert vmfuzz(monkeypatch, "shrink", *words) == 2
    said_then = capsys.readouterr()
    assert line in said_then.err
    assert (said_then.err.count("\n"), said_then.out) == (1, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
