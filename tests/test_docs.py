"""The programs in the documentation run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

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
