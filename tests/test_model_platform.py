"""Option ROM patching, AHCI, firmware configuration, and the run state, on shipped streams."""

from __future__ import annotations

import pytest
from mutants import PC, Case, Cases, Seen, again, behind, byte, check, on, page, put, without

TPR, AHCI = "kvm-tpr-opt", "ich9_ahci"
ROM = "rom_state_paddr"
RX_ON, RX, RUNNING, START = 1 << 14, 1 << 4, 1 << 15, 1

CASES: Cases = {
    # kvm-tpr-opt (case 42): byte 2 of the ROM says how long it is
    "TPR off": Case(on(put(TPR, "state", 0), put(TPR, ROM, 0)), shows={0xC0000: "pc.ram (ro)"}),
    "TPR on without ROM": Case(put(TPR, ROM, 0), "refused", "Operation not permitted"),
    "TPR off with ROM": Case(put(TPR, "state", 0), shows={0xC0000: "pc.ram"}),
    "TPR ROM of no length": Case(put(TPR, ROM, 0xD0000), "refused", "Operation not permitted"),
    "TPR ROM moved": Case(
        on(page(0xC8000, b"\x55\xaa\2"), put(TPR, ROM, 0xC8000)), shows={0xC8000: "pc.ram", 0xC0000: "pc.ram (ro)"}
    ),
    "TPR ROM in the middle of a page": Case(
        on(page(0xC8000, bytes(0x602) + b"\x40"), put(TPR, ROM, 0xC8745)), shows={0xC8000: "pc.ram", 0xD0000: "pc.ram"}
    ),
    "TPR ROM at the end of RAM": Case(put(TPR, ROM, 0x3FFFFFF), "refused", "Operation not permitted"),
    "TPR ROM behind RAM": Case(put(TPR, ROM, 0x4000000), "refused", "Operation not permitted"),
    "TPR ROM behind 4 GiB": Case(put(TPR, ROM, 0xFFFFFFFF), "refused", "Operation not permitted"),
    "TPR twice": Case(again(TPR), shows={0xC0000: "pc.ram"}),
    "TPR, then off": Case(again(TPR, on(put(TPR, "state", 0), put(TPR, ROM, 0))), shows={0xC0000: "pc.ram"}),
    "TPR state 1": Case(put(TPR, "state", 1)),
    "TPR state 3": Case(put(TPR, "state", 3)),
    "TPR before RAM": Case(
        lambda found: found.with_records((found.records[8], *found.records[:8], *found.records[9:])),
        "refused",
        "Operation not permitted",
    ),
    "TPR behind mch": Case(behind(TPR, "mch"), shows={0xC0000: "pc.ram"}),
    "no TPR": Case(without(TPR), shows={0xC0000: "pc.ram (ro)"}),
    "TPR on pc": Case(on(page(0xC8000, b"\x55\xaa\1"), put(TPR, ROM, 0xC8000)), shows={0xC8000: "pc.ram"}, machine=PC),
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
    # firmware configuration
    "blob of another size": Case(put("fw_cfg", "table_mr_size", 0x20001)),
    "blob of 2^50": Case(put("fw_cfg", "table_mr_size", 1 << 50), "aborted", "Size too large: /rom@etc/acpi/tables"),
    "blob of nothing": Case(put("fw_cfg", "linker_mr_size", 0)),
    "rsdp of two pages": Case(put("fw_cfg", "rsdp_mr_size", 0x1001), "aborted", "Size too large: /rom@etc/acpi/rsdp"),
    # the run state
    "runs": Case(put("globalstate", "runstate", b"running".ljust(100, b"\0"))),
    "was shut down": Case(put("globalstate", "runstate", b"shutdown".ljust(100, b"\0"))),
    "nonsense": Case(
        put("globalstate", "runstate", b"nonsense".ljust(100, b"\0")), "refused", "invalid parameter value: nonsense"
    ),
    "nothing": Case(put("globalstate", "runstate", bytes(100)), "refused", "invalid parameter value: "),
    "endless": Case(put("globalstate", "runstate", b"x" * 100), "refused", "invalid parameter value: " + 99 * "x"),
    "no run state": Case(without("globalstate")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, seen: dict[str, tuple[Seen, Seen]]) -> None:
    model, real = seen[name]
    assert model == real
