"""What docs/finding.md shows is what the command prints, and it names every severity."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fuzz import cli
from model.severity import Severity

PAGE = (Path(__file__).parent.parent / "docs" / "finding.md").read_text()
BLOCKS = re.findall(r"^```console\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS)
def test_outputs(block: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command, _, shown = block.removeprefix("$ ").partition("\n")
    monkeypatch.setattr("sys.argv", shlex.split(command))
    with pytest.raises(SystemExit):
        cli.main()
    pattern = ".*".join(re.escape(part) for part in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE))
    printed = capsys.readouterr().out
    assert re.fullmatch(pattern, printed, re.DOTALL), printed


def test_every_severity_is_explained_in_its_order() -> None:
    told = re.findall(r"^\| `([a-z-]+)` \|", PAGE[PAGE.index("| severity") :], re.MULTILINE)
    assert told[: len(Severity)] == [str(severity) for severity in Severity]
