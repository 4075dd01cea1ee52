"""Connections in the section of a user-mode network, refused as the program refuses them."""

from __future__ import annotations

import pytest

from fuzz.commands.capture import CaptureOptions, capture
from fuzz.confirm import Against, hold
from model import REFERENCE, Machine, load, parse
from vmformat import Section, Stream, read, write

ARGUMENTS = ("-machine", "isapc", "-m", "8M", "-nodefaults", "-netdev", "user,id=n", "-device", "ne2k_isa,netdev=n")

# Bytes of the section from its first, and a piece of what is said; "" where it loads.
CASES = {
    "no connection": (b"", ""),
    "only numbers": (b"\0\xff\xff\xff", ""),
    "a connection from nowhere": (b"\1", "invalid ss_family type 0"),
    "any byte says that there is one": (b"\x80", "invalid ss_family type 0"),
    "from another family": (b"\1\0\0\0\0\x02\x0a", "invalid ss_family type 20a"),
    "to nowhere": (b"\1\0\0\0\0\0\x02", "Failed to load slirp-socket:lhost"),
}


@pytest.fixture(scope="module")
def captured(real_qemu: str) -> tuple[Machine, Stream]:
    files, _ = capture("isa", CaptureOptions("x/isa", ARGUMENTS, qemu=real_qemu, boot=0), lambda _: None)
    machine = Machine(parse(files["machines/isa.json"]))
    return machine, read(files["seeds/isa/before.vmstate"], machine.schemas)


@pytest.mark.qemu
@pytest.mark.parametrize(("data", "text"), CASES.values(), ids=CASES.keys())
def test_as_the_program(data: bytes, text: str, captured: tuple[Machine, Stream], real_qemu: str) -> None:
    machine, stream = captured
    index = next(i for i, r in enumerate(stream.records) if isinstance(r, Section) and r.name == "slirp")
    section = stream.records[index]
    assert isinstance(section, Section)
    edited = write(stream.replace_record(index, section.replace_bytes(0, data)))

    outcome = load(machine, edited, REFERENCE())
    machine.reset()

    assert outcome.verdict == ("refused" if text else "accepted")
    assert any(text in line for line in outcome.messages)
    assert hold(machine, edited, Against(REFERENCE, real_qemu)).lines == ()
