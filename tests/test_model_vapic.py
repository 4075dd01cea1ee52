"""kvm-tpr-opt: option ROMs mapped and patched, on shipped streams."""

from __future__ import annotations

import pytest
from mutants import PC, Case, Cases, again, behind, check, on, page, put, without

TPR, ROM = "kvm-tpr-opt", "rom_state_paddr"

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
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
