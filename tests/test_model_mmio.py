"""What is read from a chipset's registers where a ring should be; the rings themselves are in test_model_virtio."""

from __future__ import annotations

import pytest
from mutants import Q35, machine

from fuzz.corpus import find_stream
from model import REFERENCE, load
from model.devices.mmio import Mmio
from model.memory import Kind, Region

READS = {
    "TSEG": ("tseg-blackhole", 0x1000, b"\xff\xff"),
    "SMBASE": ("smbase-blackhole", 0, b"\xff\xff"),
    "host bridge's vendor": ("pcie-mmcfg-mmio", 0, b"\x86\x80"),
    "second root port's device id": ("pcie-mmcfg-mmio", 2 << 15 | 1 << 12 | 2, b"\x0c\x00"),
    "nobody's": ("pcie-mmcfg-mmio", 9 << 15, b"\xff\xff"),
    "nobody's bus": ("pcie-mmcfg-mmio", 77 << 20, b"\xff\xff"),
    "behind conventional config space": ("pcie-mmcfg-mmio", 0x100, b"\xff\xff"),
    "any other register": ("hpet", 0, b"\0\0"),
    "interrupt status of nobody": ("virtio-pci-isr-virtio-blk", 0, b"\0\0"),
    "device config of nobody": ("virtio-pci-device-virtio-blk", 0, b"\xff\xff"),
}


@pytest.mark.parametrize(("name", "offset", "expected"), READS.values(), ids=READS.keys())
def test_reads(name: str, offset: int, expected: bytes) -> None:
    assert Mmio(machine(Q35))(Region(name, Kind.IO, 1 << 28), offset, 2) == expected


def test_the_window_of_a_vga_card_answers_where_its_registers_show_memory() -> None:
    bench = machine("q35-intel-iommu")
    window = Region("vga-lowmem", Kind.IO, 0x20000)
    assert Mmio(bench)(window, 0x8002, 2) == b"\0\0"
    load(bench, find_stream("q35-intel-iommu/after").read_bytes(), REFERENCE())  # in text mode
    assert Mmio(bench)(window, 0x8002, 2) == b"\xff\xff"
    assert Mmio(bench)(window, 0x18002, 2) == b"\0\0"
    bench.reset()
    assert Mmio(bench)(window, 0x8002, 2) == b"\0\0"
