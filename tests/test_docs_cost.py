"""What docs/cost.md shows is what is printed, and the machines that it makes are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fuzz import cli

PAGE = (Path(__file__).parent.parent / "docs" / "cost.md").read_text()
BLOCKS = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", shlex.split(command))
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main()


def without_ends(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=["one stream", "curves"])
def test_outputs(command: str, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(command, monkeypatch)
    pattern = ".*".join(re.escape(part) for part in re.split(r"^\.\.\.$", without_ends(shown), flags=re.MULTILINE))
    printed = without_ends(capsys.readouterr().out)
    assert re.fullmatch(pattern, printed, re.DOTALL), printed


def test_machines_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    keep, confirm = [line.strip() for line in PAGE.splitlines() if " made" in line and line.startswith("    vmfuzz")]
    run(keep, monkeypatch)
    run(confirm.replace("confirm", "load"), monkeypatch)
    assert "accepted" in capsys.readouterr().out
