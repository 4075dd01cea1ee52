"""Windows and slot power on shipped streams, by the tables of pci.md 9; the arithmetic is in test_model_pci."""

from __future__ import annotations

import mutants
import pytest
import tiny
from mutants import Case, Cases, again, behind, byte, check, dword, on, qword, word

from model.devices import bridge
from model.devices.bridge import slot_has_power

BLK, PORT0, PORT1 = "02.1:00.0/virtio-blk", "02.0/pcie-root-port", "02.1/pcie-root-port"
COMMON, NOTIFY = "virtio-pci-common-virtio-blk", "virtio-pci-notify-virtio-blk"
OPEN: dict[int, str | None] = {0xFE800000: COMMON}
CLOSED: dict[int, str | None] = {0xFE800000: None}

CASES: Cases = {
    "memory limit below base": Case(word(PORT1, 0x22, 0xFE10), shows=OPEN | {0xFE200000: None}),
    "prefetchable limit below base": Case(word(PORT1, 0x26, 0xFE71), shows=CLOSED | {0xFE200000: "msix-table"}),
    "memory off": Case(word(PORT1, 4, 0x101), shows=CLOSED | {0xFE200000: None, 0xFE601000: None}),
    "ports off": Case(word(PORT1, 4, 0x102), shows=OPEN),
    "all of 64 bits": Case(
        on(word(PORT1, 0x24, 1), word(PORT1, 0x26, 0xFFF1), qword(PORT1, 0x28, 0xFFFFFFFF00000000)), shows=CLOSED
    ),
    "all of 64 bits but the first MiB": Case(
        on(word(PORT1, 0x24, 0x11), word(PORT1, 0x26, 0xFFF1), qword(PORT1, 0x28, 0xFFFFFFFF00000000)), shows=OPEN
    ),
    "prefetchable over both": Case(
        on(word(PORT1, 0x24, 0xFE01), word(PORT1, 0x22, 0xFE10)), shows=OPEN | {0xFE200000: "msix-table"}
    ),
    "window over the other port's": Case(on(word(PORT0, 0x24, 0xFE01), word(PORT1, 0x24, 0xFE01)), shows=OPEN),
    "clipped at its end": Case(
        on(dword(BLK, 0x20, 0xFE8FE00C & ~0x3FFF | 0xC), word(PORT1, 0x26, 0xFE81)), shows={0xFE8FC000: COMMON}
    ),
    "starting behind the device": Case(word(PORT1, 0x24, 0xFE91), shows=CLOSED),
    "window into RAM": Case(on(word(PORT1, 0x24, 0x01), word(PORT1, 0x26, 0xFE91)), shows=OPEN | {0x3FDD000: "pc.ram"}),
    "I/O window open": Case(on(byte(PORT1, 0x1C, 0xC0), byte(PORT1, 0x1D, 0xC0)), space="I/O"),
    "secondary bus 0": Case(byte(PORT1, 0x19, 0), shows=OPEN),
    "secondary bus of the other": Case(byte(PORT1, 0x19, 1), shows=OPEN),
    "own bus master on": Case(word(PORT1, 4, 0x107), shows=OPEN),
    "VGA": Case(word(PORT1, 0x3E, 8), shows=OPEN),
    "VGA with everything off": Case(on(word(PORT1, 0x3E, 8), word(PORT1, 4, 0)), shows=CLOSED),
    "VGA on, then off": Case(on(again(PORT1), word(PORT1, 0x3E, 8)), shows=OPEN),
    "VGA on two ports": Case(on(word(PORT0, 0x3E, 8), word(PORT1, 0x3E, 8))),
    "own BAR moved": Case(dword(PORT1, 0x10, 0xFE700000), shows={0xFE700000: "msix-table", 0xFE601000: None}),
    "own BAR into its window": Case(dword(PORT1, 0x10, 0xFE800000), shows={0xFE800000: COMMON}),
    "closed, then open": Case(on(again(PORT1), word(PORT1, 0x26, 0xFE71)), shows=OPEN),
    "open, then closed": Case(again(PORT1, word(PORT1, 0x26, 0xFE71)), shows=CLOSED),
    "power off": Case(byte(PORT1, 0x6D, 0x04), shows=CLOSED),
    "power off behind its device": Case(on(byte(PORT1, 0x6D, 0x04), behind(PORT1, BLK)), shows=CLOSED),
    "power off, then on": Case(on(again(PORT1), byte(PORT1, 0x6D, 0x04)), shows=OPEN),
    "power off, on, and the device again": Case(on(again(PORT1), again(BLK), byte(PORT1, 0x6D, 0x04)), shows=OPEN),
    "power on, then off": Case(again(PORT1, byte(PORT1, 0x6D, 0x04)), shows=CLOSED),
    "power of an empty slot": Case(byte(PORT0, 0x6D, 0x04), shows={0xFEA00000: None}),
    "slot status": Case(byte(PORT1, 0x6E, 0x19)),
    "link state has changed": Case(byte(PORT1, 0x6F, 1), "refused", "Bad config data: i=0x6f"),
    "slot control of all ones": Case(word(PORT1, 0x6C, 0xFFFF), "refused", "Bad config data: i=0x6c"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()


POWER = {
    "no Express capability": (b"", True),
    "no power controller": (bytes((0x10, 0)) + bytes(18) + b"\0\0\0\0" + b"\0\x04", True),
    "power controller, on": (bytes((0x10, 0)) + bytes(18) + b"\2\0\0\0" + b"\0\0", True),
    "power controller, off": (bytes((0x10, 0)) + bytes(18) + b"\2\0\0\0" + b"\0\x04", False),
}


@pytest.mark.parametrize(("capability", "power"), POWER.values(), ids=POWER.keys())
def test_slot_power(capability: bytes, power: bool) -> None:
    function = tiny.machine().functions["0000:00:02.0"]
    data = bytearray(function.config)
    data[0x34] = 0x40
    data[0x40 : 0x40 + len(capability)] = capability
    function.config = bytes(data)
    assert slot_has_power(function) == power


def test_windows_are_worked_out_once_for_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = mutants.machine("bridges")
    function = next(one for one in machine.functions.values() if one.bridge is not None)
    assert function.bridge is not None
    opened = bytearray(function.config)
    opened[4], opened[0x20:0x24] = 2, bytes.fromhex("10fe10fe")
    found = []
    for config in (bytes(opened), bytes(opened), function.config):
        function.bridge.rebuild(config)
        window = function.bridge.windows["mem"]
        found.append((window.addr, window.size))
        machine.reset()
    assert found == [(0xFE100000, 0x100000)] * 2 + [found[2]]
    assert found[2] != found[0]
    monkeypatch.setattr(bridge, "memory_window", lambda _config: (0xF0000000, 0xF00FFFFF))
    function.bridge.rebuild(bytes(opened))
    assert function.bridge.windows["mem"].addr == 0xF0000000, "a seam that is replaced is asked"
    machine.reset()
    monkeypatch.undo()
    function.bridge.rebuild(bytes(opened))
    assert function.bridge.windows["mem"].addr == 0xFE100000, "and what it said is not kept"
    machine.reset()
    monkeypatch.setattr(bridge, "MOST_KNOWN", 3)
    for number in range(10):
        opened[0x1C] = number << 4
        function.bridge.rebuild(bytes(opened))
        machine.reset()
    assert len(function.bridge._known) <= 3
