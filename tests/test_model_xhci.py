"""xHCI: which slots survive a load, by what the guest's tables and contexts hold."""

from __future__ import annotations

import json
import struct

import pytest
from mutants import Case, Cases, Change, byte, check, data_of, machine, on, outcome_of, page, put, stream

from fuzz.corpus import find_machine
from model import DESIGNS, REFERENCE, Machine, load, parse
from vmformat import write

USB, XHCI = "q35-usb", "xhci"
TABLE, CONTEXT = 0x1000000, 0x1001000
UNMAPPED = 0x5000000
ALL, NONE, ONE = (1, 2, 3), (), (1,)


def table(*contexts: int) -> Change:
    """The table of device contexts in a page of its own."""
    return on(page(TABLE, struct.pack(f"<{len(contexts) + 1}Q", 0, *contexts)), put(XHCI, ".dcbaap_low", TABLE))


def context(port: int, route: int = 0, *endpoints: int) -> Change:
    """A context of a device at a port, with the first words of its endpoints."""
    words = struct.pack("<4I", route, port << 16, 0, 0).ljust(32, b"\0")
    return on(
        table(CONTEXT), page(CONTEXT, words + b"".join(struct.pack("<I", word).ljust(32, b"\0") for word in endpoints))
    )


def _case(*edits: Change) -> Case:
    return Case(on(*edits), machine=USB)


SLOTS: dict[str, tuple[Case, tuple[int, ...], bool]] = {
    "as the guest left it": (_case(), ALL, False),
    "no table": (_case(put(XHCI, ".dcbaap_low", 0)), NONE, False),
    "table above RAM": (_case(put(XHCI, ".dcbaap_low", UNMAPPED)), NONE, False),
    "table at the end of RAM": (_case(put(XHCI, ".dcbaap_low", 0x4000000 - 8)), NONE, False),
    "table above 4 GiB": (_case(put(XHCI, ".dcbaap_high", 1)), NONE, False),
    "bus master off": (_case(byte(XHCI, 4, 2)), NONE, True),
    "context above RAM": (_case(table(UNMAPPED)), NONE, True),
    "context across the end of RAM": (_case(table(0x4000000 - 8)), NONE, True),
    "context at the end of RAM": (_case(table(0x4000000 - 16)), NONE, False),
    "port 0": (_case(context(0)), NONE, False),
    "port 1": (_case(context(1)), ONE, False),
    "port 3, where nothing is": (_case(context(3)), NONE, False),
    "port 5, the other half of 1": (_case(context(5)), ONE, False),
    "port 8": (_case(context(8)), NONE, False),
    "port 9": (_case(context(9)), NONE, False),
    "behind a hub": (_case(context(2, 3)), ONE, False),
    "behind a hub, the wrong port": (_case(context(2, 2)), NONE, False),
    "behind a hub that is none": (_case(context(1, 3)), NONE, False),
    "two hops": (_case(context(2, 0x33)), NONE, False),
    "a route that begins with 0": (_case(context(2, 0x30)), ONE, False),
    "endpoints of every state": (_case(context(1, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1)), ONE, False),
    "a slot more": (_case(put(XHCI, "slots[7].addressed", 1)), ALL, False),
    "a slot less": (_case(put(XHCI, "slots[1].addressed", 0)), (1, 3), False),
    "contexts all in one page": (_case(table(CONTEXT, CONTEXT, CONTEXT)), NONE, False),
}
CASES: Cases = {name: case for name, (case, _, _) in SLOTS.items()}


@pytest.mark.parametrize(("case", "slots", "error"), SLOTS.values(), ids=SLOTS.keys())
def test_slots_left(case: Case, slots: tuple[int, ...], error: bool) -> None:
    check(case)
    told = dict(next(device for device in outcome_of(case).devices if device.kind == XHCI).derived)
    assert tuple(n for n in range(1, 65) if told.get(f"slot {n}", "dis").startswith("context")) == slots
    assert ("controller" in told) == error


def test_endpoints_are_told() -> None:
    found = outcome_of(SLOTS["endpoints of every state"][0])
    told = dict(next(device for device in found.devices if device.kind == XHCI).derived)["slot 1"]
    states = [part.split(" at ")[0] for part in told.split(", ")[1:]]
    assert states == [
        "1 running",
        "2 halted",
        "3 stopped",
        "4 error",
        "5 state 5",
        "6 state 6",
        "7 state 7",
        "9 running",
    ]


@pytest.mark.parametrize(("fast", "ports"), [(3, (1, 2, 4, 5)), (6, (1, 2, 7, 8)), (None, (1, 2, 5, 6))])
def test_sockets_of_either_kind(fast: int | None, ports: tuple[int, ...]) -> None:
    """Asked of the program with p3=3 (and p2=5) and p3=6 (p2=2): ports of USB 3 come first, sockets count from 1."""
    document = json.loads(find_machine(USB).description.read_bytes())
    function = next(entry for entry in document["pci"] if entry["type"] == "qemu-xhci")
    function["properties"] = {} if fast is None else {"p2": 8 - fast, "p3": fast}
    bench = Machine(parse(json.dumps(document)))
    found = []
    for port in range(1, 9):
        told = dict(load(bench, data_of(_case(context(port))), REFERENCE()).devices[0].derived)
        found += [port] if told["slot 1"].startswith("context") else []
        bench.reset()
    assert tuple(found) == ports


def test_batched_every_slot_is_dropped_without_a_word() -> None:
    """virtio.md 9.1, row 8."""
    bench = machine(USB)
    try:
        found = load(bench, write(stream(USB)), DESIGNS["wrap-main"]())
    finally:
        bench.reset()
    assert found.verdict == "accepted"
    assert found.harmful_reads[-2:] == (("usb_xhci_post_load", 3), ("xhci_dma_read_u32s", 3))
    told = dict(found.devices[0].derived)
    assert {told[f"slot {n}"] for n in ALL} == {"disabled: its context names no device"}


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
