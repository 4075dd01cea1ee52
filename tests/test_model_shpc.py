"""The hot-plug controller of conventional bridges: what its interrupt needs, by cases held to the program."""

from __future__ import annotations

import pytest
from mutants import Case, Cases, Change, check, config, on, payload, raw, stream

from model.devices.shpc import LOCATOR, SLOTS, STATUS, events
from vmformat import write

BRIDGES = "bridges"
CONVENTIONAL, EXPRESS = "0000:00:01.0:01.0/pci_bridge", "0000:00:02.0/pcie-pci-bridge"
SIZE = 160
PIN, MSI_CONTROL = 0x3D, {CONVENTIONAL: 0x4E, EXPRESS: 0x8E}
DIES = "pci_irq_handler: Assertion `0 <= irq_num && irq_num < PCI_NUM_PINS' failed."


def registers(device: str, *values: tuple[int, int]) -> Change:
    """Bytes of the controller: it ends the section."""

    def change(data: bytes) -> bytes:
        found = bytearray(data)
        for at, value in values:
            found[len(data) - SIZE + at] = value
        return bytes(found)

    return payload(device, change)


def case(device: str, *edits: Change, verdict: str = "accepted", text: str = "") -> Case:
    return Case(on(*edits), verdict, text, machine=BRIDGES)


def pin(device: str, number: int) -> Change:
    return config(device, PIN, bytes([number]))


def messages(device: str) -> Change:
    return config(device, MSI_CONTROL[device], b"\x81")


def cut(data: bytes) -> bytes:
    """The end of the stream amid the registers of the first controller."""
    found = stream(BRIDGES).section(CONVENTIONAL)
    assert found is not None
    return data[: data.find(found.payload[-SIZE:]) + 24]


EVENT, UNMASKED, ENABLED = (SLOTS + 2, 1), (SLOTS + 3, 0), (STATUS.start, 0)
CASES: Cases = {
    f"{name}, {which}": found
    for which, device in (("conventional", CONVENTIONAL), ("Express", EXPRESS))
    for name, found in {
        "as it is": case(device),
        "no pin": case(device, pin(device, 0), verdict="aborted", text=DIES),
        "pin 4": case(device, pin(device, 4)),
        "pin 5": case(device, pin(device, 5), verdict="aborted", text=DIES),
        "messages do not help without an event": case(
            device, pin(device, 0), messages(device), verdict="aborted", text=DIES
        ),
        "an event that is masked": case(
            device, pin(device, 0), messages(device), registers(device, EVENT, ENABLED), verdict="aborted", text=DIES
        ),
        "an event while interrupts are off": case(
            device, pin(device, 0), messages(device), registers(device, EVENT, UNMASKED), verdict="aborted", text=DIES
        ),
        "an event, told by message": case(
            device, pin(device, 0), messages(device), registers(device, EVENT, UNMASKED, ENABLED)
        ),
        "an event, told by line": case(device, registers(device, EVENT, UNMASKED, ENABLED)),
        "a command, told by message": case(
            device, pin(device, 0), messages(device), registers(device, (STATUS.start + 2, 1), ENABLED)
        ),
        "a command, masked": case(
            device,
            pin(device, 0),
            messages(device),
            registers(device, (STATUS.start + 2, 1), (STATUS.start, 4)),
            verdict="aborted",
            text=DIES,
        ),
    }.items()
} | {"cut off": Case(raw(cut), "refused", "Failed to load pci_bridge:shpc", machine=BRIDGES)}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()


def test_events() -> None:
    quiet = bytearray(SIZE)
    assert events(bytes(quiet)) == 0
    for slot in (0, 30):
        found = bytearray(quiet)
        found[SLOTS + 4 * slot + 2] = 0x0C
        assert events(bytes(found)) == 2 << slot
        found[SLOTS + 4 * slot + 3] = 0x0C
        assert events(bytes(found)) == 0
    quiet[STATUS.start + 2] = 1
    assert events(bytes(quiet)) == 1
    quiet[STATUS.start] = 4
    assert events(bytes(quiet)) == 0
    assert LOCATOR.stop - LOCATOR.start == 4


def test_the_shipped_stream_says_what_it_is() -> None:
    found = stream(BRIDGES)
    assert found.section(CONVENTIONAL) is not None
    assert found.section(EXPRESS) is not None
    assert write(found)
