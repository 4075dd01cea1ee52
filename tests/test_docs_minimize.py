"""What docs/minimize.md shows is what the command prints, and what it lists is what there is."""

from __future__ import annotations

import re
import shlex
import shutil
from typing import TYPE_CHECKING

import pytest
from test_docs import ROOT

from fuzz import cli
from fuzz.minimize.health import MEANINGS

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "minimize.md").read_text()


def test_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    shutil.copytree(ROOT / "corpus" / "seeds" / "pc-small", "seeds")
    shutil.copy("seeds/after.vmstate", "seeds/copy.vmstate")
    (block,) = re.findall(r"^```console\n\$ (.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    command, _, shown = block.partition("\n")
    monkeypatch.setattr("sys.argv", shlex.split(command))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    printed = _uncounted(capsys.readouterr().out)
    shown = _uncounted(shown)
    pattern = ".*".join(re.escape(part) for part in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE))
    assert re.fullmatch(pattern, printed, re.DOTALL), printed


def _uncounted(text: str) -> str:
    """Without the numbers of features, which change with every line of the code under test."""
    return re.sub(r"\d+ │$", "N │", text, flags=re.MULTILINE)


def test_health() -> None:
    _, _, rows = PAGE.partition("## Health")
    assert dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", rows, re.MULTILINE)) == MEANINGS


def test_commands_have_options_that_exist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["vmfuzz", "minimize", "--help"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        cli.main()
    known = capsys.readouterr().out
    commands = re.findall(r"^    vmfuzz minimize (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
    assert len(commands) > 5
    for command in commands:
        for word in shlex.split(command):
            assert not word.startswith("-") or re.search(rf"{word}\b", known), word
