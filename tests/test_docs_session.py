"""What docs/session.md shows is what the command prints, and what it lists is what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from test_fuzz_cli import vmfuzz

from fuzz import cli
from model import DESIGNS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "session.md").read_text()


def test_output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT / "corpus" / "crashers")
    (block,) = re.findall(r"^```console\n\$ (.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    command, _, shown = block.partition("\n")
    assert vmfuzz(monkeypatch, *shlex.split(command)[1:]) == 1
    printed = re.sub(r" +$", "", capsys.readouterr().out, flags=re.MULTILINE)
    shown = re.sub(r" +$", "", shown, flags=re.MULTILINE)
    pattern = ".*".join(re.escape(part) for part in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE))
    assert re.fullmatch(pattern, printed, re.DOTALL), printed


def test_commands_have_options_and_designs_that_exist(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    known: dict[str, str] = {}
    for name in ("load", "run"):
        monkeypatch.setattr("sys.argv", ["vmfuzz", name, "--help"])
        with pytest.raises(SystemExit):
            cli.main()
        known[name] = capsys.readouterr().out
    commands = re.findall(r"^    vmfuzz (\w+) (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
    assert len(commands) == 5
    for name, rest in commands:
        words = shlex.split(rest)
        assert words[words.index("-d") + 1] in {"all", *DESIGNS}
        for word in words:
            assert not word.startswith("-") or re.search(rf"{word}\b", known[name]), word
