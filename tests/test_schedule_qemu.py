"""What somebody sees who looks in the middle of a load: the model's points held against a real QEMU that waits there.

The stream is written to a pipe up to a point. The program waits for more, its monitor answers, and `info mtree -f` must
show what the model's `monitor-mtree` sees at that point: under `per-device`, and with the main loop in one transaction.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import mutants
import pytest

from fuzz.commands.load_points import passed
from fuzz.corpus import find_stream
from fuzz.qemu import Qemu
from model import DESIGNS, Machine, load
from model.actors import ACTORS
from model.memory import layout
from model.schedule import EMPTY_SCHEDULE, Schedule

if TYPE_CHECKING:
    from pathlib import Path

    from model.load_state import LoadState

pytestmark = pytest.mark.qemu

MACHINE = "pc-small"
PATIENCE = 20.0
POINTS = ("wait 5", "fields 3", "wait 12", "wait 24", "wait 30", "fields 12", "wait 33")
"""Before anything, within the host bridge, behind it, within and behind devices whose BARs have been mapped."""


def seen_by_model(machine: Machine, data: bytes, design: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """`info mtree -f` at each point."""
    texts: list[str] = []

    def look(load: LoadState, _words: tuple[str, ...]) -> None:
        texts.append(load.machine.mtree())

    monkeypatch.setitem(ACTORS, "monitor-mtree", replace(ACTORS["monitor-mtree"], act=look))
    schedule = Schedule.parse(f"{point}: monitor-mtree" for point in POINTS)
    outcome = load(machine, data, DESIGNS[design](), schedule=schedule)
    machine.reset()
    assert [one.where for one in outcome.acted] == list(POINTS)
    return dict(zip(POINTS, texts, strict=True))


CONFIG = 4 + 256
"""A version and a config space."""


def offsets(machine: Machine, data: bytes) -> dict[str, int]:
    """How many bytes have been read at each point: the model takes what has a fixed size at one go."""
    points = passed(machine, data, DESIGNS["per-device"], EMPTY_SCHEDULE, loadvm=False)
    return {f"{one.point} {one.number}": one.offset + (CONFIG if one.point == "fields" else 0) for one in points}


def shown_by_qemu(machine: Machine, data: bytes, binary: str, seen: dict[str, str]) -> list[str]:
    """The points at which QEMU goes on showing something else."""
    wrong = []
    source, sink = os.pipe()
    with Qemu(machine.description.arguments, binary=binary, extra=["-incoming", "defer"]) as vm:
        vm.pass_file("half", source)
        os.close(source)
        vm.qmp("migrate-incoming", {"uri": "fd:half"})
        written, places = 0, offsets(machine, data)
        for point, text in seen.items():
            os.write(sink, data[written : places[point]])
            written = places[point]
            end = time.monotonic() + PATIENCE
            while layout(vm.hmp("info mtree -f")) != layout(text):
                if time.monotonic() > end:
                    wrong.append(point)
                    break
                time.sleep(0.02)
        os.close(sink)
    return wrong


def held(design: str, binary: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    machine, data = mutants.machine(MACHINE), find_stream(f"{MACHINE}/after").read_bytes()
    seen = seen_by_model(machine, data, design, monkeypatch)
    assert len(set(seen.values())) == (1 if design == "wrap-main" else 5)
    return shown_by_qemu(machine, data, binary, seen)


def test_who_looks_in_the_middle_sees_what_the_model_says(real_qemu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert held("per-device", real_qemu, monkeypatch) == []


def test_in_one_transaction_he_sees_what_was_before(wrapped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert held("wrap-main", str(wrapped), monkeypatch) == []
