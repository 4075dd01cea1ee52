"""What `vmfuzz load` shows of a process beyond its load."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from test_fuzz_cli import vmfuzz

from fuzz import lives
from fuzz.corpus import find_stream
from model import LIVES

if TYPE_CHECKING:
    from pathlib import Path

DESIGNS = ("-d", "per-device", "-d", "v1-flag-eof")


@pytest.fixture
def cut(tmp_path: Path) -> str:
    """A snapshot that ends too early."""
    path = tmp_path / "cut.vmstate"
    path.write_bytes(find_stream("pc-small/after").read_bytes()[:-40])
    return str(path)


def outcomes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert vmfuzz(monkeypatch, "load", *words, "--json") in {0, 1}
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["outcomes"]
    return found


@pytest.mark.parametrize("words", [(), ("--loadvm",), ("--resume", "--again"), ("--again", "--loadvm", "--resume")])
def test_lives_are_those_asked_for_in_one_order(words: tuple[str, ...]) -> None:
    options = {name: f"--{name}" in words for name in ("resume", "again", "loadvm")}
    asked = lives.asked(**options)
    assert len(asked) == len(words)
    assert list(asked) == [life for life in LIVES if life in asked]


def test_stages_in_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cut: str) -> None:
    reference, candidate = outcomes(monkeypatch, capsys, cut, "--machine", "pc-small", *DESIGNS, "--loadvm")
    for one in (reference, candidate):
        assert [(stage["life"], stage["stage"]) for stage in one["stages"]] == [
            ("loadvm", "reset"), ("loadvm", "again"), ("loadvm", "recovery"),
        ]  # fmt: skip
    assert [stage["depth_at_end"] for stage in candidate["stages"]] == [1, 1, 0]
    assert [stage["verdict"] for stage in candidate["stages"]] == ["accepted", "refused", "accepted"]
    causes = [finding["cause"] for finding in candidate["findings"]]
    assert "v1-flag-eof/reset/system_reset/nothing-changes/machine" in causes
    assert "v1-flag-eof/reset-layout/flat-view/differs/memory" in causes
    assert reference["findings"] == []


def test_without_being_asked_there_are_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert all("stages" not in one for one in outcomes(monkeypatch, capsys, "pc-small/after", *DESIGNS))


def test_a_table_of_stages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("load", "pc-small/after", *DESIGNS, "--loadvm", "--resume", "--again")
    assert vmfuzz(monkeypatch, *words) == 1
    lines = capsys.readouterr().out.splitlines()
    (head,) = (line for line in lines if line.split()[:2] == ["design", "resume"])
    assert head.split() == ["design", "resume", "resave", "reset", "again"]
    (row,) = (line for line in lines if line.startswith("v1-flag-eof") and "rebuilds" in line)
    assert "aborted" in row
