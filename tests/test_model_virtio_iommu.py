"""virtio-iommu: who sees memory as it is after a load (virtio.md 4.2)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from mutants import Case, Cases, Edit, again, behind, check, on, patch, put

IOMMU, BLK = "virtio-iommu", "virtio-blk"
BLK_ID, NOBODY = 3 << 3, 0x77
Mappings = Sequence[tuple[int, int, int, int]]


def case(edit: Edit, verdict: str = "accepted", text: str = "") -> Case:
    return Case(edit, verdict, text, machine="q35-virtio-iommu")


def domain(number: int, *endpoints: int, bypass: bool = False, mappings: Mappings = ()) -> bytes:
    """A domain with its members and its mappings: first, last, leads to, flags."""
    members = b"".join(b"\1" + struct.pack(">I", endpoint) for endpoint in endpoints)
    tree = struct.pack(">I", len(mappings)) + b"".join(b"\1" + struct.pack(">QQQI", *one) for one in mappings) + b"\0"
    return b"\1" + struct.pack(">QI", number, number) + tree + members + b"\0" + bytes([bypass])


def domains(*found: bytes) -> Edit:
    return patch(IOMMU, ("domains@count", 5, struct.pack(">I", len(found)) + b"".join(found) + b"\0"))


CASES: Cases = {
    "no bypass": case(put(IOMMU, "config.bypass", 0), text="virtio_iommu_translate sid=24 is not known!!"),
    "bypass of 0x80": case(put(IOMMU, "config.bypass", 0x80)),
    "no bypass, the disk before": case(on(put(IOMMU, "config.bypass", 0), behind(IOMMU, BLK))),
    "no bypass, then bypass": case(on(again(IOMMU), put(IOMMU, "config.bypass", 0))),
    "a domain without members": case(domains(domain(1))),
    "a domain that bypasses": case(domains(domain(1, BLK_ID, bypass=True))),
    "a domain with a mapping, of the bridge": case(domains(domain(1, 0, mappings=[(0x1000, 0x1FFF, 0x2000, 3)]))),
    "everything mapped to where it is": case(domains(domain(1, BLK_ID, mappings=[(0, (1 << 32) - 1, 0, 3)]))),
    "everything mapped elsewhere": case(domains(domain(1, BLK_ID, mappings=[(0, (1 << 32) - 1, 0x1000, 3)]))),
    "nothing mapped": case(domains(domain(1, BLK_ID)), text="virtio_iommu_translate no mapping for"),
    "not to be read": case(
        domains(domain(1, BLK_ID, mappings=[(0, (1 << 32) - 1, 0, 2)])), text="virtio_iommu_translate permission error"
    ),
    "two domains": case(domains(domain(1, 0, bypass=True), domain(2, 0x10, bypass=True))),
    "a member that is nobody": case(domains(domain(1, NOBODY, bypass=True)), "aborted"),
    "a domain that is not there": case(put(IOMMU, "domains@count", 1), "refused", "domains inconsistent stream"),
    "more than announced": case(put(IOMMU, "domains@end", 1), "refused", "domains inconsistent stream"),
}


@pytest.mark.parametrize("one", CASES.values(), ids=CASES.keys())
def test_the_model(one: Case) -> None:
    check(one)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
