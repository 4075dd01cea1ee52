"""The command line: exit status, one line for what cannot be used, the forms that scripts rely on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuzz import cli
from fuzz.corpus import find_stream
from fuzz.crashers import write_crasher
from fuzz.streams import MARK
from model import schedule
from model.memory import parse_flat
from model.schedule import Schedule, join, split


def vmfuzz(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["vmfuzz", *words])
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


UNUSABLE = {
    "no such command": ("nosuch",),
    "no stream": ("load",),
    "no such option": ("load", "pc-small/after", "--nope"),
    "no such stream": ("load", "nothing/after"),
    "no such machine": ("load", "pc-small/after", "--machine", "nothing"),
    "no machine at all": ("load", __file__),
    "no such design": ("load", "pc-small/after", "--design", "nothing"),
    "two designs for one tree": ("load", "pc-small/after", "--mtree", "-d", "all"),
    "not a stream": ("show", __file__),
    "no such file": ("show", "/nothing"),
    "a folder": ("show", "/"),
    "seed": ("run", "--seed", "many"),
    "design of run": ("run", "--design", "nothing"),
    "time": ("run", "--time", "soon"),
    "target": ("run", "--target", "nothing"),
    "machine of programs": ("run", "--target", "memory", "--machine", "pc-small", "--campaign", "/nothing"),
    "no program": ("program", "/nothing"),
    "design of a program": ("program", "/nothing", "-d", "nothing"),
    "cause of a program": ("program", "/dev/null", "--shrink", "a/b/c/d/e"),
    "nothing is loaded": ("run", "--target", "roundtrip", "--loadvm"),
    "nothing is saved": ("run", "--target", "memory", "--again"),
    "crasher": ("replay", "/nothing"),
    "capture to nowhere": ("capture", "--", "-machine", "pc"),
    "no campaign": ("status", "/nothing"),
}


@pytest.mark.parametrize("words", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_be_used(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vmfuzz(monkeypatch, *words) == 2
    said = capsys.readouterr()
    assert len(said.err.strip().splitlines()) == 1, said.err
    assert said.err.startswith("vmfuzz")
    assert not said.out


def test_help_and_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert vmfuzz(monkeypatch) == 0
    assert "capture" in capsys.readouterr().out
    assert vmfuzz(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith("vmfuzz ")


@pytest.mark.parametrize(("design", "status"), [("per-device", 0), ("wrap-main", 1)])
def test_load_says_what_happened(
    design: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vmfuzz(monkeypatch, "load", "pc-small/after", "--design", design) == status
    shown = capsys.readouterr().out
    assert "accepted" in shown
    assert ("harmful read" in shown) == bool(status)


def test_a_refused_stream_is_no_fault_of_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    short = tmp_path / "short"
    short.write_bytes(find_stream("pc-small/after").read_bytes()[:9000])
    assert vmfuzz(monkeypatch, "load", str(short), "--machine", "pc-small") == 0
    assert "refused" in capsys.readouterr().out


def test_load_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert vmfuzz(monkeypatch, "load", "pc-small/after", "--json", "-d", "assert-depth", "-d", "wrap-main") == 1
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"stream", "machine", "machine_sha256", "schedule", "misfits", "outcomes"}
    assert (document["misfits"], document["schedule"]) == ([], None)
    assert [outcome["design"] for outcome in document["outcomes"]] == ["assert-depth", "wrap-main"]
    wrapped = document["outcomes"][1]
    assert wrapped["reads_while_pending"]["virtio_init_region_cache"] == 3
    assert all(set(finding) >= {"kind", "cause", "text", "severity"} for finding in wrapped["findings"])


STEP = "wait 14: monitor-mtree"


def test_load_takes_a_schedule_from_wherever_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    after = find_stream("pc-small/after").read_bytes()
    (tmp_path / "steps").write_text(f"# who looks\n{STEP}\n")
    trailer = tmp_path / "trailer.vmstate"
    trailer.write_bytes(join(after, Schedule.parse(STEP)))
    crasher = write_crasher(tmp_path, "kept", after, "pc-small", {}, schedule=Schedule.parse(STEP)).path
    ways = {
        "typed": ("pc-small/after", "--schedule", STEP),
        "in a file": ("pc-small/after", "--schedule", str(tmp_path / "steps")),
        "at the end": (str(trailer), "-m", "pc-small"),
        "beside it": (str(crasher), "-m", "pc-small"),
    }
    for way, arguments in ways.items():
        assert vmfuzz(monkeypatch, "load", *arguments, "-d", "wrap-main", "--json") == 1, way
        document = json.loads(capsys.readouterr().out)
        (outcome,) = document["outcomes"]
        assert (document["schedule"], outcome["acted"]) == ([STEP], [f"{STEP}: harmful"]), way
    assert vmfuzz(monkeypatch, "load", "pc-small/after", "--schedule", STEP) == 0
    assert f"while {STEP}" in capsys.readouterr().out
    # What is typed counts, even if it is nothing.
    assert vmfuzz(monkeypatch, "load", str(trailer), "-m", "pc-small", "--schedule", "", "--json") == 0
    assert json.loads(capsys.readouterr().out)["schedule"] is None


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("lunch 1: monitor-mtree", "expected `POINT N: ACTOR ...`"),
        ("wait 1: nobody", "step wait 1: nobody: no such actor; there are"),
        ("wait 1: vcpu-access 0x10", "expected `vcpu-access <address> <length>`, found 1"),
        ("wait 1: vcpu-command 0000:00:1f.7 1", "no such PCI function; there are 0000:00:00.0"),
        ("/", "expected `POINT N"),
    ],
)
def test_a_schedule_that_cannot_be_used_is_one_line(
    typed: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vmfuzz(monkeypatch, "load", "pc-small/after", "--schedule", typed) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_commands_that_read_a_stream_take_a_schedule_at_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    after = find_stream("pc-small/after").read_bytes()
    one, out = str(tmp_path / "one.vmstate"), tmp_path / "out.vmstate"
    Path(one).write_bytes(join(after, Schedule.parse(STEP)))
    assert schedule.MARK == MARK
    assert vmfuzz(monkeypatch, "show", one, "-m", "pc-small", "--depth", "0") == 0
    assert f"SCHEDULE 1 step\n  {STEP}" in capsys.readouterr().out
    assert vmfuzz(monkeypatch, "diff", one, "pc-small/after", "-m", "pc-small") == 1  # that much does differ
    assert "trailing" in capsys.readouterr().out
    assert vmfuzz(monkeypatch, "edit", one, "timer/cpu_ticks_offset=1", "-m", "pc-small", "-o", str(out)) == 0
    assert split(out.read_bytes())[1] == Schedule.parse(STEP)
    assert vmfuzz(monkeypatch, "strip", one, "-o", str(out)) == 0
    assert split(out.read_bytes())[1] == Schedule.parse(STEP)


def test_mtree_reads_like_the_monitor_s(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert vmfuzz(monkeypatch, "load", "pc-small/after", "--mtree") == 0
    views = parse_flat(capsys.readouterr().out)
    assert any(space.name == "memory" for view in views for space in view.spaces)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_show(form: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert vmfuzz(monkeypatch, "show", "pc-small/after", *form) == 0
    shown = capsys.readouterr().out
    assert "last_avail_idx" in shown
    if form:
        assert json.loads(shown)["configuration"]["machine"] == "pc-i440fx-7.2"


def test_no_word_between_colons_becomes_a_picture(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A design of one's own is FILE:CLASS, and a colon follows it in a line that says what is wrong."""
    for command in (("load", "pc-small/after"), ("shrink", "pc-small/after"), ("triage", "nowhere"), ("run",)):
        assert vmfuzz(monkeypatch, *command, "--design", "nowhere.py:X") == 2
        assert "nowhere.py:X: nowhere.py: No such file" in capsys.readouterr().err
    sources = Path(cli.__file__).parent.parent.rglob("*.py")
    made = [line for source in sources for line in source.read_text().splitlines() if " Console(" in f" {line}"]
    assert made
    assert [line for line in made if "emoji=False" not in line] == []
