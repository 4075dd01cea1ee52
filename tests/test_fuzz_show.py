"""`vmfuzz show`: what is printed, to whom, and with which exit status."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rendered import NESTED, STREAM

from fuzz import cli
from fuzz.commands.show import show
from fuzz.corpus import find_stream
from fuzz.show.options import OptionError, ShowOptions
from fuzz.show.terminal import Output
from vmformat import Eof, Kind, Section, Stream, write
from vmformat.text import bytes_from_text

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = "import sys; from fuzz.cli import main; sys.argv[0] = 'vmfuzz'; main()"
ANSI = re.compile(r"\x1b\[[0-9;]*m")

VIEWS: dict[str, tuple[str, ...]] = {
    "tree": (),
    "flat": ("--flat",),
    "all": ("--all",),
    "records": ("--depth", "0"),
    "hex": ("--hex",),
    "all of hex": ("--hex", "--all"),
    "sizes": ("--sizes",),
    "sizes of parts": ("--sizes", "--depth", "2"),
    "ram": ("--ram",),
    "coverage": ("--coverage",),
    "faults": ("--faults",),
    "text": ("--text",),
    "json": ("--json",),
    "json of all": ("--json", "--all"),
    "json of sizes": ("--json", "--sizes"),
    "json of ram": ("--json", "--ram"),
    "json of coverage": ("--json", "--coverage"),
    "json of faults": ("--json", "--faults"),
}


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["vmfuzz", "show", *words])
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A shipped stream without its end, and with nothing to tell what is in its sections."""
    path = tmp_path / "damaged.vmstate"
    path.write_bytes(find_stream("pc-small/after").read_bytes()[:9000])
    return path


@pytest.mark.parametrize("words", VIEWS.values(), ids=VIEWS.keys())
def test_a_whole_stream_is_status_0(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "pc-small/after", *words) == 0
    said = capsys.readouterr()
    assert not said.err
    assert said.out
    assert all(line.isprintable() for line in said.out.splitlines())
    if "--json" in words:
        assert json.loads(said.out)["faults"] == []


@pytest.mark.parametrize("words", VIEWS.values(), ids=VIEWS.keys())
def test_a_damaged_one_is_shown_and_status_2(
    words: tuple[str, ...], damaged: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(damaged), "--machine", "pc-small", *words) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith(f"vmfuzz show: {damaged}: offset 0x")
    assert all(line.isprintable() for line in said.out.splitlines())
    if "--json" in words:
        assert json.loads(said.out)["faults"]
    elif "--text" not in words:
        assert "expected" in said.out


def test_strict_shows_nothing_of_it(
    damaged: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(damaged), "--strict") == 2
    said = capsys.readouterr()
    assert not said.out
    assert len(said.err.splitlines()) == 1


UNUSABLE: dict[str, tuple[str, ...]] = {
    "two views": ("pc-small/after", "--hex", "--sizes"),
    "hex for programs": ("pc-small/after", "--hex", "--json"),
    "text for programs": ("pc-small/after", "--text", "--json"),
    "part of a table": ("pc-small/after", "--sizes", "--path", "cpu"),
    "nothing of that name": ("pc-small/after", "--path", "nothing/here"),
    "no pattern": ("pc-small/after", "--path", "cpu/"),
    "a range too large": ("pc-small/after", "--path", "cpu/x[0..99999999]"),
    "no such machine": ("pc-small/after", "--machine", "nothing"),
    "no such depth": ("pc-small/after", "--depth", "-1"),
    "a folder": ("/",),
    "no such file": ("/nothing",),
    "not a stream": (__file__,),
}


@pytest.mark.parametrize("words", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_be_used_is_one_line(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *words) == 2
    said = capsys.readouterr()
    assert not said.out
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("vmfuzz show")


OTHERS = {"empty": b"", "short": b"QEVM", "ELF": b"\x7fELF" + bytes(100), "text": b"\n" * 50}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS.keys())
def test_other_files_are_one_line(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert run(monkeypatch, str(path)) == 2
    said = capsys.readouterr()
    assert not said.out
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("description", [b"", b"{}", b"[1", b"\xff"], ids=["empty", "nothing in it", "cut", "no text"])
def test_a_machine_that_is_none_is_one_line(
    description: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "machine.json"
    path.write_bytes(description)
    assert run(monkeypatch, "pc-small/after", "--machine", str(path)) == 2
    said = capsys.readouterr()
    assert not said.out
    assert len(said.err.splitlines()) == 1


def test_a_snapshot_of_what_is_no_image(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "pc-small/after", "--snapshot", "one") == 2
    assert "qcow2" in capsys.readouterr().err


def test_a_pipe_is_read_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = Thread(target=lambda: path.write_bytes(find_stream("pc-small/after").read_bytes()))
    writer.start()
    assert run(monkeypatch, str(path), "--depth", "0") == 0
    writer.join()
    assert "globalstate" in capsys.readouterr().out


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(write(STREAM))))
    assert run(monkeypatch, "-") == 2  # bytes behind its end
    assert "odd\\n" in capsys.readouterr().out


def test_paths(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "pc-small/after", "-p", "cpu/env.eflags", "-p", "*/virtio-*/queue[0]") == 0
    shown = capsys.readouterr().out.splitlines()
    assert sum("FULL" in line for line in shown) == 3
    assert any(re.search(r"env\.eflags = 0x[0-9a-f]+ \([A-Z]F, ", line) for line in shown)
    assert any("last_avail_idx = " in line for line in shown)


def test_paths_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "pc-small/after", "--json", "-p", "*/virtio-blk/config[*].command") == 0
    (match,) = json.loads(capsys.readouterr().out)["matches"]
    assert match["node"]["means"] == "I/O, memory, bus master, SERR"
    assert match["path"].endswith(".command")


def test_hex_of_paths(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "pc-small/after", "--hex", "-p", "globalstate/runstate") == 0
    assert "70 61 75 73 65 64" in capsys.readouterr().out


def test_the_text_form_gives_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "pc-small/after", "--text") == 0
    assert bytes_from_text(capsys.readouterr().out) == find_stream("pc-small/after").read_bytes()


def test_unknown_sections_are_told_with_what_would_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "unknown"
    section = Section(Kind.FULL, 7, "no-such-device", 0, 1, b"\1\2\3", footer=7)
    path.write_bytes(write(Stream(records=(section, Eof()))))
    assert run(monkeypatch, str(path)) == 0
    shown = capsys.readouterr().out
    assert "no schema" in shown
    assert "try --machine NAME" in shown


def test_control_characters_never_reach_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "hostile"
    section = Section(Kind.FULL, 7, "\x1b]0;owned\7\r\n\x9b2J" + "x" * 200, 0, 1, b"\x1b[2J", footer=8)
    path.write_bytes(write(Stream(records=(section, Eof()))))
    for words in VIEWS.values():
        run(monkeypatch, str(path), *words)
        said = capsys.readouterr()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", said.out + said.err), words


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=300)
    | st.tuples(st.integers(0, len(NESTED)), st.integers(0, 255), st.integers(0, len(NESTED))).map(
        lambda change: (NESTED[: change[0]] + bytes([change[1]]) + NESTED[change[0] + 1 :])[: change[2]]
    ),
    st.sampled_from([options for options in VIEWS.values() if "--text" not in options]),
)
def test_any_bytes_are_status_0_or_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, words: tuple[str, ...]
) -> None:
    path = tmp_path / "any"
    path.write_bytes(data)
    on = {word[2:]: True for word in words if word.startswith("--") and word != "--depth"}
    status = show(ShowOptions(str(path), **on))  # type: ignore[arg-type]
    said = capsys.readouterr()
    assert status in {0, 2}
    assert len(said.err.splitlines()) == (1 if status else 0)
    assert all(line.isprintable() for line in (said.out + said.err).splitlines())
    if on.get("json") and said.out:
        json.loads(said.out)


def test_colours_change_nothing_but_colours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for view in ("tree", "hex", "sizes", "ram", "coverage"):
        assert run(monkeypatch, "pc-small/after", *VIEWS[view]) == 0
        plain = capsys.readouterr().out
        assert run(monkeypatch, "pc-small/after", "--color", *VIEWS[view]) == 0
        coloured = capsys.readouterr().out
        assert "\x1b[" in coloured
        assert [line.rstrip() for line in ANSI.sub("", coloured).splitlines()] == plain.splitlines()


@pytest.mark.parametrize("option", [{"colour": False}, {"colour": None}])
def test_no_colours_where_none_are_wanted(option: dict[str, bool | None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    looks = Output(**option, pager=False).looks
    assert looks is None or set(looks.values()) == {("", "")}


def on_a_terminal(*words: str, **environment: str) -> tuple[int, str]:
    """Exit status and what a terminal gets."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **environment}
    env.pop("NO_COLOR", None)
    command = [sys.executable, "-c", SCRIPT, *words]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=env) as process:
        os.close(theirs)
        pieces = []
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:
                break
            if not piece:
                break
            pieces.append(piece)
        status = process.wait()
    os.close(ours)
    return status, b"".join(pieces).decode()


def test_a_terminal_gets_a_pager(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho paged by $0\ncat\n")
    pager.chmod(0o755)
    status, shown = on_a_terminal("show", "pc-small/after", PAGER=str(pager))
    assert status == 0
    assert shown.startswith("paged by")
    assert "\x1b[" in shown
    status, shown = on_a_terminal("show", "pc-small/after", "--no-pager", "--no-color", PAGER=str(pager))
    assert status == 0
    assert "paged by" not in shown
    assert "\x1b[" not in shown


def test_a_pager_that_is_left_ends_the_printing(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\nhead -n 1\n")
    pager.chmod(0o755)
    status, shown = on_a_terminal("show", "seed-24/after", "--all", PAGER=str(pager))
    assert status == 0
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize("pager", ["", "cat", "/nothing/here", "'"])
def test_without_a_pager_it_is_printed(pager: str) -> None:
    status, shown = on_a_terminal("show", "pc-small/after", "--depth", "0", PAGER=pager)
    assert status == 0
    assert "globalstate" in shown


@pytest.mark.parametrize("words", [(), ("--json",), ("--text",)])
def test_a_reader_that_goes_away_is_no_error(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", SCRIPT, "show", "seed-24/after", "--all" if not words else words[0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait() == 0
    assert errors == b""


def test_options_that_contradict_each_other() -> None:
    with pytest.raises(OptionError, match="--hex and --ram"):
        ShowOptions("x", hex=True, ram=True).check()
    assert ShowOptions("x").view == "tree"
    assert ShowOptions("x", all=True).detail.limit is None
    assert ShowOptions("x", limit=0).detail.limit is None
