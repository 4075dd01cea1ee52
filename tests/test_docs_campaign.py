"""What docs/campaign.md lists is what there is."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from fuzz import cli
from fuzz.campaign import Stats
from fuzz.campaign.figures import figures, to_json
from fuzz.campaign.history import NAME, History

PAGE = (Path(__file__).parent.parent / "docs" / "campaign.md").read_text()


def test_keys_of_a_line(tmp_path: Path) -> None:
    now = figures((), [Stats("a", "m", "stream")])
    History(tmp_path, 1).write(0.0, now)
    line = json.loads((tmp_path / NAME).read_text())
    table = PAGE[PAGE.index("## stats.jsonl") :]
    rows = dict(re.findall(r"^\| (`.*?`) \| (.*) \|$", table, re.MULTILINE))
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(line)
    assert re.findall(r"`(\w+)`", rows["`workers`"]) == list(line["workers"][0])
    assert re.findall(r"`(\w+)`", rows["`estimate`"]) == list(to_json(now)["estimate"])


@pytest.mark.parametrize("command", ["run", "status"])
def test_commands_have_options_that_exist(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["vmfuzz", command, "--help"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        cli.main()
    known = capsys.readouterr().out
    lines = re.findall(rf"^    vmfuzz {command} (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
    assert lines
    for words in map(shlex.split, lines):
        for word in words:
            assert not word.startswith("-") or re.search(rf"{word}\b", known), word
