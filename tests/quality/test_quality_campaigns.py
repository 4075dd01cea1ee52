"""How well the search finds: what it must find within a number of executions, never of seconds."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fuzz.campaign.findings import records
from fuzz.commands.run import run
from fuzz.commands.run_asked import RunOptions
from fuzz.engine import available

if TYPE_CHECKING:
    from pathlib import Path

EXECUTIONS = 1200

pytestmark = [pytest.mark.quality, pytest.mark.skipif(bool(available()), reason=available() or "atheris is here")]


@pytest.mark.parametrize(("machine", "seed"), [("pc-small", 7), ("q35-modern", 5)])
def test_finds_both_kinds_of_wrong(machine: str, seed: int, tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    designs = ("v1-flag-eof", "wrap-main")
    options = RunOptions(machines=(machine,), designs=designs, seed=seed, campaign=folder, executions=EXECUTIONS)
    assert run(options, Console(file=io.StringIO())) == 1
    causes = {record.cause for _place, record in records(folder / "findings")}
    print(f"{machine}, seed {seed}: {len(causes)} causes in {EXECUTIONS} executions")
    assert "v1-flag-eof/pairing/loader/commit-without-begin/stream" in causes
    assert "v1-flag-eof/pairing/loader/transaction-left-open/stream" in causes
    harmful = {cause for cause in causes if cause.startswith("wrap-main/flat-view-while-pending/")}
    assert any("virtio_init_region_cache" in cause for cause in harmful), harmful
    assert any(cause.startswith("wrap-main/device-state/") for cause in causes)


def test_finds_what_shows_only_after_a_snapshot_load(tmp_path: Path) -> None:
    """A transaction left open, and the reset that changes nothing; a flag left set, and the load that dies of it."""
    folder = tmp_path / "campaign"
    options = RunOptions(
        machines=("pc-small",), designs=("v1-flag-eof",), seed=1, campaign=folder, executions=60, loadvm=True
    )
    assert run(options, Console(file=io.StringIO())) == 1
    found = {record.cause: record for _place, record in records(folder / "findings")}
    assert found["v1-flag-eof/reset/system_reset/nothing-changes/machine"].loadvm
    assert "v1-flag-eof/again-pairing/loader/commit-without-begin/stream" in found
