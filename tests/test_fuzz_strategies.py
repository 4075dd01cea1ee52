"""Strategies for others' tests: the fuzzer's own arms; and one crash file means the same to everybody who takes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from fuzz import cli
from fuzz.designs import design_named
from fuzz.engine import FeatureMap, Harness
from fuzz.mutate import Dice
from fuzz.programs import decode
from fuzz.strategies import Drawn, crash_file, mutants, programs
from fuzz.targets.stream import StreamTarget
from fuzz.work.build import Destination, read_description
from model import REFERENCE, section_schemas
from model.schedule import split
from vmformat import StreamError, read

if TYPE_CHECKING:
    from fuzz.engine import Found

ROOT = Path(__file__).resolve().parent.parent
DESCRIPTION = read_description(ROOT / "corpus" / "machines" / "pc-small.json")
SCHEMAS = section_schemas(DESCRIPTION)
CRASHER = ROOT / "corpus" / "crashers" / "force-depth0-reader-without-lock.vmstate"
SAYS = json.loads(CRASHER.with_suffix(".json").read_text())
QUICK = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def target() -> StreamTarget:
    designs = [design_named(name) for name in SAYS["expect"] if name != REFERENCE.name]
    return StreamTarget(lambda: Destination(DESCRIPTION), REFERENCE, designs)


class Heard:
    """A report that notes what is found."""

    def __init__(self) -> None:
        self.causes: set[str] = set()

    def began(self, data: bytes, execution: int) -> None: ...

    def ended(self, data: bytes, execution: int, fresh: int) -> None: ...

    def found(self, found: Found, data: bytes, execution: int) -> None:
        self.causes.add(found.cause)

    def tick(self, executions: int, situations: int) -> str:
        return ""

    def stopped(self, executions: int, situations: int, reason: str) -> None: ...


@pytest.fixture(scope="module")
def causes() -> set[str]:
    """What the crash file shows under the designs that it speaks of, as plain calls of the target tell."""
    return {found.cause for found in target().run(crash_file(CRASHER)).found}


def test_a_crash_file_shows_the_same_in_the_harness_and_in_the_command(
    causes: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(SAYS["cause"]) <= causes
    heard = Heard()
    Harness(target(), heard, FeatureMap(1 << 12, 1 << 8)).execute(crash_file(CRASHER))
    assert heard.causes == causes
    designs = [word for name in SAYS["expect"] for word in ("--design", name)]
    monkeypatch.setattr("sys.argv", ["vmfuzz", "load", str(CRASHER), *designs, "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    outcomes = json.loads(capsys.readouterr().out)["outcomes"]
    assert {one["cause"] for outcome in outcomes for one in outcome["findings"]} == causes


RAN: list[set[str]] = []


@given(mutants("pc-small", schedules=True))
@example(crash_file(CRASHER))
@settings(QUICK, max_examples=1, phases=[Phase.explicit])
def run_by_hypothesis(data: bytes) -> None:
    RAN.append({found.cause for found in target().run(data).found})


def test_a_crash_file_shows_the_same_under_hypothesis(causes: set[str]) -> None:
    RAN.clear()
    run_by_hypothesis()
    assert [causes] == RAN


def test_most_mutants_parse_and_none_is_a_seed() -> None:
    seeds = {path.read_bytes() for path in (ROOT / "corpus" / "seeds" / "pc-small").glob("*.vmstate")}
    parsed: list[bool] = []

    @given(mutants("pc-small", schedules=True))
    @settings(QUICK, phases=[Phase.generate])
    def look(data: bytes) -> None:
        try:
            read(split(data)[0], SCHEMAS)
            parsed.append(True)
        except StreamError:
            parsed.append(False)
        assert data not in seeds or split(data)[1]

    look()
    assert sum(parsed) >= 0.7 * len(parsed)


@given(st.data(), st.integers(1, 1 << 31))
@settings(QUICK)
def test_drawn_dice_fall_within_their_limits(data: st.DataObject, limit: int) -> None:
    dice = Drawn(data.draw)
    assert isinstance(dice, Dice)
    assert 0 <= dice.below(limit) < limit
    assert 0 <= dice.low(limit) < limit
    assert 1 <= dice.few(3) <= 3
    assert 0 <= dice.word(64) < 1 << 64
    assert dice.pick("abc") in "abc"


@given(programs())
@settings(QUICK)
def test_programs_are_programs(data: bytes) -> None:
    assert decode(data).world


def test_without_a_machine_or_a_seed_nothing_is_drawn() -> None:
    with pytest.raises(ValueError, match="no streams"):
        mutants("pc-small", [])
