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


def shown(target: str, *orders: str) -> list[Any]:
    """What the mutants show in each of these orders, in processes with different hash seeds."""
    root = HISTORY.parent.parent
    running = [
        subprocess.Popen(
            [sys.executable, str(HISTORY), target, order],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(root)},
        )
        for seed, order in enumerate(orders)
    ]
    found = [json.loads(process.communicate()[0]) for process in running]
    assert all(process.returncode == 0 for process in running)
    return found


@pytest.mark.parametrize(
    ("target", "orders"),
    [
        ("stream", ("twice", "plain")),
        ("pair", ("forward", "plain")),
        ("snapshot", ("fresh", "backward")),
        ("roundtrip", ("twice", "backward")),
        ("memory", ("fresh", "backward")),
    ],
)
def test_an_input_shows_the_same_whatever_ran_before(target: str, orders: tuple[str, ...]) -> None:
    first, *others = shown(target, *orders)
    assert len({str(taken) for taken, _ in first.values()}) > len(first) // 4, "they are not all alike"
    for order, other in zip(orders[1:], others, strict=True):
        for number, (taken, findings) in first.items():
            lit, said = other[number]
            assert sorted({*lit} ^ {*taken}) == [], f"{order}: input {number} lights other counters"
            assert said == findings, f"{order}: input {number} shows other findings"
