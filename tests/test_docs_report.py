"""What docs/report.md shows is what the command prints, and its options and parts are those that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fuzz import cli

PAGE = (Path(__file__).parent.parent / "docs" / "report.md").read_text()


def printed(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.chdir(Path(__file__).parent.parent)
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit):
        cli.main()
    return capsys.readouterr().out


def test_output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"^```console\n\$ (.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    command, _, shown = block.partition("\n")
    letter = printed(shlex.split(command), monkeypatch, capsys)
    pattern = ".*".join(re.escape(part) for part in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE))
    assert re.fullmatch(pattern, letter, re.DOTALL), letter
    parts = re.findall(r"^## (.+)$", letter, re.MULTILINE)
    told = [part for part in re.findall(r"^\| ([A-Z][^|]*) \|", PAGE, re.MULTILINE) if part != "In a real QEMU"]
    assert len(told) == len(parts)
    assert all(part.startswith(name) for part, name in zip(parts, told, strict=True))


def test_commands_have_options_that_exist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    known = printed(["vmfuzz", "report", "--help"], monkeypatch, capsys)
    for command in re.findall(r"^    vmfuzz report (.*?)(?: +#.*)?$", PAGE, re.MULTILINE):
        for word in shlex.split(command):
            assert not word.startswith("-") or word == "-" or re.search(rf"{word}\b", known), word
