"""A machine's default stream loads, in the model and in the real program, and has every section."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mutants
import pytest
import tiny

from fuzz.commands.generate import generate
from fuzz.confirm import Against
from fuzz.confirm.hold import hold
from fuzz.corpus import shipped_machines
from model import REFERENCE, Machine, from_json, load
from model.default_stream import default_stream
from vmformat import Kind, read, write

if TYPE_CHECKING:
    from pathlib import Path

MACHINES = shipped_machines()


@pytest.mark.parametrize("name", MACHINES)
def test_the_model_accepts_it(name: str) -> None:
    machine = mutants.machine(name)
    stream = default_stream(machine.description)
    data = write(stream)
    outcome = load(machine, data, REFERENCE())
    machine.reset()
    assert outcome.verdict == "accepted", outcome.messages
    assert outcome.messages == ()
    assert write(read(data)) == data
    sent = [(s.name, s.instance) for s in stream.sections if s.kind in {Kind.START, Kind.FULL}]
    assert sent == sorted(((s.name, s.instance) for s in machine.description.sections), key=lambda key: key[0] != "ram")


@pytest.mark.qemu
@pytest.mark.parametrize("name", MACHINES)
def test_the_real_program_accepts_it_and_does_what_the_model_says(name: str, real_qemu: str) -> None:
    machine = mutants.machine(name)
    held = hold(machine, write(default_stream(machine.description)), Against(REFERENCE, real_qemu))
    assert held.lines == ()
    assert held.outcome.verdict == "accepted"


def test_a_machine_without_what_it_takes_gets_none() -> None:
    document = tiny.description()
    document["configuration"].update(section=False, footers=False)
    machine = Machine(from_json(document))
    stream = default_stream(machine.description)
    assert stream.configuration is None
    assert all(section.footer is None for section in stream.sections)
    assert stream.trailing == b""
    assert load(machine, write(stream), REFERENCE()).verdict == "accepted"


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate("pc-small", tmp_path / "out") == 0
    assert read((tmp_path / "out").read_bytes()).section("timer") is not None
    assert "32 sections" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("machine", "place", "why"),
    [("none-such", "out", "machine none-such"), ("pc-small", "no/such/place", "No such file")],
    ids=["no machine", "no place"],
)
def test_what_cannot_be_done_is_one_line(
    machine: str, place: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(machine, tmp_path / place) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert why in message
