"""Measuring: an input alone, whatever ran before it; one that hangs, dies or takes all memory ends nothing."""

from __future__ import annotations

import io
import json
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from fuzz.engine import Execution, FeatureMap, Found
from fuzz.lines import BusyError
from fuzz.minimize.control import AGAIN, FIRST, Control
from fuzz.minimize.measurement import Measurement
from fuzz.minimize.measurer import Measurer

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 0.3


class Toy:
    """A target that does what its input says, and remembers."""

    name = "toy"

    def __init__(self) -> None:
        self.ran: list[bytes] = []

    def run(self, data: bytes) -> Execution:
        match data:
            case b"hang":
                while True:
                    pass
            case b"die":
                os.kill(os.getpid(), signal.SIGKILL)
            case b"leave":
                os._exit(3)
            case b"memory":
                return Execution([], (Found("exception", "toy/exception/a.b/MemoryError/-", "no memory"),))
            case b"raise":
                raise ValueError("boom")
            case b"sleep":
                time.sleep(1000)
            case b"memoir":
                facts = [("ran", one.decode()) for one in self.ran]
                return Execution([("memoir", len(self.ran)), *facts])
        self.ran.append(data)
        return Execution([("length", len(data)), ("first", data[:1].decode())])


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    return Measure(tmp_path)


class Measure:
    """Measures bytes with a toy, in one process that lives on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.features = FeatureMap()
        self._measurer = Measurer(Toy(), self.features, stream=False, seconds=SECONDS)

    def __call__(self, *inputs: bytes, together: bool = False) -> list[Measurement]:
        paths = []
        for at, data in enumerate(inputs):
            paths.append(self._folder / f"{at}")
            paths[-1].write_bytes(data)
        out = io.BytesIO()
        self._measurer.serve([*map(str, paths)], together=together, out=out)
        return [Measurement.from_json(json.loads(line)) for line in out.getvalue().splitlines()]


def test_what_an_input_shows_does_not_depend_on_those_before_it(measure: Measure) -> None:
    first = measure(b"a", b"bb", b"memoir")
    assert [one.features.bit_count() for one in first] == [2, 2, 1]
    assert measure(b"memoir", b"bb", b"a") == [*reversed(first)]


def test_together_it_may_and_that_is_seen(measure: Measure) -> None:
    alone, behind = measure(b"memoir")[0], measure(b"a", b"memoir", together=True)[1]
    assert alone.facts != behind.facts


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"hang", "took more than 0.3 s"),
        (b"die", "died: SIGKILL"),
        (b"leave", "ended the process with status 3"),
        (b"memory", "ran out of memory"),
    ],
)
def test_a_bad_input_is_set_aside_and_the_others_are_measured(
    measure: Measure, bad: bytes, why: str, together: bool
) -> None:
    before, failed, after = measure(b"a", bad, b"bb", together=together)
    assert failed.failed == why
    assert failed.features == 0
    assert [before, after] == measure(b"a", b"bb")


def test_one_that_sleeps_is_set_aside_too(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.minimize.measurer.PATIENCE", 1)
    assert [one.failed for one in measure(b"sleep", b"a")] == ["slept too long", ""]


def test_an_exception_is_a_finding_and_a_feature(measure: Measure) -> None:
    (one,) = measure(b"raise")
    assert [found.cause for found in one.found] == ["any/exception/test_minimize_measurer.run/ValueError/-"]
    assert one.features == 1 << measure.features.slot(("exception", one.found[0].cause))


def test_a_file_that_cannot_be_read_is_said_so(measure: Measure, tmp_path: Path) -> None:
    out = io.BytesIO()
    measure._measurer.serve([str(tmp_path / "none")], together=False, out=out)
    assert json.loads(out.getvalue())["failed"] == "cannot be read: No such file or directory"


# What was measured, on disk


def test_the_control_file_gives_back_what_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / "control"
    control = Control(path)
    one, other = Measurement("1" * 40, 0b1011), Measurement("2" * 40, failed="died")
    control.add("key", FIRST, one)
    control.add("key", AGAIN, other)
    control.name("key", {7: "a fact"})
    control.close()
    again = Control(path)
    assert again.known == {("key", FIRST, one.sha1): one, ("key", AGAIN, other.sha1): other}
    assert again.names == {"key": {7: "a fact"}}
    again.close(remove=True)
    assert not path.exists()


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_last_line_is_cut_off_and_measured_again(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "control"
    control = Control(path)
    one, other = Measurement("1" * 40, 0b1011), Measurement("2" * 40, 0b11)
    control.add("key", FIRST, one)
    control.add("key", FIRST, other)
    control.close()
    path.write_bytes(path.read_bytes()[:-cut])
    again = Control(path)
    assert [*again.known.values()] == [one]
    again.add("key", FIRST, other)
    again.close()
    whole = Control(path)
    assert [*whole.known.values()] == [one, other]
    whole.close()


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "control"
    path.write_bytes(b'[]\n{"key":1}\nnonsense\n{"key":"k","look":1,"sha1":"s","features":"?"}\n\xff\n')
    control = Control(path)
    assert control.known == {}
    control.close()


def test_two_do_not_write_one_control_file(tmp_path: Path) -> None:
    control = Control(tmp_path / "control")
    with pytest.raises(BusyError):
        Control(tmp_path / "control")
    control.close()
    Control(tmp_path / "control").close()
