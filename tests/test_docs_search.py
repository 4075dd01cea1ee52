"""What docs/search.md tells of options and ways is so."""

from __future__ import annotations

import re
import shlex

import pytest
from test_docs import ROOT

from fuzz import cli
from fuzz.search.ways import ALL, WAYS
from model.seeded import SEEDED

PAGE = (ROOT / "docs" / "search.md").read_text()


def test_options_exist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["vmfuzz", "bench", "--help"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        cli.main()
    known = capsys.readouterr().out
    commands = re.findall(r"^    vmfuzz bench (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
    assert len(commands) == 4
    words = [word for command in commands for word in shlex.split(command)] + re.findall(r"`(--\w+)", PAGE)
    assert len(words) > 15
    for word in words:
        assert not word.startswith("--") or re.search(rf"{word}\b", known), word


def test_ways() -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == WAYS
    assert {*re.findall(r"`--way ([\w-]+)`", PAGE)} == {*ALL} - {*WAYS}


def test_bugs_that_are_named_anywhere_exist() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {name for page in pages for name in re.findall(r"--seeded ([a-z][a-z-]+)(?![\w.])", page.read_text())}
    assert {"alias-offset-kept", "hiding-marks-nothing"} <= named <= {*SEEDED}
