"""`vmfuzz edit` and `vmfuzz diff`: options, exit statuses, files that are written whole or not at all."""

from __future__ import annotations

import io
import json
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from test_vmformat_qcow2 import Image

from fuzz.commands.diff import DiffOptions, run_diff
from fuzz.commands.edit import EditOptions, edit
from fuzz.corpus import find_stream
from vmformat import Command, Section, read
from vmformat.text import to_text

if TYPE_CHECKING:
    from pathlib import Path

SEED = "q35-modern/after"


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    path = tmp_path / "seed.vmstate"
    path.write_bytes(find_stream(SEED).read_bytes())
    return path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.strip()


def test_an_edit_is_written_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.vmstate"
    assert edit(EditOptions((SEED, "virtio-net*/queue[2].desc=0x1000", "timer/@version=3"), str(out))) == 0
    assert capsys.readouterr().out.splitlines() == [
        "#34 0000:00:02.0:00.0/virtio-net",
        "  virtio.queues.queue[2].desc  0 -> 0x1000",
        "#5 timer",
        "  @version                     2 -> 3",
        f"{out}: {len(out.read_bytes())} bytes",
    ]
    assert run_diff(DiffOptions((SEED, str(out)))) == 1
    assert capsys.readouterr().out.splitlines()[2:] == [
        "timer",
        "  @version: 2 -> 3",
        "0000:00:02.0:00.0/virtio-net",
        "  virtio.queues.queue[2].desc: 0 -> 0x1000",
        "2 fields in 2 records",
    ]


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.vmstate"
    assert edit(EditOptions((SEED, "timer/@version=3"), str(out), drop=("mch",), json=True)) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {
        "output": str(out),
        "size": len(out.read_bytes()),
        "changes": [
            {"record": "#5 timer", "path": "@version", "old": "2", "new": "3"},
            {"record": "#11 0000:00:00.0/mch", "path": "", "old": "", "new": "dropped"},
        ],
    }
    assert run_diff(DiffOptions((SEED, str(out)), json=True)) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["what"], one["record"]) for one in found["differences"]] == [
        ("head", "changed", "timer"),
        ("record", "dropped", "0000:00:00.0/mch"),
    ]
    assert found["faults"] == [[], []]


def test_to_standard_output(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert edit(EditOptions((SEED, "timer/@version=3"), "-")) == 0
    captured = capsysbinary.readouterr()
    timer = read(captured.out).section("timer")
    assert timer is not None
    assert timer.version == 3
    assert b"@version" in captured.err


def test_in_place(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed.chmod(0o600)
    before = seed.read_bytes()
    assert edit(EditOptions((str(seed), "timer/@version=3"), str(seed))) == 2
    assert said(capsys) == f"vmfuzz edit: {seed}: is what is read; use --in-place to overwrite it"
    assert seed.read_bytes() == before
    assert edit(EditOptions((str(seed), "timer/@version=3"), in_place=True)) == 0
    assert seed.read_bytes() != before
    assert stat.S_IMODE(seed.stat().st_mode) == 0o600


def test_not_into_an_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(bytes(Image(find_stream(SEED).read_bytes()).file))
    before = image.read_bytes()
    assert edit(EditOptions((str(image), "timer/@version=3"), in_place=True)) == 2
    assert said(capsys) == "vmfuzz edit: --in-place: a snapshot is not written back into its image"
    assert image.read_bytes() == before
    out = tmp_path / "out.vmstate"
    assert edit(EditOptions((str(image), "timer/@version=3"), str(out))) == 0
    assert run_diff(DiffOptions((str(image), str(out)))) == 1
    assert run_diff(DiffOptions((str(image), SEED), snapshots=("name",), machine="q35-modern")) == 0


def test_from_text(seed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, out = tmp_path / "seed.txt", tmp_path / "out.vmstate"
    text.write_text(to_text(read(seed.read_bytes())))
    assert edit(EditOptions((), str(out), from_text=str(text))) == 0
    assert out.read_bytes() == seed.read_bytes()
    text.write_text(text.read_text().replace("HEADER version 3", "HEADER version many"))
    capsys.readouterr()
    out.unlink()
    assert edit(EditOptions((), str(out), from_text=str(text))) == 2
    assert said(capsys).startswith(f"vmfuzz edit: {text}:2: expected a number of type uint32")
    assert not out.exists()


def test_records_of_another_stream_and_of_a_text(seed: Path, tmp_path: Path) -> None:
    out, snippet = tmp_path / "out.vmstate", tmp_path / "ping.txt"
    snippet.write_text("COMMAND PING\n  cookie: uint32 = 5\n")
    options = EditOptions(
        (str(seed),),
        str(out),
        insert=(f"{seed}:0000:00:02.0:00.0/virtio-net:before:timer", "pc-small/after:globalstate"),
        insert_text=(f"{snippet}:after:timer",),
        duplicate=("mch",),
        move=("cpu:before:timer",),
    )
    assert edit(options) == 0
    result = read(out.read_bytes())
    names = [record.name for record in result.records if isinstance(record, Section | Command)]
    at = names.index("timer")
    assert names[at - 2 : at + 2] == ["0000:00:02.0:00.0/virtio-net", "cpu", "timer", "PING"]
    assert names.count("0000:00:00.0/mch") == 2
    assert names[-1] == "globalstate"


UNUSABLE: list[tuple[str, EditOptions, str]] = [
    ("no stream", EditOptions((), "x"), "no stream given"),
    ("no output", EditOptions((SEED, "timer/@id=1")), "no --output given"),
    ("no such stream", EditOptions(("nowhere/after", "a/b=1"), "x"), "stream nowhere/after: no such file"),
    ("no match", EditOptions((SEED, "timer/nothing=1"), "x"), "timer/nothing: expected a pattern that finds a field"),
    ("no such record", EditOptions((SEED,), "x", drop=("nobody",)), "nobody: expected a pattern that finds a record"),
    ("out of range", EditOptions((SEED, "timer/@id=-1"), "x"), "timer/@id: expected a number of type uint32"),
    ("no edit", EditOptions((SEED, "timer"), "x"), "expected PATTERN=VALUE"),
    ("no move", EditOptions((SEED,), "x", move=("timer",)), "expected PATTERN:before:TARGET"),
    ("no stream to insert of", EditOptions((SEED,), "x", insert=("a:b",)), "--insert a:b: expected FILE:PATTERN"),
    ("no text to insert", EditOptions((SEED,), "x", insert_text=("a.txt",)), "a.txt: No such file"),
    ("no text", EditOptions((), "x", from_text="a.txt"), "a.txt: No such file"),
    ("in place and elsewhere", EditOptions((SEED,), "x", in_place=True), "--in-place takes a stream in a file"),
    ("an unknown machine", EditOptions((SEED,), "x", machine="none"), "machine none: no such file"),
    ("a bad pattern", EditOptions((SEED, "a/b[0..999999]=1"), "x"), "q35-modern/after: "),
]


@pytest.mark.parametrize(("name", "options", "line"), UNUSABLE, ids=[name for name, _, _ in UNUSABLE])
def test_what_cannot_be_done_is_one_line(
    name: str,
    options: EditOptions,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert edit(options) == 2
    assert said(capsys).startswith(f"vmfuzz edit: {line}")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "no" / "out"
    assert edit(EditOptions((SEED, "timer/@version=3"), str(out))) == 2
    assert said(capsys) == f"vmfuzz edit: {out}: No such file or directory"


def test_a_damaged_stream_is_edited_as_far_as_it_is_read(
    seed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed.write_bytes(seed.read_bytes()[:-700])
    out = tmp_path / "out.vmstate"
    assert edit(EditOptions((str(seed), "timer/@version=3"), str(out), machine="q35-modern")) == 0
    assert f"{seed} is damaged: offset" in capsys.readouterr().out
    before = seed.read_bytes()
    assert out.read_bytes() == before.replace(b"\5timer\0\0\0\0\0\0\0\2", b"\5timer\0\0\0\0\0\0\0\3")


@pytest.mark.parametrize("data", [b"", b"garbage", b"QEVM\0\0\0\3"], ids=["nothing", "garbage", "a header"])
def test_what_is_no_stream(data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    assert edit(EditOptions((str(path), "timer/@version=3"), str(tmp_path / "out"))) == 2
    assert said(capsys).startswith(f"vmfuzz edit: {path}: offset")
    assert run_diff(DiffOptions((SEED, str(path)))) == 2
    assert said(capsys).startswith(f"vmfuzz diff: {path}: offset")


def test_streams_that_are_the_same(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_diff(DiffOptions((SEED, str(seed)))) == 0
    assert capsys.readouterr() == ("", "")


def test_a_damaged_stream_is_compared_as_far_as_it_is_read(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed.write_bytes(seed.read_bytes()[:-700])
    assert run_diff(DiffOptions((SEED, str(seed)), color=False)) == 2
    captured = capsys.readouterr()
    assert "dropped" in captured.out
    assert captured.err.startswith(f"vmfuzz diff: {seed}: offset")
    assert captured.err.count("\n") == 1
    assert run_diff(DiffOptions((str(seed), str(seed)))) == 0


def test_paths_and_what_is_ignored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.vmstate"
    edits = ("virtio-*/queue[0].desc=0x5000", "timer/cpu_ticks_offset+=1", "cpu/env.regs[2]=9")
    assert edit(EditOptions((SEED, *edits), str(out))) == 0
    capsys.readouterr()
    for options, status, lines in (
        (DiffOptions((SEED, str(out)), paths=("timer",)), 1, 4),
        (DiffOptions((SEED, str(out)), paths=("virtio-*/desc",)), 1, 6),
        (DiffOptions((SEED, str(out)), paths=("virtio-*",), ignore=("virtio-net",)), 1, 4),
        (DiffOptions((SEED, str(out)), ignore=("timer", "cpu/env.regs", "virtio-*/queue[0]")), 0, 0),
        (DiffOptions((SEED, str(out)), paths=("nobody",)), 0, 0),
    ):
        assert run_diff(options) == status
        assert len(capsys.readouterr().out.splitlines()) == (lines + 1 if lines else 0)


def test_colours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.vmstate"
    assert edit(EditOptions((SEED, "timer/@version=3"), str(out))) == 0
    capsys.readouterr()
    assert run_diff(DiffOptions((SEED, str(out)), color=True, pager=False)) == 1
    assert "\x1b[" in capsys.readouterr().out


def test_one_stream_from_standard_input(
    seed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(seed.read_bytes())))
    assert run_diff(DiffOptions(("-", str(seed)))) == 0
    assert run_diff(DiffOptions(("-", "-"))) == 2
    assert said(capsys) == "vmfuzz diff: only one of the streams can come from standard input"
