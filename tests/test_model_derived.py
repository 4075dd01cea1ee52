"""What devices derive while loading and tell in the outcome: interrupts, faults; how that differs between designs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import tiny

from model import DeviceState, Outcome, QueueState, compare
from model.devices.virtio.transport import MASK_ALL, MSIX_ENABLE, Pci
from model.devices.vtd_faults import Fault, Faults
from model.layouts import kinds

if TYPE_CHECKING:
    import pytest

REFERENCE = Outcome("per-device", "accepted", devices=(DeviceState("d", "ich9_ahci"),))


def test_vectors_that_wait_and_messages_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    control = MSIX_ENABLE
    monkeypatch.setattr(Pci, "_control", lambda _: control)
    (device,) = [handler.effects for handler in tiny.machine().handlers if handler.effects is not None][-1:]
    transport: Any = device.transport  # type: ignore[attr-defined]
    assert transport.derived() == ()
    transport.vectors, transport.config_vector, transport.table = 2, 1, bytes(32)
    transport.interrupt(3)
    control |= MASK_ALL
    transport.interrupt(3)
    assert transport.derived() == (("vectors pending", "1"), ("messages sent", "1"))
    control = 0
    transport.interrupt(1)
    assert transport.derived()[0] == ("interrupt line", "up")
    transport.line(0)
    assert "interrupt line" not in dict(transport.derived())
    transport.reset()
    assert transport.derived() == ()


def test_a_fault_is_told_where_a_load_records_one() -> None:
    faults = Faults()
    faults.begin(None, bytes(0x240))  # type: ignore[arg-type]
    assert faults.derived() == ()
    faults.report(Fault.NOT_READABLE, 0x10, 0x1234, write=False, deep=False)
    record, status = faults.derived()
    assert record == ("fault record", "0xc000000600000010 0x1000")
    assert status[0] == "fault status"


def differing(before: tuple[tuple[str, str], ...], after: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Reader of the cause to text, of what is derived."""
    old, new = (
        dataclasses.replace(REFERENCE, devices=(DeviceState("d", "ich9_ahci", derived=one),)) for one in (before, after)
    )
    return {finding.cause.reader: finding.text for finding in compare(old, dataclasses.replace(new, design="mine"))}


def test_causes_have_no_numbers_of_ports_slots_or_segments() -> None:
    found = differing(
        (("dev[0].FIS area", "a"), ("dev[1].FIS area", "b"), ("slot 2", "c")),
        (("dev[0].FIS area", "x"), ("dev[1].FIS area", "y"), ("request segment 11", "z")),
    )
    assert found == {
        "dev[].FIS-area": "d: dev[0].FIS area is x, a in the reference",
        "request-segment": "d: request segment 11 is z, nothing in the reference",
        "slot": "d: slot 2 is nothing, c in the reference",
    }


def test_layout_causes_have_no_addresses_of_functions() -> None:
    rows = tuple((at, at, f"vtd-{at:02x}.0-dmar", 0, False, f"dmar{at}") for at in (2, 3))
    assert kinds(rows) == "vtd-dmar"
    assert kinds([(0, 0, "alias pci.0", 0, False, "a"), (1, 1, "isa/x-1", 0, False, "b")]) == "alias pci.0+isa-x-1"


def test_queues_and_devices_are_compared_by_what_they_are_called_not_by_their_place() -> None:
    first, second = QueueState(0, 8, 1, 1, 1, 0), QueueState(1, 8, 2, 2, 2, 0)
    device = DeviceState("a", "virtio-blk", queues=(first, second))
    old = dataclasses.replace(REFERENCE, devices=(device, DeviceState("b", "xhci", derived=(("slot 1", "x"),))))
    new = dataclasses.replace(
        old,
        design="mine",
        devices=(DeviceState("c", "hda", derived=(("st", "y"),)), dataclasses.replace(device, queues=(second,))),
    )
    found = {(finding.cause.device, finding.cause.reader) for finding in compare(old, new)}
    assert found == {("virtio-blk", "queues"), ("xhci", "slot"), ("hda", "st")}
