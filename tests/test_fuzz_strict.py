"""How many of a worker's mutants are streams, counted while it works."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fuzz.commands.bench_fuzz import _work, spec_of
from fuzz.corpus import find_machine
from fuzz.work.build import read_description
from fuzz.work.strict import is_strict
from model import section_schemas
from model.schedule import Schedule, join

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = find_machine("pc-small")


def test_a_stream_is_one_with_a_schedule_too_and_none_without_its_end() -> None:
    schemas = section_schemas(read_description(MACHINE.description))
    data = MACHINE.seeds[0].read_bytes()
    assert is_strict(data, schemas)
    assert is_strict(join(data, Schedule.parse("wait 1: monitor-mtree")), schemas)
    assert not is_strict(data[:-1], schemas)
    assert not is_strict(b"", schemas)


def test_a_worker_counts_its_mutants_and_no_seeds(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    into = tmp_path / "strict.json"
    spec = replace(spec_of(MACHINE, (), 120.0), executions=12, strict=str(into), probes=False)
    _work(spec, tmp_path)
    counts = json.loads(into.read_text())
    assert 5 < counts["mutants"] <= 12 - len(MACHINE.seeds)
    assert 0 < counts["strict"] <= counts["mutants"]
