"""Executions beside loads of the real program: `vmfuzz bench --only real`."""

from __future__ import annotations

import io
import json
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fuzz.commands import bench_real
from fuzz.commands.bench import bench
from fuzz.commands.bench_fuzz import rate_of, spec_of
from fuzz.commands.bench_parse import CannotMeasure
from fuzz.corpus import find_machine
from fuzz.qemu import QemuError
from fuzz.qemu.fresh import Fresh
from fuzz.work.build import read_description

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = find_machine("pc-small")
ARGUMENTS = read_description(MACHINE.description).arguments


def test_a_program_that_is_not_there_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("atheris")
    assert bench(only="real", qemu="no-such-qemu") == 2
    assert capsys.readouterr().err.startswith("vmfuzz bench: no-such-qemu: no such QEMU")
    assert bench(["no-such-machine"], only="real") == 2
    assert not bench_real.there_is("no-such-qemu")


@pytest.mark.parametrize("processors", [{0}, None])
def test_each_side_has_a_processor_or_they_take_turns(
    processors: set[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.sched_getaffinity(0)
    if processors is None and len(whole) < 2:
        pytest.skip("one processor only")
    bound: dict[str, set[int]] = {}
    order: list[str] = []

    class Loads:
        def __init__(self, arguments: tuple[str, ...], stream: Path, *, binary: str) -> None:
            assert (arguments, binary) == (ARGUMENTS, "qemu")
            assert stream.name == "after.vmstate"

        def load(self) -> None:
            order.append("first")

        def rate(self, _seconds: float) -> float:
            bound["loads"] = os.sched_getaffinity(0)
            order.append("loads")
            return 20.0

    def run(_seconds: float, number: int) -> float:
        bound["run"] = os.sched_getaffinity(0)
        order.append(f"run {number}")
        return 3000.0

    monkeypatch.setattr(bench_real, "Fresh", Loads)
    if processors is not None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: processors)
    found = bench_real.beside(MACHINE, ARGUMENTS, run, seconds=3.0, binary="qemu")
    assert found.ratio == 150
    assert found.to_json()["wanted"] == 100
    assert found.at_once == (processors is None)
    if processors is None:
        assert len(bound["run"]) == len(bound["loads"]) == 1
        assert bound["run"] != bound["loads"]
        assert os.sched_getaffinity(0) == whole
        assert threading.active_count() == 1
    else:
        assert order == ["first", "run 1", "loads", "run 2", "loads", "run 3", "loads"]


@pytest.mark.qemu
def test_a_fresh_process_loads_a_stream_or_says_why_not(tmp_path: Path) -> None:
    assert Fresh(ARGUMENTS, MACHINE.seeds[0]).rate(0.01) > 0
    broken = tmp_path / "broken"
    broken.write_bytes(MACHINE.seeds[0].read_bytes()[:2000] + bytes(100))
    with pytest.raises(QemuError, match="the load did not end: "):
        Fresh(ARGUMENTS, broken).load()
    with pytest.raises(QemuError, match="no-such-device"):
        Fresh((*ARGUMENTS, "-device", "no-such-device"), MACHINE.seeds[0]).load()


@pytest.mark.qemu
def test_both_sides_are_measured_and_printed() -> None:
    pytest.importorskip("atheris")
    out = io.StringIO()
    assert bench(["pc-small"], Console(file=out, width=100), time=1.0, only="real", as_json=True) == 0
    (one,) = json.loads(out.getvalue())["real"]
    assert min(one["executions"], one["loads"]) > 0
    assert one["ratio"] == pytest.approx(one["executions"] / one["loads"])
    assert one["designs"] == ["per-device", "wrap-main"]
    table = bench_real.table([bench_real.Beside("tiny", 10.0, 0.5, None, at_once=False)])
    assert table.row_count == 4


def test_a_worker_that_fails_is_told_of() -> None:
    """It had counted as none at all for the second."""
    spec = replace(spec_of(MACHINE, ("wrap-main",), 0.5), description="nowhere")
    with pytest.raises(CannotMeasure, match=r"pc-small: a worker ended with status 1: FileNotFoundError.*nowhere"):
        rate_of(spec)
