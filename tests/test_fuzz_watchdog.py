"""The watchdog: what loops in Python is ended where it loops, and named by that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import tiny

from fuzz.engine import Execution, FeatureMap, Found, Harness, OutOfTime, Watchdog, exception_found
from fuzz.targets.stream import StreamTarget
from fuzz.work.build import Destination
from model import REFERENCE, Design, parse

if TYPE_CHECKING:
    from model.designs import Load
    from vmformat import Refusal


def spin() -> None:
    while True:
        one()
        other()
        another()


def one() -> int:
    return sum(range(50))


def other() -> int:
    return sum(range(50))


def another() -> int:
    return sum(range(50))


class Toy:
    """Loops for one input."""

    name = "toy"

    def run(self, data: bytes) -> Execution:
        if data == b"L":
            spin()
        return Execution()


class Said:
    """Remembers."""

    def __init__(self) -> None:
        self.found_all: list[Found] = []

    def began(self, data: bytes, execution: int) -> None: ...
    def ended(self, data: bytes, execution: int, fresh: int) -> None: ...

    def found(self, found: Found, data: bytes, execution: int) -> None:
        self.found_all.append(found)

    def tick(self, executions: int, situations: int) -> str:
        return ""

    def stopped(self, executions: int, situations: int, reason: str) -> None: ...


def test_a_loop_becomes_a_finding_of_the_function_that_loops_and_the_next_input_runs() -> None:
    said = Said()
    watchdog = Watchdog(0.02, period=0.005, looks=16)
    harness = Harness(Toy(), said, FeatureMap(256, 16), watchdog=watchdog)
    watchdog.start()
    try:
        for data in (b"a", b"L", b"b", b"L"):
            harness.execute(data)
    finally:
        watchdog.stop()
    assert [(one.kind, one.cause, one.severity) for one in said.found_all] == [
        ("hang", "any/hang/test_fuzz_watchdog.spin/-/-", "hang")
    ] * 2
    assert harness.executions == 4


def test_it_is_quiet_between_executions_and_within_the_limit() -> None:
    now = [0.0]
    watchdog = Watchdog(5, looks=2, clock=lambda: now[0])
    watchdog._on_alarm(0, None)
    watchdog.begin()
    now[0] = 4.9
    watchdog._on_alarm(0, None)
    now[0] = 5.0
    watchdog._on_alarm(0, None)
    with pytest.raises(OutOfTime, match="not done after 5 seconds of processor time"):
        watchdog._on_alarm(0, None)
    watchdog.end()
    now[0] = 60.0
    watchdog._on_alarm(0, None)


def test_want_of_memory_is_a_kind_of_its_own() -> None:
    with pytest.raises(MemoryError) as raised:
        bytearray(1 << 62)
    found = exception_found("wrap-main", raised.value)
    assert (found.kind, found.cause.split("/")[:2]) == ("memory", ["wrap-main", "memory"])


class Loops(Design):
    """Does not end where a section ends."""

    name = "loops"

    def section_ends(self, load: Load, error: Refusal | None) -> None:
        spin()


class Eats(Design):
    """Asks for more than there is."""

    name = "eats"

    def section_ends(self, load: Load, error: Refusal | None) -> None:
        bytearray(1 << 62)


STREAM = tiny.HEADER + tiny.timer() + tiny.blk(command=6, bar=0x200000) + tiny.EOF


@pytest.mark.parametrize(
    ("design", "kind", "cause"),
    [
        (Loops, "hang", "loops/hang/test_fuzz_watchdog.spin/-/-"),
        (Eats, "memory", "eats/memory/test_fuzz_watchdog.section_ends/MemoryError/-"),
    ],
)
def test_in_a_load_it_is_the_designs_and_the_machine_is_built_anew(design: type[Design], kind: str, cause: str) -> None:
    built = []

    def build() -> Destination:
        built.append(Destination(parse(json.dumps(tiny.description()).encode())))
        return built[-1]

    said = Said()
    watchdog = Watchdog(0.02, period=0.005, looks=16)
    harness = Harness(StreamTarget(build, REFERENCE, [design]), said, FeatureMap(), watchdog=watchdog)
    watchdog.start()
    try:
        harness.execute(STREAM)
        harness.execute(tiny.HEADER)
    finally:
        watchdog.stop()
    assert [(one.kind, one.cause) for one in said.found_all if one.kind in {"hang", "memory", "exception"}] == [
        (kind, cause)
    ]
    assert len(built) == 2
