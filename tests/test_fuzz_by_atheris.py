"""The fallback: the code under test instrumented by atheris's own means."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fuzz.campaign.stats import read_stats
from fuzz.commands.bench_fuzz import spec_of
from fuzz.corpus import find_machine
from fuzz.engine.probes import ProbeFinder
from fuzz.work.worker import UNDER_TEST, WITHOUT

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_left_out_is_all_that_gets_no_probes() -> None:
    others = ProbeFinder(("model", "vmformat.reader"), bytearray(1), 1, WITHOUT).others()
    assert {"vmformat.section", "vmformat.plan", "model.walks", "model.memory.rendering"} <= {*others}
    assert not {"vmformat.reader", "model.loader", "model.memory.memory"} & {*others}


def test_a_worker_runs_what_atheris_has_instrumented(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    spec = replace(spec_of(find_machine("pc-small"), (), 300.0), target="memory", designs=("wrap-main",))
    spec = replace(spec, executions=6, by_atheris=True, campaign=str(tmp_path), seeds=())
    place = tmp_path / "workers" / spec.worker
    (place / "stuck").mkdir(parents=True)
    (tmp_path / "corpus" / spec.shared).mkdir(parents=True)
    (place / "spec.json").write_text(spec.to_json())
    command = [sys.executable, "-m", "fuzz.work.worker", str(place / "spec.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    instrumented = set(re.findall(r"Instrumenting (\S+)", done.stderr))
    assert "model.memory.memory" in instrumented
    assert all(name.startswith(UNDER_TEST["memory"]) for name in instrumented - {"model"})
    stats = read_stats(place / "stats.json")
    assert stats is not None
    assert (stats.executions, stats.state) == (6, "stopped: executions")
    assert stats.situations > 0
