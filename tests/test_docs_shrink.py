"""What docs/shrink.md shows is what the command prints, and what it lists is what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fuzz import cli
from fuzz.shrink import PASSES

PAGE = (Path(__file__).parent.parent / "docs" / "shrink.md").read_text()


def test_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (block,) = re.findall(r"^```console\n\$ (.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    command, _, shown = block.partition("\n")
    monkeypatch.setattr("sys.argv", shlex.split(command))
    with pytest.raises(SystemExit):
        cli.main()
    printed = capsys.readouterr().out
    pattern = ".*".join(re.escape(part) for part in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE))
    assert re.fullmatch(pattern, printed, re.DOTALL), printed


def test_passes() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(rows)) == list(PASSES)


def test_commands_have_options_that_exist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["vmfuzz", "shrink", "--help"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        cli.main()
    known = capsys.readouterr().out
    for command in re.findall(r"^    vmfuzz shrink (.*?)(?: +#.*)?$", PAGE, re.MULTILINE):
        for word in shlex.split(command):
            assert not word.startswith("-") or re.search(rf"{word}\b", known), word
