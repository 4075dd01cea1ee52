"""What docs/seams.md tells, done: its bug written, its commands run; and its table is the one that there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fuzz import cli
from model.seeded import SEAMS

PAGE = (Path(__file__).parent.parent / "docs" / "seams.md").read_text()


def test_what_it_looks_for_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("atheris")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    block = re.search(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert block is not None
    (tmp_path / "master.py").write_text(block[1])
    commands = re.findall(r"^    (vmfuzz .*)", PAGE, re.MULTILINE)
    for command, bug in zip(commands, (*["master-bit-forgotten"] * 2, "hiding-marks-nothing"), strict=True):
        monkeypatch.setattr("sys.argv", shlex.split(command))
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 1, command
        assert f"~{bug}" in capsys.readouterr().out


def test_the_memory_api_comes_first() -> None:
    assert [seam.module.startswith("model.memory.") for seam in SEAMS.values()] == [
        number < 18 for number in range(len(SEAMS))
    ]


def test_its_table_is_the_one_that_there_is() -> None:
    rows = [
        f"| `{seam.name}` | `{', '.join(seam.parameters())}` | {seam.does} | `{seam.place}` |"
        for seam in SEAMS.values()
    ]
    assert [line for line in PAGE.splitlines() if line.startswith("| `")] == rows
