"""The run state that a stream brings."""

from __future__ import annotations

import pytest
from mutants import Case, Cases, check, put, without

CASES: Cases = {
    # the run state
    "runs": Case(put("globalstate", "runstate", b"running".ljust(100, b"\0"))),
    "was shut down": Case(put("globalstate", "runstate", b"shutdown".ljust(100, b"\0"))),
    "nonsense": Case(
        put("globalstate", "runstate", b"nonsense".ljust(100, b"\0")), "refused", "invalid parameter value: nonsense"
    ),
    "nothing": Case(put("globalstate", "runstate", bytes(100)), "refused", "invalid parameter value: "),
    "endless": Case(put("globalstate", "runstate", b"x" * 100), "refused", "invalid parameter value: " + 99 * "x"),
    "no run state": Case(without("globalstate")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
