"""The firmware blobs take the size that the source says."""

from __future__ import annotations

import pytest
from mutants import Case, Cases, check, put

CASES: Cases = {
    # firmware configuration
    "blob of another size": Case(put("fw_cfg", "table_mr_size", 0x20001)),
    "blob of 2^50": Case(put("fw_cfg", "table_mr_size", 1 << 50), "aborted", "Size too large: /rom@etc/acpi/tables"),
    "blob of nothing": Case(put("fw_cfg", "linker_mr_size", 0)),
    "rsdp of two pages": Case(put("fw_cfg", "rsdp_mr_size", 0x1001), "aborted", "Size too large: /rom@etc/acpi/rsdp"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
