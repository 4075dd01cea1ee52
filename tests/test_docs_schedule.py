"""What docs/schedule.md shows is what the command prints, and what it lists is what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fuzz import cli
from model.actors import ACTORS
from model.schedule import MAX_STEPS, POINTS

PAGE = (Path(__file__).parent.parent / "docs" / "schedule.md").read_text()
BLOCKS = re.findall(r"^```console\n\$ (.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.partition("\n")[0] for block in BLOCKS])
def test_output(block: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    command, _, shown = block.partition("\n")
    monkeypatch.setattr("sys.argv", shlex.split(command))
    with pytest.raises(SystemExit):
        cli.main()
    printed = capsys.readouterr().out
    pattern = ".*".join(re.escape(part) for part in re.split(r"^\.\.\.\n", shown, flags=re.MULTILINE))
    assert re.fullmatch(pattern, printed, re.DOTALL), printed


def test_tables() -> None:
    assert re.findall(r"^\| `(\w+) N` \|", PAGE, re.MULTILINE) == list(POINTS)
    rows = re.findall(r"^\| `([\w-]+)` \| ([A-Z ]*) ?\| .* \| (yes|no) \|$", PAGE, re.MULTILINE)
    listed = [(name, words.split(), lock == "yes") for name, words, lock in rows]
    assert listed == [(a.name, [word.upper() for word in a.arguments], a.locks) for a in ACTORS.values()]
    assert f"more than {MAX_STEPS} steps" in PAGE
