"""Values against those of QEMU's own scripts/analyze-migration.py, over streams captured on the spot.

The script's path is given in VMFUZZ_ANALYZE_MIGRATION; without it nothing is tested here.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import vmformat
from fuzz.parsing import analyzer
from fuzz.qemu import Qemu
from vmformat import Kind, Section, encode
from vmformat.node import join
from vmformat.schema import INTEGERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat import Stream
    from vmformat.node import Node

SCRIPT = os.environ.get("VMFUZZ_ANALYZE_MIGRATION", "")
X86, ARM = "qemu-system-x86_64", "qemu-system-aarch64"

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.skipif(not SCRIPT, reason="VMFUZZ_ANALYZE_MIGRATION does not name QEMU's scripts/analyze-migration.py"),
]


def drives(*kinds: str) -> str:
    """Disks that hold nothing, one for each device named."""
    return " ".join(
        f"-blockdev null-co,node-name=d{i},read-zeroes=on,size=67108864 -device {kind},drive=d{i}"
        for i, kind in enumerate(kinds)
    )


MACHINES: dict[str, str] = {
    "pc": "-machine pc -m 32M",
    "pc of old": "-machine pc-i440fx-2.4 -m 32M -cpu pentium3",
    "isapc": "-machine isapc -m 16M -cpu 486 -device isa-vga -device ne2k_isa,netdev=n -netdev hubport,id=n,hubid=0",
    "q35": "-machine q35 -m 32M -smp 3",
    "microvm": "-machine microvm,pic=on,pit=on,rtc=on -m 32M " + drives("virtio-blk-device"),
    "processors": "-machine q35 -m 32M -smp 2 -cpu max",
    "a server's processor": "-machine pc -m 32M -smp 2 -cpu EPYC-Rome",
    "usb": (
        "-machine q35 -m 32M -device nec-usb-xhci,id=x -device usb-tablet,bus=x.0 -device usb-kbd,bus=x.0 "
        "-device ich9-usb-ehci1,id=e -device ich9-usb-uhci1,masterbus=e.0,firstport=0,multifunction=on "
        "-device usb-mouse,bus=e.0 -device usb-hub,bus=x.0 "
        "-device piix3-usb-uhci,id=u -device usb-ccid,bus=u.0 -device pci-ohci,id=o " + drives("usb-storage,bus=x.0")
    ),
    "disks": (
        "-machine q35 -m 32M -device lsi53c895a,id=l -device megasas,id=m -device mptsas1068,id=t "
        "-device am53c974,id=f -device virtio-scsi-pci,id=v -device sdhci-pci -device ich9-ahci,id=h "
        + drives("scsi-hd,bus=l.0", "scsi-hd,bus=m.0", "scsi-hd,bus=f.0", "scsi-hd,bus=v.0", "ide-hd,bus=h.0")
    ),
    "networks": "-machine pc -m 32M "
    + " ".join(
        f"-netdev hubport,id=n{i},hubid={i} -device {kind},netdev=n{i}"
        for i, kind in enumerate(
            ("e1000", "rtl8139", "pcnet", "ne2k_pci", "i82559er", "tulip", "vmxnet3", "e1000e", "virtio-net-pci,mq=on")
        )
    ),
    "sounds": (
        "-machine pc -m 32M -audiodev none,id=a -device intel-hda -device hda-duplex,audiodev=a "
        "-device AC97,audiodev=a -device ES1370,audiodev=a "
        "-device sb16,audiodev=a -device adlib,audiodev=a -device cs4231a,audiodev=a,irq=7 "
    ),
    "screens": (
        "-machine q35 -m 32M -vga none -device VGA -device cirrus-vga -device bochs-display -device secondary-vga "
        "-device virtio-gpu-pci -device ati-vga"
    ),
    "bridges": (
        "-machine q35 -m 32M -device pcie-root-port,id=r,chassis=1 -device pcie-pci-bridge,id=b,bus=r "
        "-device pci-bridge,id=c,bus=b,chassis_nr=7 -device e1000,bus=c,addr=3 -device ioh3420,id=i,chassis=2 "
        "-device x3130-upstream,id=s,bus=i -device xio3130-downstream,bus=s,chassis=3 -device pxb-pcie,bus_nr=64"
    ),
    "odds and ends": (
        "-machine q35 -m 32M -device intel-iommu,intremap=on -device i6300esb -device ib700 -device pvpanic "
        "-device vmgenid -device vmcoreinfo -device ipmi-bmc-sim,id=b -device isa-ipmi-kcs,bmc=b -device pci-serial "
        "-device virtio-rng-pci -device virtio-balloon-pci -device virtio-serial-pci -device virtio-keyboard-pci "
        "-device edu -device pci-testdev -device isa-applesmc"
    ),
    "arm": "-machine virt -m 32M -cpu cortex-a57 -smp 2",
    "arm with a newer interrupt controller": "-machine virt,gic-version=3,iommu=smmuv3 -m 32M -cpu max -device e1000",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where streams are."""
    return tmp_path_factory.mktemp("streams")


@pytest.mark.parametrize("machine", MACHINES, ids=str)
def test_values_are_those_of_the_script(machine: str, folder: Path, real_qemu: str) -> None:
    binary = ARM if machine.startswith("arm") else real_qemu
    if shutil.which(binary) is None:
        pytest.skip(f"no {binary}")
    path = folder / "stream"
    with Qemu(MACHINES[machine].split(), binary=binary) as vm:
        vm.qmp("cont")
        time.sleep(1.5)
        vm.qmp("stop")
        vm.migrate(path)
    stream = vmformat.read(path.read_bytes())
    readable = folder / "readable"
    readable.write_bytes(for_the_script(stream))
    theirs = analyzer(Path(SCRIPT))(str(readable))
    data = vmformat.write(stream)
    wrong: list[str] = []
    compared = 0
    times = Counter((s.name, s.instance) for s in stream.records if isinstance(s, Section) and s.kind is Kind.FULL)
    for section in stream.records:
        if not isinstance(section, Section) or section.name in {"ram", "dirty-bitmap", "block"}:
            continue
        if times[section.name, section.instance] > 1:
            # isapc has two of isa-ide, and the script goes by the description of the last: it loses its way here.
            break
        said = theirs[f"{section.name} ({section.section_id})"]
        node = section.decoded()
        assert not section.faults, (section, section.faults)
        schema = section.layout
        assert schema is not None, section
        assert encode(schema, node.values(), section.version) == section.payload
        wrong += differences(node, said, section.name, data)
        compared += 1
    assert compared >= len(theirs) - 2
    assert not wrong, "\n".join(wrong)


def for_the_script(stream: Stream) -> bytes:
    """The stream without subsections of its configuration, which the script of 7.2 does not know (other machines)."""
    known = stream.configuration
    if known is None:
        return vmformat.write(stream)
    length = 4 + int.from_bytes(known.payload[:4], "big")
    return vmformat.write(replace(stream, configuration=replace(known, payload=known.payload[:length])))


def differences(node: Node, said: Any, path: str, data: bytes) -> Iterator[str]:
    """Where a tree is not what the script says; it must have all that the script has."""
    raw = data[node.offset : node.end]
    if isinstance(said, dict):
        children = {child.name: child for child in node.children}
        for name, value in said.items():
            child = children.get(name)
            if child is None:
                yield f"{path}: nothing called {name}"
            else:
                yield from differences(child, value, join(path, name), data)
    elif isinstance(said, list):
        yield from _elements(node, said, path, data)
    elif not _is(node.type, node.value, raw, said):
        yield f"{path}: {said!r} for {node.type} {node.value!r}"


def _elements(node: Node, said: list[Any], path: str, data: bytes) -> Iterator[str]:
    if isinstance(node.value, tuple):
        size = node.size // len(node.value)
        if len(node.value) != len(said):
            yield f"{path}: {len(said)} elements for {len(node.value)}"
        for i, (value, other) in enumerate(zip(node.value, said, strict=False)):
            at = node.offset + i * size
            if not _is(node.type, value, data[at : at + size], other):
                yield f"{path}[{i}]: {other!r} for {value!r}"
        return
    children = node.children
    if len(children) != len(said):
        yield f"{path}: {len(said)} elements for {len(children)}"
    for child, other in zip(children, said, strict=False):
        yield from differences(child, other, path + child.name, data)


def _is(type_: str, value: object, raw: bytes, said: object) -> bool:
    """Whether a value is the one said: a number in hex, bytes in hex with spaces, or true and false."""
    text = str(said)
    if isinstance(said, bool):
        return isinstance(value, int) and bool(value) == said
    if isinstance(value, int) and text.startswith("0x"):
        number, _, signed = text.partition(" ")
        width = 8 * INTEGERS[type_][1]
        return int(number, 16) == value % (1 << width) and (not signed or int(signed.strip("()")) == value)
    return text.replace(" ", "") == raw.hex()
