"""virtio-serial: ports of a section against those of the destination (virtio.md 4.2)."""

from __future__ import annotations

import struct

import pytest
from mutants import Case, Cases, Change, Edit, check, on, patch, put
from test_model_requests import element

SERIAL = "virtio-console"
INVALID = "Invalid argument"
NO_PORT = (INVALID, "Failed to load virtio-console:virtio")
RAM = 0x800000


def case(edit: Edit, verdict: str = "accepted", text: str = "") -> Case:
    return Case(edit, verdict, text, machine="virtio-zoo")


def under_way(data: bytes, port: int = 0) -> Change:
    """A port that has not taken all of an element."""
    return patch(SERIAL, (f"ports[{port}].has_element", 4, struct.pack(">IIQ", 1, 0, 0) + data))


CASES: Cases = {
    "another size": case(put(SERIAL, "device.cols", 80)),
    "another number of ports": case(put(SERIAL, "max_nr_ports", 99)),
    "a port more in the map": case(put(SERIAL, "ports_map[0]", 0x03000001), "refused", INVALID),
    "a port more in the second word": case(put(SERIAL, "ports_map[1]", 1 << 31), "refused", INVALID),
    "an id that nobody has": case(put(SERIAL, "ports[0].id", 7), "refused", INVALID),
    "the same port twice": case(put(SERIAL, "ports[1].id", 0)),
    "in the other order": case(patch(SERIAL, ("ports[0].id", 4, b"\0\0\0\x21"), ("ports[1].id", 4, bytes(4)))),
    "no port": case(patch(SERIAL, ("nr_active_ports", 24, bytes(4)))),
    "one port": case(patch(SERIAL, ("nr_active_ports", 4, b"\0\0\0\1"), ("ports[1].id", 10, b""))),
    "three ports, the third once more": case(
        patch(SERIAL, ("nr_active_ports", 4, b"\0\0\0\3"), ("ports[0].id", 0, b"\0\0\0\x21" + bytes(6)))
    ),
    "a port that is not there": case(put(SERIAL, "nr_active_ports", 3), "refused", INVALID),
    "2^24 ports": case(put(SERIAL, "nr_active_ports", 1 << 24), "refused", INVALID),
    "2^32 - 1 ports": case(put(SERIAL, "nr_active_ports", 0xFFFFFFFF), "aborted", "failed to allocate"),
    "all open": case(patch(SERIAL, ("ports[0].guest_connected", 2, b"\1\xff"))),
    "an element that is not there": case(put(SERIAL, "ports[1].has_element", 1), "aborted"),
    "an element of a port that is not set up": case(under_way(element([], [(RAM, 16), (RAM + 64, 1)]), 1)),
    "elements of both": case(on(under_way(element([], [(RAM, 16)]), 1), under_way(element([], [(RAM + 64, 8)]), 0))),
    "an element that cannot be": case(
        under_way(element([], [(RAM, 16)], (1025, 1))), "aborted", "ARRAY_SIZE(data.in_addr) >= data.in_num"
    ),
    "an element of no length": case(
        under_way(element([], [(RAM, 0)]), 1), "refused", "virtio: error trying to map MMIO memory"
    ),
    "an element across the end of RAM": case(
        under_way(element([], [(0xFFFFF0, 32)])), "refused", "virtio: unexpected memory split"
    ),
}


@pytest.mark.parametrize("one", CASES.values(), ids=CASES.keys())
def test_the_model(one: Case) -> None:
    check(one)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
