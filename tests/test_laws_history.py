"""The law: an input lights the same counters and shows the same findings, whatever ran before in the process.

A week-long campaign rests on it: what a corpus covers can be measured again elsewhere, and the same seed gives the same
campaign. Orders, hash seeds and ways to load are tried side by side; `tests/history.py` runs them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HISTORY = Path(__file__).parent / "history.py"


ORDERS = {
    # side by side, each in a process of its own
    "streams": (
        ("stream:twice", "pair:forward", "snapshot:fresh"),
        ("stream:plain", "pair:plain", "snapshot:backward"),
    ),
    "roundtrip": (("roundtrip:twice",), ("roundtrip:backward",)),
    "memory": (("memory:fresh",), ("memory:backward",)),
}


def shown(*orders: tuple[str, ...]) -> list[dict[str, Any]]:
    """What the mutants show in each of these orders, in processes with different hash seeds."""
    root = HISTORY.parent.parent
    running = [
        subprocess.Popen(
            [sys.executable, str(HISTORY), *order],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(root)},
        )
        for seed, order in enumerate(orders)
    ]
    found = [json.loads(process.communicate()[0]) for process in running]
    assert all(process.returncode == 0 for process in running)
    return found


@pytest.mark.parametrize("orders", ORDERS.values(), ids=ORDERS)
def test_an_input_shows_the_same_whatever_ran_before(orders: tuple[tuple[str, ...], ...]) -> None:
    first, *others = shown(*orders)
    for target, inputs in first.items():
        assert len({str(taken) for taken, _ in inputs.values()}) > len(inputs) // 4, "they are not all alike"
        for order, other in zip(orders[1:], others, strict=True):
            for number, (taken, findings) in inputs.items():
                lit, said = other[target][number]
                assert sorted({*lit} ^ {*taken}) == [], f"{target} of {order}: input {number} lights other counters"
                assert said == findings, f"{target} of {order}: input {number} shows other findings"
