"""docs/strategies.md: its test of a loader is one, and the strategies in its tables are those that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fuzz.strategies
import vmformat.strategies

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "strategies.md").read_text()


def test_the_test_in_it_passes_and_fails_with_the_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    exec(compile(program, "test_my_loader.py", "exec"), names)
    test = names["test_my_loader_never_raises"]
    assert callable(test)
    test()
    names["my_loader"] = lambda data: len(data) // (1 << 20)
    with pytest.raises(AssertionError):
        test()


def test_every_strategy_is_told() -> None:
    told = set(re.findall(r"`(\w+)\(", "".join(re.findall(r"^\| `.*?\|", PAGE, re.MULTILINE))))
    ours = {*vmformat.strategies.__all__, *fuzz.strategies.__all__} - {"Drawn", "crash_file"}
    assert told == ours
