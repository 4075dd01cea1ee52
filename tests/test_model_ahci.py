"""AHCI: engines, queued and issued commands, on shipped streams."""

from __future__ import annotations

import struct

import pytest
from mutants import Case, Cases, Change, again, byte, check, on, page, put

AHCI = "ich9_ahci"
RX_ON, RX, RUNNING, START = 1 << 14, 1 << 4, 1 << 15, 1

SATA = "q35-sata"
LIST, TABLE = 0x1000000, 0x1001000
WHOLE = 0x3FFFFF


def halted(sectors: int, *entries: int, **changes: int) -> Change:
    """A queued command of so many sectors in slot 3 that had halted, with a scatter list of entries of these sizes."""
    length = changes.pop("entries", len(entries))
    where = changes.pop("table", TABLE)
    command = {"sector_count": sectors, "tag": 3, "cmd": 0x60, "slot": 3, "used": 1, "halt": 1} | changes
    scatter = b"".join(struct.pack("<QII", 0x2000000, 0, size - 1) for size in entries)
    return on(
        put(AHCI, "dev[0].port_regs.lst_addr", LIST),
        page(LIST, bytes(32 * 3) + struct.pack("<HHIQ", 5, length, 0, where)),
        page(TABLE, bytes(0x80) + scatter),
        *(put(AHCI, f"dev[0].ncq_tfs[3].{name}", value) for name, value in command.items()),
    )


def issued(slot: int, fis: int, *more: Change, table: int = TABLE) -> Change:
    """A command that was issued in a slot, whose table begins with that byte."""
    return on(
        put(AHCI, "dev[0].port_regs.lst_addr", LIST),
        put(AHCI, "dev[0].port_regs.cmd_issue", 1 << slot),
        page(LIST, bytes(32 * slot) + struct.pack("<HHIQ", 5, 0, 0, table)),
        page(TABLE, bytes([fis])),
        *more,
    )


def _sata(edit: Change, verdict: str = "accepted") -> Case:
    return Case(edit, verdict, "" if verdict == "accepted" else "Operation not permitted", machine=SATA)


CASES: Cases = {
    # AHCI
    "AHCI receives": Case(on(put(AHCI, "dev[0].port_regs.cmd", RX), put(AHCI, "dev[0].port_regs.fis_addr", 0x1000000))),
    "AHCI receives at 0": Case(put(AHCI, "dev[0].port_regs.cmd", RX)),
    "AHCI receives nowhere": Case(
        on(put(AHCI, "dev[0].port_regs.cmd", RX), put(AHCI, "dev[0].port_regs.fis_addr_hi", 1)),
    ),
    "AHCI receives across the end of RAM": Case(
        on(put(AHCI, "dev[0].port_regs.cmd", RX), put(AHCI, "dev[0].port_regs.fis_addr", 0x3FFFF80)),
        "refused",
        "AHCI: Failed to start FIS receive engine: bad FIS receive buffer address",
    ),
    "AHCI receives, without master": Case(
        on(put(AHCI, "dev[0].port_regs.cmd", RX), byte(AHCI, 4, 3)),
    ),
    "AHCI receives nowhere, twice": Case(
        on(
            *(put(AHCI, f"dev[{port}].port_regs.cmd", RX) for port in (0, 1)),
            *(put(AHCI, f"dev[{port}].port_regs.fis_addr_hi", 1) for port in (0, 1)),
        ),
        "refused",
        "AHCI: Failed to start FIS receive engine",
    ),
    "AHCI starts": Case(
        on(put(AHCI, "dev[1].port_regs.cmd", START), put(AHCI, "dev[1].port_regs.lst_addr", 0x1000000))
    ),
    "AHCI starts across the end of RAM": Case(
        on(put(AHCI, "dev[1].port_regs.cmd", START), put(AHCI, "dev[1].port_regs.lst_addr", 0x3FFFC10)),
        "refused",
        "AHCI: Failed to start DMA engine: bad command list buffer address",
    ),
    "AHCI runs unstarted": Case(
        put(AHCI, "dev[2].port_regs.cmd", RUNNING), "refused", "AHCI: DMA engine should be off"
    ),
    "AHCI receives unstarted": Case(
        put(AHCI, "dev[2].port_regs.cmd", RX_ON), "refused", "AHCI: FIS RX engine should be off"
    ),
    "AHCI both engines": Case(
        on(
            put(AHCI, "dev[5].port_regs.cmd", START | RX | RUNNING | RX_ON),
            put(AHCI, "dev[5].port_regs.lst_addr", 0x1000000),
            put(AHCI, "dev[5].port_regs.fis_addr", 0x1001000),
        )
    ),
    "AHCI busy slot 32": Case(put(AHCI, "dev[0].busy_slot", 32), "refused", "Operation not permitted"),
    "AHCI busy slot 0": Case(put(AHCI, "dev[0].busy_slot", 0)),
    "AHCI busy slot -2": Case(put(AHCI, "dev[3].busy_slot", 0xFFFFFFFE), "refused", "Operation not permitted"),
    "AHCI queued, not halted": Case(put(AHCI, "dev[0].ncq_tfs[31].used", 1), "refused", "Operation not permitted"),
    "AHCI halted, not queued": Case(put(AHCI, "dev[0].ncq_tfs[0].halt", 1), "refused", "Operation not permitted"),
    "AHCI halted, no command": Case(
        on(put(AHCI, "dev[0].ncq_tfs[0].halt", 1), put(AHCI, "dev[0].ncq_tfs[0].used", 1)), "refused", "not permitted"
    ),
    "AHCI ports": Case(put(AHCI, "ahci.ports", 7), "refused", "6 != 7"),
    # commands of a guest, in a disk that firmware has started
    "a disk": _sata(on()),
    "bus master off": Case(
        byte(AHCI, 4, 2),
        "refused",
        "AHCI: Failed to start FIS receive engine: bad FIS receive buffer address",
        machine=SATA,
    ),
    "halted": _sata(halted(8, 4096)),
    "halted, in pieces": _sata(halted(8, 1024, 2048, 1024)),
    "halted, more room than is needed": _sata(halted(8, 65536)),
    "halted, less room than is needed": _sata(halted(8, 2048), "refused"),
    "halted, half a sector too little": _sata(halted(8, 4096 - 256), "refused"),
    "halted, nothing to move": _sata(halted(0, 4096)),
    "halted, without list": _sata(halted(8), "refused"),
    "halted, without list, nothing to move": _sata(halted(0)),
    "halted, the largest list": _sata(halted(8, 4096, entries=65535)),
    "halted, list across the end of RAM": _sata(halted(8, table=0x4000000 - 0x90, entries=2), "refused"),
    "halted, list above RAM": _sata(halted(1, table=0x5000000, entries=256), "refused"),
    "halted, list above RAM, nothing to move": _sata(halted(0, table=0x5000000, entries=256)),
    "halted, list longer than a bounce buffer": _sata(halted(1, table=0x5000000, entries=512), "refused"),
    "halted, no queued command": _sata(halted(8, 4096, cmd=0x25), "refused"),
    "halted, another slot": _sata(halted(8, 4096, slot=4), "refused"),
    "halted, slot 32": _sata(halted(8, 4096, slot=32, tag=32), "refused"),
    "halted, engine off": _sata(on(halted(8, 4096), put(AHCI, "dev[0].port_regs.cmd", RX | RX_ON)), "refused"),
    "halted, 2^32 - 1 sectors": _sata(halted(0xFFFFFFFF, *[WHOLE + 1] * 200), "refused"),
    "issued, not for the disk": _sata(issued(0, 0)),
    "issued, not for the disk, in the last slot": _sata(issued(31, 0x80)),
    "issued, table above RAM": _sata(issued(0, 0, table=0x5000000)),
    "issued, table across the end of RAM": _sata(issued(0, 0, table=0x4000000 - 0x40)),
    "issued, drive busy": _sata(issued(0, 0, put(AHCI, "dev[0].port.ifs[0].status", 0x80))),
    "issued, one under way": _sata(issued(0, 0, put(AHCI, "dev[0].busy_slot", 1))),
    "issued, no drive": _sata(
        on(
            put(AHCI, "dev[1].port_regs.cmd", START),
            put(AHCI, "dev[1].port_regs.lst_addr", LIST),
            put(AHCI, "dev[1].port_regs.cmd_issue", 0xFFFFFFFF),
        )
    ),
    "list at the end of the ROM": Case(
        put(AHCI, "dev[0].port_regs.lst_addr", 0xFFFFFFFF),
        "refused",
        "AHCI: Failed to start DMA engine: bad command list buffer address",
        machine=SATA,
    ),
    "list in ROM": _sata(put(AHCI, "dev[0].port_regs.lst_addr", 0xFFFC0000)),
    "list in a register": _sata(put(AHCI, "dev[0].port_regs.lst_addr", 0xFED00000)),
    "list behind everything": _sata(put(AHCI, "dev[0].port_regs.lst_addr_hi", 0xFFFFFFFF)),
    "twice": _sata(again(AHCI)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
