"""A clock before zero, and the card that does not load with it."""

from __future__ import annotations

import pytest
from mutants import Case, Cases, check, on, put, without

from model.devices.clock import BEFORE_ZERO

U64 = 1 << 64


def clock(nanoseconds: int, *, card: bool = True) -> Case:
    edit = put("timer", "cpu_clock_offset", nanoseconds % U64)
    hangs = card and -BEFORE_ZERO < nanoseconds < 0
    whole = edit if card else on(edit, without("rtl8139"))
    return Case(whole, "hung" if hangs else "accepted", machine="linux-pc")


CASES: Cases = {
    "zero": clock(0),
    "just before": clock(-1),
    "eight seconds before": clock(-8_000_000_000),
    "nine seconds before": clock(-9_000_000_000),
    "long before": clock(-(1 << 62)),
    "late": clock((1 << 63) - 1),
    "before, and no card": clock(-1, card=False),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
