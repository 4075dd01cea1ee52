"""What an execution makes goes without the collector of cycles."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import Any

import mutants
from mutants import PC

from fuzz.corpus import find_stream
from fuzz.engine.collector import SELDOM
from model import DESIGNS, load
from model.load_state import LoadState
from model.schedule import Schedule


def test_what_is_there_is_left_alone() -> None:
    program = (
        "import gc; from fuzz.engine.collector import leave_alone; leave_alone()\n"
        "print(gc.get_freeze_count() > 1000, gc.get_threshold())"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == f"True {SELDOM}\n"


def test_a_load_goes_with_its_machine_s_reset(monkeypatch: Any) -> None:
    loads: list[weakref.ref[LoadState]] = []
    made = LoadState.__init__

    def noted(self: LoadState, *what: Any, **more: Any) -> None:
        made(self, *what, **more)
        loads.append(weakref.ref(self))

    monkeypatch.setattr(LoadState, "__init__", noted)
    machine, data = mutants.machine(PC), find_stream(f"{PC}/after").read_bytes()
    gc.disable()
    try:
        for design in ("per-device", "wrap-main", "v7-rcu-dispatch"):
            for schedule in ("", "wait 9: vcpu-access 0x1000 4", "inside 1: vcpu-access 0x1000 4"):
                load(machine, data, DESIGNS[design](), schedule=Schedule.parse(schedule))
                machine.reset()
        assert [one() for one in loads] == [None] * 9
    finally:
        gc.enable()
