"""What docs/design.md tells, done: its files written, its commands run; and it names all that a design may use."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fuzz import cli
from fuzz.own_design import HOOKS
from model.designs import Design, Load, Rings
from model.memory import Use

PAGE = (Path(__file__).parent.parent / "docs" / "design.md").read_text()
BLOCKS = re.findall(r"^```(python|console)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_ten_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("atheris")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    assert [kind for kind, _ in BLOCKS] == ["python", "console", "console", "python", "console", "console"]
    for kind, block in BLOCKS:
        if kind == "python":
            (tmp_path / "batch.py").write_text(block)
            continue
        command, _, shown = block.removeprefix("$ ").partition("\n")
        monkeypatch.setattr("sys.argv", shlex.split(command))
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code in {0, 1}
        printed = capsys.readouterr().out
        pattern = ".*".join(re.escape(part) for part in shown.split("..."))
        assert re.fullmatch(pattern, printed, re.DOTALL), printed


def test_everything_is_named() -> None:
    public = {
        *HOOKS,
        *(name for name in vars(Design) if not name.startswith("_")),
        *(f"load.{name}" for name in {*vars(Load), *Load.__annotations__} if not name.startswith("_")),
        *(f"device.{name}" for name in {*vars(Rings), *Rings.__annotations__} if not name.startswith("_")),
        *(f"use.{name}" for name in Use.__annotations__),
    }
    told = set(re.findall(r"`([a-z_.]+)(?:\([a-z, ]*\))?`", PAGE))
    assert public - told == set()
