"""The programs in the documentation run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from fuzz import cli

ROOT = Path(__file__).parent.parent
PAGES = ["library.md"]


@pytest.mark.parametrize("page", PAGES)
def test_programs_run(page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs" / page).read_text()
    programs = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert programs
    names: dict[str, Any] = {}
    for program in programs:
        exec(compile(program, page, "exec"), names)
    assert capsys.readouterr().out


def test_the_readme_shows_what_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "README.md").read_text()
    command, shown = re.findall(r"^    \$ (vmfuzz show .*)\n((?:    0x.*\n)+)", text, re.MULTILINE)[0]
    monkeypatch.setattr("sys.argv", shlex.split(command))
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().out.splitlines() == [line.removeprefix("    ") for line in shown.splitlines()]
