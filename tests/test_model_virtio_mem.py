"""virtio-mem: what must be as in the destination (virtio.md 4.2)."""

from __future__ import annotations

import pytest
from mutants import Case, Cases, Edit, check, put

MEM = "virtio-mem"


def case(edit: Edit, verdict: str = "accepted", text: str = "") -> Case:
    return Case(edit, verdict, text, machine="q35-virtio-iommu")


CASES: Cases = {
    "elsewhere": case(put(MEM, "tmp.addr", 0x180000000), "refused", "Property 'memaddr' changed from 0x180000000 to"),
    "larger": case(put(MEM, "tmp.region_size", 0x2000000), "refused", "Property 'memdev' size changed from 0x2000000"),
    "other blocks": case(
        put(MEM, "tmp.block_size", 0x400000), "refused", "Property 'block-size' changed from 0x400000"
    ),
    "another node": case(put(MEM, "tmp.node", 3), "refused", "Property 'node' changed from 3 to 0"),
    "usable": case(put(MEM, "usable_region_size", 0xFFFFFFFF)),
    "all plugged": case(put(MEM, "device.bitmap", b"\xff" * 8)),
    "size": case(put(MEM, "virtio.device.size", 0x123)),
    "requested": case(put(MEM, "requested_size", 0)),
}


@pytest.mark.parametrize("one", CASES.values(), ids=CASES.keys())
def test_the_model(one: Case) -> None:
    check(one)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
