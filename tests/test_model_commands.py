"""COMMAND records in shipped streams, as a destination without capabilities obeys them (stream.md 1.6, 2.10, 2.11)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from mutants import Case, Cases, Change, check, insert, on

from vmformat import Command, Eof, Section, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN, PING, ADVISE, LISTEN, RUN, DISCARD, PACKAGED, COLO, RESUME, BITMAP = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10


GO, HEAR = Command(RUN, b"").to_bytes(), Command(LISTEN, b"").to_bytes()


def before(*commands: Command) -> Change:
    return insert(0, *commands)


def after(*commands: Command) -> Change:
    return insert(-1, *commands)


def package(body: bytes) -> Command:
    return Command(PACKAGED, struct.pack(">I", len(body)), body)


def name(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def discard(block: bytes, *ranges: tuple[int, int], version: int = 0, nil: bytes = b"\0") -> Command:
    pairs = b"".join(struct.pack(">QQ", *pair) for pair in ranges)
    return Command(DISCARD, bytes([version]) + name(block) + nil + pairs)


def heard(devices: bytes) -> bytes:
    return HEAR + devices + GO


def postcopy(*commands: Command, body: Callable[[bytes], bytes] = heard) -> Change:
    """Advised; RAM, then the commands, then the devices in a package."""

    def edit(found: Stream) -> Stream:
        sections = [record for record in found.records if isinstance(record, Section)]
        devices = b"".join(record.to_bytes() for record in sections if not record.is_ram)
        ram = [record for record in sections if record.is_ram]
        return found.with_records((Command(ADVISE, b""), *ram, *commands, package(body(devices)), Eof()))

    return edit


def pages(payload: bytes) -> Change:
    """The guest runs already, and these records of RAM come on demand."""

    def edit(found: Stream) -> Stream:
        first, ram, *rest = found.records
        assert isinstance(ram, Section)
        late = ram.replace_payload(payload + struct.pack(">Q", 0x10))
        return found.with_records((Command(ADVISE, b""), first, package(HEAR + GO), late, *rest))

    return edit


def record(flags: int, body: bytes = b"", block: bytes | None = b"pc.ram", address: int = 0xC0000) -> bytes:
    return struct.pack(">Q", address | flags) + (b"" if block is None else name(block)) + body


CASES: Cases = {
    "a late page": Case(pages(record(8, bytes(4096))), "refused", "Illegal RAM offset c0000"),
    "a late page of zeros": Case(pages(record(2, b"\0", b"pc.bios", 0x1000)), "refused", "Illegal RAM offset 1000"),
    "a late page and another flag": Case(pages(record(0xA, bytes(4096))), "refused", "Illegal RAM offset c0000"),
    "a late page of no block": Case(pages(record(2, b"\0", b"nope")), "refused", "Can't find block nope"),
    "a late page of the same block": Case(pages(record(0x22, b"\0", None)), "refused", "Ack, bad migration stream!"),
    "a late list of blocks": Case(
        pages(record(4, block=None, address=0)), "refused", "migration flags: 0x4 (postcopy mode)"
    ),
    "a late XBZRLE page": Case(pages(record(0x40, bytes(3))), "refused", "migration flags: 0x40 (postcopy mode)"),
    "a late compressed page": Case(pages(record(0x100, bytes(14))), "refused", "Illegal RAM offset c0000"),
    "no late page": Case(pages(b""), "aborted", "qemu_mutex_iothread_locked"),
    "open": Case(before(Command(OPEN, b""))),
    "open twice": Case(before(Command(OPEN, b""), Command(OPEN, b""))),
    "ping": Case(before(Command(PING, bytes(4))), "refused", "CMD_PING (0x0) received with no return path"),
    "open, ping": Case(before(Command(OPEN, b""), Command(PING, b"\0\0\0\1"))),
    "ping of 3 bytes": Case(
        before(Command(PING, bytes(3))), "refused", "PING received with bad length - expecting 4, got 3"
    ),
    "command 0": Case(before(Command(0, b"")), "refused", "MIG_CMD 0x0 unknown (len 0x0)"),
    "command 11": Case(before(Command(11, b"x")), "refused", "MIG_CMD 0xb unknown (len 0x1)"),
    "command ffff": Case(before(Command(0xFFFF, b"")), "refused", "MIG_CMD 0xffff unknown (len 0x0)"),
    "advise": Case(before(Command(ADVISE, b""))),
    "advise twice": Case(
        before(*2 * [Command(ADVISE, b"")]), "refused", "CMD_POSTCOPY_ADVISE in wrong postcopy state (1)"
    ),
    "advise of 16 bytes": Case(
        before(Command(ADVISE, bytes(16))), "refused", "RAM postcopy is disabled but have 16 byte"
    ),
    "advise of 8 bytes": Case(before(Command(ADVISE, bytes(8))), "refused", "CMD_POSTCOPY_ADVISE invalid length (8)"),
    "listen unadvised": Case(after(Command(LISTEN, b"")), "refused", "CMD_POSTCOPY_LISTEN in wrong postcopy state (0)"),
    "run unheard": Case(after(Command(RUN, b"")), "refused", "CMD_POSTCOPY_RUN in wrong postcopy state (0)"),
    "run after advise": Case(after(Command(ADVISE, b""), Command(RUN, b"")), "refused", "wrong postcopy state (1)"),
    "discard unadvised": Case(
        after(discard(b"pc.ram", (0, 4096))), "refused", "POSTCOPY_RAM_DISCARD in wrong postcopy state (0)"
    ),
    "discard and no listen": Case(before(Command(ADVISE, b""), discard(b"pc.ram", (0x2000000, 4096))), "waiting"),
    "discard twice, listen and run": Case(postcopy(*2 * [discard(b"pc.ram", (0, 4096), (0x5000, 4096))])),
    "discard the ring, listen and run": Case(
        postcopy(discard(b"pc.ram", (0x3FDE000, 4096))), text="Guest index 0x0 inconsistent with Host index 0x1"
    ),
    "discard in a package": Case(
        postcopy(body=lambda data: discard(b"pc.ram", (0, 4096)).to_bytes() + HEAR + data + GO),
        "refused",
        "RAMBlock ID",
    ),
    "a secondary of COLO waits for good": Case(before(Command(COLO, b"")), "hung"),
    "COLO, and a load that fails": Case(
        before(Command(COLO, b""), Command(99, b"")), "refused", "MIG_CMD 0x63 unknown"
    ),
    "listen unadvised, in a package": Case(before(package(HEAR)), "refused", "wrong postcopy state (0)"),
    "discard part of a page": Case(
        before(Command(ADVISE, b""), discard(b"pc.ram", (0, 4097))), "refused", "Unaligned length: 1001"
    ),
    "discard from within a page": Case(
        before(Command(ADVISE, b""), discard(b"pc.ram", (1, 4096))), "refused", "Unaligned start address"
    ),
    "discard behind the tables that may grow": Case(
        before(Command(ADVISE, b""), discard(b"/rom@etc/acpi/tables", (0x20000, 4096))), "waiting"
    ),
    "discard nothing": Case(before(Command(ADVISE, b""), discard(b"pc.ram")), "refused", "invalid length (9)"),
    "discard by version 1": Case(
        before(Command(ADVISE, b""), discard(b"pc.ram", (0, 4096), version=1)), "refused", "invalid version (1)"
    ),
    "discard without nil": Case(
        before(Command(ADVISE, b""), discard(b"pc.ram", (0, 4096), nil=b"\1")), "refused", "missing nil (1)"
    ),
    "discard of nobody's": Case(before(Command(ADVISE, b""), discard(b"nobody", (0, 4096))), "refused", "nobody"),
    "discard behind the block": Case(
        before(Command(ADVISE, b""), discard(b"pc.ram", (0x4000000, 4096))), "refused", "Overrun block 'pc.ram'"
    ),
    "discard of an odd length": Case(
        before(Command(ADVISE, b""), Command(DISCARD, b"\0" + name(b"pc.ram") + bytes(20))), "refused", "invalid length"
    ),
    "empty package": Case(before(package(b"")), "refused", "Input/output error"),
    "package of EOF": Case(before(package(b"\0"))),
    "package of nonsense": Case(before(package(b"\x55")), "refused", "Unknown savevm section type 85"),
    "package that is cut": Case(
        after(Command(PACKAGED, struct.pack(">I", 1 << 20))), "refused", "CMD_PACKAGED: Buffer receive fail"
    ),
    "package's length of 2 bytes": Case(
        before(Command(PACKAGED, bytes(2))), "refused", "PACKAGED received with bad length"
    ),
    "open in a package": Case(before(package(Command(OPEN, b"").to_bytes() + b"\0"), Command(PING, bytes(4)))),
    "listen and run": Case(postcopy()),
    "resume": Case(before(Command(RESUME, b""))),
    "bitmap": Case(before(Command(BITMAP, name(b"pc.ram"))), text="MSG_RP_RECV_BITMAP only used for recovery"),
    "bitmap of nobody": Case(before(Command(BITMAP, name(b"nobody"))), "refused", "block 'nobody' not found"),
    "bitmap of another length": Case(
        before(Command(BITMAP, name(b"pc.ram") + b"\0")), "refused", "invalid payload length (8)"
    ),
    "bitmap of no name": Case(before(Command(BITMAP, b"\0")), "refused", "failed to read block name"),
    "nothing at all": Case(on()),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
