"""`vmfuzz replay`: crashers held to what is expected of them, findings to their cause, and new outcomes accepted."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st
from rich.console import Console

from fuzz import cli
from fuzz.campaign.findings import FindingStore, Origin
from fuzz.commands import replay as command
from fuzz.commands.replay import ReplayOptions, replay
from fuzz.crashers import CrasherError, read_crasher, write_crasher
from fuzz.engine.target import Found
from fuzz.expectations import Trial
from fuzz.replay import Replayer, accept, given
from fuzz.replay.show import FEW, MOST
from fuzz.triage.replay import Answer
from model.designs import DESIGNS
from model.schedule import Schedule, join

if TYPE_CHECKING:
    from fuzz.crashers import Expectation

NO_FULL = tiny.HEADER + tiny.EOF
STREAM = tiny.HEADER + tiny.ram({0x8000: tiny.ring(3)}) + tiny.timer() + tiny.blk(command=6, bar=0x200000) + tiny.EOF
TINY = json.dumps(tiny.description())
JSON = st.builds(
    lambda expect, schedule: json.dumps({"machine": "tiny.json", "schedule": schedule, "expect": expect}).encode(),
    st.dictionaries(st.sampled_from([*DESIGNS]), st.just({"verdict": "accepted"}), min_size=1, max_size=3),
    st.none() | st.just(["ram 0: rcu-reclaim"]) | st.text(max_size=3) | st.lists(st.text(max_size=9), max_size=2),
)
CAUSE = "v1-flag-eof/pairing/loader/commit-without-begin/stream"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of crashers, with the tiny machine beside it; the working directory is another one."""
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines" / "tiny.json").write_text(json.dumps(tiny.description()))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "crashers"


@pytest.fixture
def replayer() -> Replayer:
    return Replayer()


def crasher(place: Path, name: str, expect: dict[str, Expectation], **notes: object) -> Path:
    """One whose machine is named as seen from its own folder."""
    return write_crasher(place, name, NO_FULL, "../tiny", expect, notes).path


def run(*paths: Path, **options: Any) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=80, record=True)
    return replay(ReplayOptions(paths, **options), console), console.export_text()


def found(place: Path) -> dict[str, Expectation]:
    return Replayer().outcomes(NO_FULL, str(place.parent / "tiny"), ["per-device", "v1-flag-eof"])


def test_rows_are_as_expected_or_say_by_what_they_differ(place: Path) -> None:
    seen = found(place)
    assert seen["v1-flag-eof"]["verdict"] == "aborted"
    crasher(place, "no-full", seen)
    status, said = run(place)
    assert status == 0
    assert said.splitlines() == [
        "crasher  machine  design       result",
        "no-full  ../tiny  per-device   as expected",
        "no-full  ../tiny  v1-flag-eof  as expected",
        "2 outcomes of 1 crasher: all as expected",
    ]
    seen["v1-flag-eof"] |= {"verdict": "accepted", "causes": ["a/b/c/d/e"], "harmful_reads": {"vring": 1}}
    path = crasher(place, "no-full", seen)
    status, said = run(place)
    assert status == 1
    assert said.splitlines()[1:] == [
        "no-full  ../tiny  per-device   as expected",
        "no-full  ../tiny  v1-flag-eof  verdict, harmful_reads, causes",
        "",
        "no-full under v1-flag-eof",
        "           expected  found",
        "  verdict  accepted  aborted",
        "  harmful_reads",
        "    vring  1         (absent)",
        "  causes",
        "    - a/b/c/d/e",
        f"    + {CAUSE}",
        f"  vmfuzz load {path} --design v1-flag-eof",
        "",
        "2 outcomes of 1 crasher: 1 differs",
    ]


def test_designs_that_differ_alike_share_what_is_told(place: Path) -> None:
    every = {name: {"verdict": "hung"} for name in DESIGNS}
    for name in "abc":
        crasher(place, name, every)
    status, said = run(place)
    assert status == 1
    assert said.count("verdict  hung") == 6  # for each crasher those that accept it, and the one that dies of it
    assert said.count("(accepted)") == 0
    assert "66 outcomes of 3 crashers: 66 differ" in said


def test_what_is_as_expected_is_left_out_where_there_is_much(place: Path) -> None:
    for number in range(FEW + 1):
        crasher(place, f"c{number:02}", {"per-device": {"verdict": "accepted"}})
    crasher(place, "odd", {"per-device": {"verdict": "refused"}})
    status, said = run(place)
    assert (status, "c00" in said, "odd  " in said) == (1, False, True)
    _, said = run(place, every=True)
    assert "c00" in said
    for number in range(FEW + 1):
        crasher(place, f"c{number:02}", {"per-device": {"verdict": "hung"}})
    _, said = run(place)
    assert f"... and {FEW + 2 - MOST} more differences: --all shows them" in said


def test_the_command_shown_is_one_that_shows_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its schedule, as a snapshot, on the machine that lies beside it."""
    cause = "wrap-main/resume-device-state/a/b/c"
    steps = Schedule.parse("ram 0: rcu-reclaim; ram 1: rcu-reclaim")
    write_crasher(place, "it's", NO_FULL, "../tiny", {"v1-flag-eof": {"causes": [cause]}}, schedule=steps, loadvm=True)
    _, said = run(place)
    line = next(line for line in said.splitlines() if line.startswith("  vmfuzz load"))
    words = shlex.split(line)
    assert words[3:] == ["--design", "v1-flag-eof", "--schedule", "; ".join(map(str, steps)), "--loadvm", "--resume"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    assert CAUSE.split("/", 1)[1] in capsys.readouterr().out


def test_a_crasher_and_its_machine_are_used_from_anywhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shrunk names the machine as seen from where it is written."""
    path = crasher(place, "one", found(place), cause=[CAUSE])
    out = place.parent / "small" / "est" / "one"
    monkeypatch.setattr("sys.argv", ["vmfuzz", "shrink", str(path), "-o", str(out), "-d", "v1-flag-eof"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    for folder in (place.parent, out.parent):
        monkeypatch.chdir(folder)
        assert run(out.with_suffix(".json"))[0] == 0
    assert read_crasher(out.with_suffix(".json")).expect == found(place)


def test_a_schedule_at_the_end_of_a_stream_counts(place: Path, replayer: Replayer) -> None:
    """As an interrupted shrink leaves it: the JSON has none yet."""
    path = crasher(place, "one", {"per-device": {"verdict": "accepted"}})
    path.write_bytes(join(NO_FULL, Schedule.parse("ram 0: nobody")))
    with pytest.raises(CrasherError, match="no such actor"):
        replayer.rows(read_crasher(path))


def test_others_go_on_when_one_cannot_be_used(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crasher(place, "a", {"per-device": {"verdict": "accepted"}, "gone": {}, "\x1b[2J": {}})
    crasher(place, "b", {"per-device": {"verdict": "refused"}}).with_suffix(".json").write_text('{"machine": [[')
    crasher(place, "c", {"per-device": {"verdict": "accepted"}}).unlink()
    crasher(place, "d", {})
    crasher(place, "e", {"per-device": {"verdict": "accepted"}})
    write_crasher(place, "f", b"", "nothing", {"per-device": {}})
    crasher(place, "g", {"per-device": {}}).with_suffix(".json").write_text("[" * 100_000)
    (place / "h.json").write_text("{}")  # no crasher
    status, said = run(place)
    assert status == 2
    assert [line.split()[0] for line in said.splitlines()] == ["crasher", "a", "e", "2"]
    errors = capsys.readouterr().err.splitlines()
    for error, words in zip(
        errors,
        [
            ("a.vmstate", "design gone: no such design"),
            ("a.vmstate", r"design '\x1b[2J': no such design"),
            ("b.json", "Expecting value"),
            ("c.vmstate", "no such file"),
            ("d.vmstate", "nothing is expected of it; --accept --design NAME"),
            ("f.vmstate", "machine nothing"),
            ("g.json", "recursion"),
        ],
        strict=True,
    ):
        assert error.startswith("vmfuzz replay: crasher ")
        assert all(word in error for word in words), error


def test_what_the_model_raises_is_a_line_and_the_rest_goes_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under = Trial.under

    def odd(trial: Trial, design: type[Any]) -> Expectation:
        if design.name == "wrap-main":
            raise ZeroDivisionError("no\nmore")
        return under(trial, design)

    monkeypatch.setattr(Trial, "under", odd)
    crasher(place, "one", {"wrap-main": {"verdict": "accepted"}, "per-device": {"verdict": "accepted"}})
    status, said = run(place, accept=True)
    assert status == 1
    assert "one      ../tiny  wrap-main   ZeroDivisionError: no in test_replay.odd" in said
    assert "one      ../tiny  per-device  as expected" in said


@pytest.mark.parametrize("options", [{"designs": ("wrap-main",)}, {"only": ("nothing",)}, {"designs": ("nothing",)}])
def test_options_that_cannot_be_used(place: Path, options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    crasher(place, "one", {"per-device": {}})
    assert run(place, **options) == (2, "")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_folder_without_any_is_no_success(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place.mkdir()
    (place / "machine.json").write_text("{}")
    for path in (place, place / "nothing", place / "nothing.vmstate"):
        assert run(path)[0] == 2
        assert str(path) in capsys.readouterr().err


def test_only_some_designs(place: Path) -> None:
    crasher(place, "one", found(place))
    status, said = run(place, only=("v1-flag-eof", "wrap-main"))
    assert (status, said.splitlines()[-1]) == (0, "1 outcome of 1 crasher: all as expected")
    assert run(place, only=("wrap-main",)) == (0, "no outcomes\n")


def test_folders_are_looked_through(place: Path) -> None:
    crasher(place / "a", "one", {"per-device": {}})
    crasher(place / "b" / "c", "two", {"per-device": {}}).unlink()
    crasher(place / ".hidden", "three", {"per-device": {}})
    assert [path.name for path in given([place]).crashers] == ["one.vmstate", "two.vmstate"]


def test_accepting_writes_what_differs_and_nothing_else(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = found(place)
    expect: dict[str, Expectation] = {
        "v1-flag-eof": {"causes": [], "offset": 18, "foo": 1},
        "gone": {"verdict": "accepted"},
        "per-device": {"rebuilds": 7, "verdict": "accepted"},
    }
    path = crasher(place, "one", expect, remark=["mine"])
    described = path.with_suffix(".json")
    before = described.read_text()
    status, said = run(place, accept=True)
    assert status == 2  # there is no design `gone`
    assert f"accepted: {described}: per-device: rebuilds" in said
    assert "v1-flag-eof: " not in said  # a person wrote a key that no outcome has, and is to look at it
    assert described.read_text() == before.replace('"rebuilds": 7', f'"rebuilds": {seen["per-device"]["rebuilds"]}')
    del expect["gone"], expect["v1-flag-eof"]["foo"]
    path = crasher(place, "one", expect, remark=["mine"])
    assert run(place, accept=True)[0] == 0
    values = json.loads(described.read_text())
    assert [*values] == ["machine", "schedule", "expect", "remark"]
    assert values["remark"] == ["mine"]
    assert values["expect"]["v1-flag-eof"] == {"causes": [CAUSE], "offset": 18}
    assert [*values["expect"]["v1-flag-eof"]] == ["causes", "offset"]
    before = described.read_text()
    assert run(place, accept=True)[0] == 0
    assert described.read_text() == before
    assert capsys.readouterr().err.count("\n") == 1


def test_a_crasher_is_told_of_designs_of_which_it_told_nothing(place: Path) -> None:
    seen = found(place)
    bare = crasher(place, "bare", {}, remark=1)
    more = crasher(place, "more", {"per-device": seen["per-device"], "v1-flag-eof": {}})
    status, said = run(place, accept=True, designs=("per-device", "v1-flag-eof"))
    assert status == 0
    assert said.count("all of it, for the first time") == 3
    for path in (bare, more):
        assert read_crasher(path).expect == seen
    write_crasher(place, "same", NO_FULL, "../tiny", seen, {"remark": 1})
    assert bare.with_suffix(".json").read_text() == (place / "same.json").read_text()
    assert run(place)[0] == 0


def test_what_cannot_be_written_is_a_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = crasher(place, "one", {"per-device": {"rebuilds": 7}})
    one = read_crasher(path)
    for text, said in (("{", "changed meanwhile"), ('{"expect": {"per-device": 1}}', "changed meanwhile")):
        path.with_suffix(".json").write_text(text)
        with pytest.raises(CrasherError, match=said):
            accept(one.path, {"per-device": {"rebuilds": 0}})
        assert path.with_suffix(".json").read_text() == text
    path.with_suffix(".json").unlink()
    with pytest.raises(CrasherError, match="No such file"):
        accept(one.path, {"per-device": {"rebuilds": 0}})


def test_json_has_every_row(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = found(place)
    seen["per-device"]["rebuilds"] = 7
    path = crasher(place, "one", {**seen, "gone": {}})
    assert run(place, as_json=True)[0] == 2
    told = json.loads(capsys.readouterr().out)
    assert [*told] == ["rows", "findings", "unusable"]
    assert [row["design"] for row in told["rows"]] == ["per-device", "v1-flag-eof"]
    row = told["rows"][0]
    assert row == {
        "crasher": "one",
        "file": str(path),
        "machine": "../tiny",
        "design": "per-device",
        "as_expected": False,
        "differences": [{"key": "rebuilds", "expected": 7, "found": 0}],
        "trouble": None,
        "accepted": False,
        "command": f"vmfuzz load {path} --design per-device",
    }
    assert len(told["unusable"]) == 1


DAMAGED = st.binary(max_size=40) | st.builds(
    lambda at, byte: STREAM[:at] + bytes([byte]) + STREAM[at + 1 :],
    st.integers(0, len(STREAM) - 1),
    st.integers(0, 255),
)


@given_(DAMAGED, st.binary(max_size=30) | st.text(max_size=30).map(str.encode) | JSON)
@settings(max_examples=60)
def test_damaged_bytes_are_outcomes_or_one_line(stream: bytes, described: bytes) -> None:
    """Whatever the bytes of both files: each row has an outcome, or the crasher is told of in a line."""
    with TemporaryDirectory() as name:
        place = Path(name)
        (place / "tiny.json").write_text(TINY)
        (place / "one.vmstate").write_bytes(stream)
        (place / "one.json").write_bytes(described)
        rows, why = [], ""
        try:
            rows = Replayer().rows(read_crasher(place / "one.vmstate"))
        except CrasherError as error:
            why = str(error)
        assert bool(why) != bool(rows)
        assert "\n" not in why
        assert all(not row.trouble and row.found for row in rows)


def keep(findings: Path, cause: str, data: bytes, machine: str, target: str) -> Path:
    FindingStore(findings).keep(Found("kind", cause, "text"), data, Origin(machine, target, 1))
    return next(one for one in findings.iterdir() if (one / "finding.json").is_file() and cause in _text(one))


def _text(folder: Path) -> str:
    return (folder / "finding.json").read_text()


def test_findings_show_their_cause_or_it_is_gone(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = place.parent / "campaign"
    findings = campaign / "findings"
    machine = str(place.parent / "tiny")
    shows = keep(findings, CAUSE, NO_FULL, machine, "stream")
    gone = keep(findings, "wrap-main/layout/a/b/c", NO_FULL, machine, "stream")
    assert run(shows)[0] == run(shows / "finding.json")[0] == run(shows / "witness.vmstate")[0] == 0
    (campaign / "campaign.json").write_text("{}")
    for path in (campaign, findings, place.parent):
        status, said = run(path)
        assert status == 1
        lines = said.splitlines()
        assert any(line.startswith(CAUSE) and line.endswith("  shows") for line in lines)
        assert any(line.startswith("wrap-main/layout/a/b/c") and line.endswith("  gone") for line in lines)
        assert f"  vmfuzz load {gone}/witness.vmstate --machine {machine} --design wrap-main" in said
        assert lines[-1] == "2 findings: 1 gone"
    assert run(campaign, as_json=True)[0] == 1
    told = json.loads(capsys.readouterr().out)["findings"]
    assert [(one["cause"], one["shows"], one["causes"]) for one in told] == [
        (CAUSE, True, [CAUSE]),
        ("wrap-main/layout/a/b/c", False, [CAUSE]),  # the same bytes are run once for all causes
    ]


def test_findings_of_every_target_are_run_by_it(place: Path) -> None:
    findings = place.parent / "findings"
    keep(findings, "any/exception/a/b/-", b"\x00" * 8, "", "memory")
    keep(findings, "vmformat/law/a/bytes/stream", NO_FULL, str(place.parent / "tiny"), "roundtrip")
    keep(
        findings,
        "per-device/layout/a/b/c",
        join(NO_FULL, Schedule.parse("ram 0: rcu-reclaim")),
        str(place.parent / "tiny"),
        "stream",
    )
    status, said = run(findings)
    assert status == 1
    assert said.splitlines()[-1] == "3 findings: 3 gone"
    assert "vmfuzz program" in said
    assert "vmfuzz show" in said


def test_a_process_may_end_of_a_finding(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a hang that shows it; of another cause nobody can say then whether it shows."""
    machine = str(place.parent / "tiny")
    keep(place.parent / "findings", "any/hang/a.b/native/-", NO_FULL, machine, "stream")
    keep(place.parent / "findings", "wrap-main/layout/a/b/c", STREAM, machine, "stream")
    monkeypatch.setattr(
        "fuzz.replay.many.replay",
        lambda asked, *_: {cause: Answer(ended="hang") for one in asked for cause in one.causes},
    )
    status, said = run(place.parent / "findings")
    assert status == 2
    assert said.splitlines()[-1] == "1 finding: each shows its cause"
    assert capsys.readouterr().err.endswith(".c.3455a79c: not done in the time that it has\n")


def test_findings_that_cannot_be_run_are_a_line_each(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    findings = place.parent / "findings"
    machine = str(place.parent / "tiny")
    for number, (key, value) in enumerate(
        [
            ("machine", "nothing"),
            ("machine", 3),
            ("target", "x"),
            ("cause", "gone/a/b/c/d"),
            ("cause", "x"),
            ("cause", 1),
            ("schedule", [3]),
        ]
    ):
        one = keep(findings, f"wrap-main/layout/a/{number}/c", NO_FULL, machine, "stream")
        (one / "finding.json").write_text(json.dumps({**json.loads(_text(one)), key: value}))
    torn = keep(findings, "wrap-main/layout/a/torn/c", NO_FULL, machine, "stream")
    (torn / "witness.vmstate").unlink()
    assert run(findings)[0] == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 7
    assert all(line.startswith("vmfuzz replay: finding ") for line in errors)
    assert run(torn)[0] == 2  # what is not whole is passed over in a campaign, and said where it is meant
    assert "not both there and whole" in capsys.readouterr().err


def test_control_c_shows_what_there_is(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        crasher(place, name, {"per-device": {"verdict": "accepted"}})

    def read(path: Path) -> object:
        if path.stem == "b":
            raise KeyboardInterrupt
        return read_crasher(path)

    monkeypatch.setattr(command, "read_crasher", read)
    status, said = run(place)
    assert (status, said.splitlines()[-1]) == (130, "1 outcome of 1 crasher: all as expected")
    assert capsys.readouterr().err == "vmfuzz replay: stopped: 1 outcomes, 0 findings looked at\n"
