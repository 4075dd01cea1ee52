"""docs/memory-target.md: its programs run, and what it shows is what is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fuzz import cli
from fuzz.programs import from_text
from fuzz.programs.program import VERBS

PAGE = (Path(__file__).parent.parent / "docs" / "memory-target.md").read_text()
PROGRAMS = re.findall(r"^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def vmfuzz(monkeypatch: pytest.MonkeyPatch, line: str) -> int:
    monkeypatch.setattr("sys.argv", shlex.split(line))
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_what_is_shown_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("abcd.txt").write_text(PROGRAMS[0])
    (block,) = re.findall(r"^```console\n\$ (.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    command, _, shown = block.partition("\n")
    assert vmfuzz(monkeypatch, command) == 1
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize("text", PROGRAMS[1:])
def test_smallest_misses_are_missed_and_small(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("miss.txt").write_text(text)
    cause = "stale-list/guard/address_space_read/missed-after-add/program"
    assert vmfuzz(monkeypatch, "vmfuzz program miss.txt --design stale-list") == 1
    assert cause in capsys.readouterr().out
    assert vmfuzz(monkeypatch, f"vmfuzz program miss.txt --shrink {cause}") == 1
    assert len(capsys.readouterr().out.splitlines()) <= len(text.splitlines())


def test_every_verb_is_told() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    told = re.findall(r"`(\w+)`", " ".join(rows))
    assert sorted(told[: len(VERBS)]) == sorted(VERBS)
    assert all(from_text(text).calls for text in PROGRAMS)
