"""What docs/situations.md tells of facts, groups and options is so."""

from __future__ import annotations

import re
import shlex

import pytest
from test_docs import ROOT

from fuzz import cli
from fuzz.feedback import Feedback
from fuzz.targets.situations import GROUPS

PAGE = (ROOT / "docs" / "situations.md").read_text()


def test_its_facts_are_those_that_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\w, -]+) \|", PAGE, re.MULTILINE)
    assert {group: tuple(words.split(", ")) for group, words in rows} == {
        group: tuple(sorted(words, key=dict(rows)[group].split(", ").index)) for group, words in GROUPS.items()
    }


def test_its_commands_can_be_typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["vmfuzz", "bench", "--help"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        cli.main()
    known = capsys.readouterr().out
    commands = [shlex.split(line) for line in re.findall(r"^    vmfuzz bench (.*)$", PAGE, re.MULTILINE)]
    assert commands
    for word in [word for command in commands for word in command] + re.findall(r"`(--[\w-]+)", PAGE):
        assert not word.startswith("--") or re.search(rf"{word}\b", known), word
    feedbacks = re.findall(r"--feedback ([\w+-]+)", PAGE)
    assert len(feedbacks) > 5
    assert all(Feedback.parse(text) for text in feedbacks)


def test_an_option_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("atheris")
    for options in (["--feedback", "views"], ["--feedback", "both-views"], ["--feedback", "both", "-m", "nowhere"]):
        monkeypatch.setattr("sys.argv", ["vmfuzz", "bench", *options])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 2, options
        assert capsys.readouterr().err.count("\n") == 1, options
