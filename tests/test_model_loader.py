"""The loader's verdicts, as stream.md 2 tells them, on a machine where every byte is in sight."""

from __future__ import annotations

import struct

import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from model import DESIGNS, Machine, Outcome, load

GOOD = tiny.HEADER + tiny.timer() + tiny.EOF


@pytest.fixture(scope="module")
def machine() -> Machine:
    return tiny.machine()


def outcome(machine: Machine, data: bytes, design: str = "per-device", *, loadvm: bool = False) -> Outcome:
    try:
        return load(machine, data, DESIGNS[design](), loadvm=loadvm)
    finally:
        machine.reset()


def command(number: int, payload: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BHH", 8, number, len(payload) if length is None else length) + payload


def package(body: bytes) -> bytes:
    return command(7, struct.pack(">I", len(body))) + body


ACCEPTED = {
    "only a timer": GOOD,
    "nothing but EOF": tiny.HEADER + tiny.EOF,
    "prefix of the machine name": b"QEVM\0\0\0\3\7\0\0\0\2ti" + tiny.EOF,
    "empty machine name": b"QEVM\0\0\0\3\7\0\0\0\0" + tiny.EOF,
    "junk behind EOF": GOOD + b"junk",
    "a section twice": tiny.HEADER + 2 * tiny.timer() + tiny.EOF,
    "a device as START": tiny.HEADER + tiny.full("timer", bytes(8), 0, 2, kind=1) + tiny.EOF,
    "PART loads the device again": tiny.HEADER
    + tiny.timer()
    + struct.pack(">BI", 2, 0)
    + bytes(8)
    + struct.pack(">BI", 0x7E, 0)
    + tiny.EOF,
    "ping behind open return path": tiny.HEADER + command(1, b"") + command(2, b"\0\0\0\1") + tiny.EOF,
    "package": tiny.HEADER + package(tiny.timer() + tiny.EOF) + tiny.EOF,
    "resume outside recovery": tiny.HEADER + command(9, b"") + tiny.EOF,
    "advise": tiny.HEADER + command(3, b"") + tiny.EOF,
}


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepts(machine: Machine, data: bytes) -> None:
    found = outcome(machine, data)
    assert (found.verdict, found.at) == ("accepted", None)


REFUSED = {
    "magic": (b"QEVN" + GOOD[4:], "Not a migration stream", "Invalid argument"),
    "version 2": (b"QEVM\0\0\0\2" + GOOD[8:], "SaveVM v2 format is obsolete", "Operation not supported"),
    "version 4": (b"QEVM\0\0\0\4" + GOOD[8:], "Unsupported migration stream version", "Operation not supported"),
    "no configuration": (GOOD[:8] + tiny.timer(), "Configuration section missing", "Invalid argument"),
    "longer machine name": (
        b"QEVM\0\0\0\3\7\0\0\0\5tiny2" + tiny.EOF,
        "Machine type received is 'tiny2' and local is 'tiny'",
        "Invalid argument",
    ),
    "unknown type": (tiny.HEADER + b"\x55", "Unknown savevm section type 85", "Invalid argument"),
    "unknown section": (tiny.HEADER + tiny.full("nobody", b""), "Unknown savevm section or instance", "Invalid arg"),
    "unknown PART": (tiny.HEADER + struct.pack(">BI", 2, 99), "Unknown savevm section 99", "Invalid argument"),
    "version too new": (
        tiny.HEADER + tiny.full("timer", bytes(8), 0, 0x8000000C),
        "savevm: unsupported version -2147483636 for 'timer' v2",
        "Invalid argument",
    ),
    "version too old": (
        tiny.HEADER + tiny.full("timer", bytes(8), 0, 1),
        "incoming version_id 1 is too old",
        "Invalid",
    ),
    "cut in a field": (tiny.HEADER + tiny.timer()[:-9], "Failed to load timer:ticks", "Input/output error"),
    "cut before EOF": (GOOD[:-1], "", "Input/output error"),
    "footer's id": (
        tiny.HEADER + tiny.timer()[:-1] + b"\x09",
        "Mismatched section id in footer for timer - read 0x9 expected 0x0",
        "Invalid argument",
    ),
    "no footer": (tiny.HEADER + tiny.timer()[:-5] + tiny.EOF, "Missing section footer for timer", "Invalid argument"),
    "ping without return path": (tiny.HEADER + command(2, bytes(4)), "received with no return path", "not permitted"),
    "command 0": (tiny.HEADER + command(0, b""), "MIG_CMD 0x0 unknown (len 0x0)", "Invalid argument"),
    "command's length": (
        tiny.HEADER + command(2, b"", 3),
        "PING received with bad length - expecting 4, got 3",
        "Numerical result out of range",
    ),
    "advise twice": (
        tiny.HEADER + 2 * command(3, b""),
        "CMD_POSTCOPY_ADVISE in wrong postcopy state (1)",
        "not permitted",
    ),
    "run without listen": (tiny.HEADER + command(5, b""), "wrong postcopy state (0)", "not permitted"),
    "empty package": (tiny.HEADER + package(b"") + tiny.EOF, "", "Input/output error"),
    "package cut off": (
        tiny.HEADER + command(7, struct.pack(">I", 9)) + b"12",
        "CMD_PACKAGED: Buffer receive fail ret=2 length=9",
        "Resource temporarily unavailable",
    ),
    "ram block unknown": (
        tiny.HEADER + tiny.full("ram", struct.pack(">QB", 0x1004, 3) + b"abc" + bytes(8), 2, 4),
        'Unknown ramblock "abc", cannot accept migration',
        "Invalid argument",
    ),
    "ram block longer": (
        tiny.HEADER + tiny.full("ram", struct.pack(">QB6sQ", 0x200004, 6, b"pc.ram", 0x200000), 2, 4),
        "Size mismatch: pc.ram: 0x200000 != 0x100000: Invalid argument",
        "Invalid argument",
    ),
    "ram version 3": (tiny.HEADER + tiny.full("ram", b"", 2, 3), "error while loading state for instance", "Invalid"),
    "wildcard instance of ram": (
        tiny.HEADER + tiny.full("ram", b"", 2, 4).replace(b"ram\0\0\0\0", b"ram\xff\xff\xff\xff"),
        "Unknown savevm section or instance 'ram' 4294967295",
        "Invalid argument",
    ),
    "vendor id": (
        tiny.HEADER + tiny.blk().replace(bytes.fromhex("f41a4210"), bytes.fromhex("f51a4210")),
        "get_pci_config_device: Bad config data: i=0x0 read: f5 device: f4 cmask: ff wmask: 0 w1cmask:0",
        "Invalid argument",
    ),
    "features": (
        tiny.HEADER + tiny.blk(features=1 << 32 | 1 << 63),
        "Features 0x8000000100000000 unsupported. Allowed features: 0x120000000",
        "Operation not permitted",
    ),
    "index without ring": (
        tiny.HEADER + tiny.blk(last_avail=7),
        "VQ 0 address 0x0 inconsistent with Host index 0x7",
        "Operation not permitted",
    ),
    "in use more than the size": (
        tiny.HEADER + tiny.ram({0x4000: tiny.ring(1)}) + tiny.blk(desc=0x2000, avail=0x3000, used=0x4000, last_avail=0),
        "VQ 0 size 0x100 < last_avail_idx 0x0 - used_idx 0x1",
        "Operation not permitted",
    ),
}


@pytest.mark.parametrize(("data", "line", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(machine: Machine, data: bytes, line: str, error: str) -> None:
    found = outcome(machine, data)
    assert found.verdict == "refused"
    assert found.messages[-1].startswith("load of migration failed: ")
    assert error in found.messages[-1]
    assert any(line in message for message in found.messages)
    assert found.at is not None


ABORTED = {
    "machine name of 4 GiB": (
        b"QEVM\0\0\0\3\7\xff\xff\xff\xff",
        "failed to allocate 18446744073709551615 bytes",
    ),
    "ring of size 0": (tiny.HEADER + tiny.blk(desc=0x2000, num=0), "Assertion `len > 0' failed"),
}


@pytest.mark.parametrize(("data", "line"), ABORTED.values(), ids=ABORTED.keys())
def test_aborts(machine: Machine, data: bytes, line: str) -> None:
    found = outcome(machine, data)
    assert found.verdict == "aborted"
    assert any(line in message for message in found.messages)


def test_empty_stream_waits(machine: Machine) -> None:
    assert outcome(machine, b"").verdict == "waiting"


def test_a_broken_ring_is_accepted_and_said(machine: Machine) -> None:
    found = outcome(machine, tiny.HEADER + tiny.blk(desc=0x2000, avail=0x3000, used=0x4000, last_avail=5) + tiny.EOF)
    assert found.verdict == "accepted"
    assert found.devices[0].broken
    assert found.messages == ("VQ 0 size 0x100 Guest index 0x0 inconsistent with Host index 0x5: delta 0xfffb",)


def test_a_huge_device_config_hangs(machine: Machine) -> None:
    section = tiny.blk()
    at = section.index(struct.pack(">BBHII", 4, 0, 0, 0, 8)) + 8
    data = tiny.HEADER + section[:at] + b"\xff\xff\xff\xff" + section[at + 4 :] + tiny.EOF
    assert outcome(machine, data).verdict == "hung"


def test_nested_package_reads_its_body_from_the_main_channel(machine: Machine) -> None:
    inner = tiny.timer() + tiny.EOF
    data = tiny.HEADER + package(command(7, b"", 4) + tiny.EOF) + struct.pack(">I", len(inner)) + inner + tiny.EOF
    assert outcome(machine, data).verdict == "accepted"


@pytest.mark.parametrize(("depth", "verdict"), [(3, "accepted"), (4000, "accepted"), (20000, "aborted")])
def test_packages_in_packages(machine: Machine, depth: int, verdict: str) -> None:
    """stream.md 1.7: every body comes from the main channel; 4,000 levels load, 20,000 overflow the stack."""
    body = command(7, b"", 4) + tiny.EOF
    data = tiny.HEADER + command(7, b"", 4) + depth * (struct.pack(">I", len(body)) + body)
    data += struct.pack(">I", 1) + tiny.EOF + tiny.EOF
    for design in ("per-device", "wrap-main"):
        assert outcome(machine, data, design).verdict == verdict


def test_snapshot_load_says_error_and_lives(machine: Machine) -> None:
    found = outcome(machine, GOOD[:-1], loadvm=True)
    assert (found.verdict, found.messages[-1]) == ("refused", "Error -5 while loading VM state")


FULL_STREAM = (
    tiny.HEADER
    + tiny.timer()
    + tiny.ram({0x3000: tiny.ring(1), 0x4000: tiny.ring(1)})
    + tiny.blk(command=6, bar=0xFE000000, desc=0x2000, avail=0x3000, used=0x4000, last_avail=1)
    + tiny.EOF
)


@pytest.mark.parametrize("design", DESIGNS)
def test_every_truncation_has_a_verdict(machine: Machine, design: str) -> None:
    for cut in (*range(64), *range(64, len(FULL_STREAM), 97), len(FULL_STREAM) - 1):
        found = outcome(machine, FULL_STREAM[:cut], design)
        assert found.verdict in {"waiting", "refused", "aborted"}, cut


@pytest.mark.parametrize("design", DESIGNS)
def test_reset_gives_the_machine_of_before(machine: Machine, design: str) -> None:
    outcome(machine, FULL_STREAM, design)
    outcome(machine, FULL_STREAM[:-40], design)
    assert outcome(machine, FULL_STREAM, design) == outcome(tiny.machine(), FULL_STREAM, design)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300), keep=st.integers(0, len(FULL_STREAM)), design=st.sampled_from(sorted(DESIGNS)))
def test_no_bytes_raise(data: bytes, keep: int, design: str) -> None:
    machine = tiny.machine()
    for stream in (data, tiny.HEADER + data, FULL_STREAM[:keep] + data):
        assert outcome(machine, stream, design) == outcome(machine, stream, design)
