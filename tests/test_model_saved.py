"""What a loaded machine would save again: the stream it came from, with what its devices say since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mutants
import pytest
import tiny

from fuzz.corpus import find_stream
from model import REFERENCE, load
from model.devices.virtio.device import Virtio
from model.saved import saved_stream
from vmformat import Section, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model import Machine

NAME = "q35-modern"
BLK = "0000:00:02.1:00.0/virtio-blk"
DATA = find_stream(f"{NAME}/after").read_bytes()


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Loaded from DATA."""
    machine = mutants.machine(NAME)
    assert load(machine, DATA, REFERENCE()).verdict == "accepted"
    yield machine
    machine.reset()


def disk(machine: Machine) -> Virtio:
    handler = machine.find_handler(BLK, 0)
    assert handler is not None
    assert isinstance(handler.effects, Virtio)
    return handler.effects


def section(machine: Machine) -> Section:
    saved = saved_stream(DATA, machine)
    assert saved is not None
    found = read(saved, machine.schemas).section(BLK)
    assert found is not None
    return found


def paths(found: Section) -> set[str]:
    return {leaf.path for leaf in found.leaves}


def test_a_machine_that_did_nothing_since_saves_what_it_loaded(machine: Machine) -> None:
    assert saved_stream(DATA, machine) == DATA


def test_a_flag_that_is_up_is_written(machine: Machine) -> None:
    disk(machine).broken = True
    found = section(machine)
    assert "virtio.core.virtio/broken.broken" in paths(found)
    assert found.read_payload()[1] is None


def test_a_flag_that_is_down_is_left_out(machine: Machine) -> None:
    assert disk(machine).started
    disk(machine).started = False
    assert not any("virtio/started" in path for path in paths(section(machine)))


def test_numbers_and_config_space_are_those_of_now(machine: Machine) -> None:
    effects = disk(machine)
    effects.status = 0x4F
    function = effects.handler.function
    assert function is not None
    function.config = function.config[:4] + b"\x06\x05" + function.config[6:]
    found = section(machine)
    values = {leaf.path: found.payload[leaf.offset : leaf.offset + leaf.size] for leaf in found.leaves}
    assert values["virtio.head.status"] == b"\x4f"
    assert next(value for path, value in values.items() if path.endswith(".command")) == b"\x06\x05"


def test_of_a_section_that_came_twice_the_last_is_saved() -> None:
    machine = tiny.machine()
    first, last = (tiny.blk(command=6, bar=bar) for bar in (0x200000, 0x300000))
    data = tiny.HEADER + first + last + tiny.EOF
    load(machine, data, REFERENCE())
    assert saved_stream(data, machine) == tiny.HEADER + last + tiny.EOF


UNKNOWN = {
    "damaged": tiny.HEADER + b"\x77",
    "no device": tiny.HEADER + tiny.EOF,
    "in a package": tiny.HEADER + b"\x08\0\7\0\4\0\0\0\1\0" + tiny.timer() + tiny.EOF,
}


@pytest.mark.parametrize("data", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_where_nobody_can_tell(data: bytes) -> None:
    assert saved_stream(data, tiny.machine()) is None
