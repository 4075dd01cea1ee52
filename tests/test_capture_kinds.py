"""Machines of every kind: captured, and their streams loaded by the model as by the program."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

import pytest
from rich.console import Console

from fuzz import qemu
from fuzz.commands.capture import CaptureOptions, run
from model import REFERENCE, Machine, load, misfits, parse
from model.memory import layout
from vmformat import read

pytestmark = pytest.mark.qemu

BLK = "-blockdev null-co,node-name=b0,read-zeroes=on,size=1048576"
KINDS = {
    "no PCI at all": "-M isapc -m 8M -nodefaults -device isa-vga",
    "a generic host": (
        f"-M microvm,pcie=on -m 16M -nodefaults {BLK} -device virtio-blk-pci,drive=b0,id=blk "
        "-device pcie-root-port,id=rp,chassis=1,slot=1 -device e1000e,bus=rp,romfile=,id=net"
    ),
    "an old type, several roots, a device without a section": (
        "-M pc-i440fx-2.2 -m 16M -nodefaults -device pxb,id=px0,bus_nr=100 "
        "-device e1000,bus=px0,addr=1,romfile=,id=net -device edu,id=edu,bus=pci.0 -device pvpanic-pci,id=odd,bus=pci.0"
    ),
    "Express expanders, memory that was plugged": (
        "-M q35 -m 16M,slots=2,maxmem=1G -nodefaults -device pxb-pcie,id=px1,bus_nr=0x40 "
        f"-device ioh3420,bus=px1,id=rp,chassis=1,slot=1 {BLK} -device virtio-blk-pci,drive=b0,bus=rp,id=blk "
        "-object memory-backend-ram,id=d0,size=128M -device pc-dimm,memdev=d0,id=dimm"
    ),
}


@dataclass(frozen=True)
class Captured:
    """What a capture wrote."""

    arguments: tuple[str, ...]
    document: dict[str, Any]
    description: bytes
    seed: bytes


@pytest.fixture(scope="module")
def captured(real_qemu: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Captured]:
    found = {}
    for name, text in KINDS.items():
        folder, console = tmp_path_factory.mktemp("kind"), Console(record=True, width=200)
        arguments = tuple(shlex.split(text))
        status = run(CaptureOptions(str(folder / "m"), arguments, qemu=real_qemu, boot=0), console)
        assert status == 0, console.export_text()
        description = (folder / "machines/m.json").read_bytes()
        seed = (folder / "seeds/m/before.vmstate").read_bytes()
        found[name] = Captured(arguments, json.loads(description), description, seed)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_model_and_program_load_the_stream_alike(kind: str, captured: dict[str, Captured], real_qemu: str) -> None:
    one = captured[kind]
    real = qemu.load(one.arguments, one.seed, binary=real_qemu)
    machine = Machine(parse(one.description))
    outcome = load(machine, one.seed, REFERENCE())
    assert (outcome.verdict, real.verdict) == ("accepted", "accepted"), (outcome.messages, real.messages)
    assert layout(machine.mtree()) == layout(real.flat)
    assert outcome.rebuilds == real.rebuilds
    assert outcome.messages == real.messages
    machine.reset()
    assert misfits(machine, one.seed) == ()


def functions(one: Captured) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in one.document["pci"]}


def test_a_machine_without_pci(captured: dict[str, Captured]) -> None:
    document = captured["no PCI at all"].document
    assert document["pci"] == []
    assert document["configuration"]["machine"] == "isapc"
    assert "mc146818rtc" in {section["name"] for section in document["sections"]}
    blocks = {block["name"] for block in document["ram"]["blocks"]}
    assert "vga.vram" in blocks


def test_a_generic_host(captured: dict[str, Captured]) -> None:
    one = captured["a generic host"]
    blk = functions(one)["blk"]
    assert (blk["function"], blk["bus_memory"], blk["bus_io"]) == ("0000:00:01.0", "gpex_mmio", "gpex_ioport")
    assert {bar["slot"] for bar in blk["bars"]} == {0, 1, 4}
    regions = {entry["id"]: entry for entry in one.document["regions"]}
    assert regions["gpex_mmio"]["kind"] == "container"
    assert regions["gpex_mmio_window"]["kind"] == "io"
    assert regions["pcie-ecam"]["target"] == "pcie-mmcfg-mmio"
    port = functions(one)["rp"]["bridge"]
    assert regions[port["windows"]["io"]]["container"] == "gpex_ioport"  # which is in no address space
    assert functions(one)["net"]["bus_io"] == port["io"]
    assert blk["writable"]["3c"] == "ff"  # no load compares it: learned by writing


def test_an_old_type(captured: dict[str, Captured]) -> None:
    one = captured["an old type, several roots, a device without a section"]
    assert one.document["configuration"] == {
        "machine": "pc-i440fx-2.2",
        "section": False,
        "footers": False,
        "vmdescription": False,
    }
    stream = read(one.seed, Machine(parse(one.description)).schemas, configuration=False, footers=False)
    assert stream.configuration is None
    assert stream.trailing == b""
    assert {section.footer for section in stream.sections} == {None}
    found = functions(one)
    names = {section.name for section in stream.sections}
    assert found["net"]["function"] == "0000:64:02.0:00.0:01.0"
    assert "0000:64:02.0:00.0:01.0/e1000" in names
    bridge = next(entry for entry in found.values() if entry["function"] == "0000:64:02.0:00.0")
    assert found["net"]["bus_memory"] == bridge["bridge"]["memory"]
    assert (bridge["bus_memory"], bridge["bus_io"]) == ("pci", "io")
    edu = found["edu"]
    assert not [name for name in names if name.startswith(f"{edu['function']}/")]
    assert "compare" not in edu
    assert [(bar["slot"], bar["size"]) for bar in edu["bars"]] == [(0, "0x100000")]
    assert [bar["size"] for bar in found["odd"]["bars"]] == ["0x2"]  # smaller than a register can tell


def test_expanders_and_memory(captured: dict[str, Captured]) -> None:
    one = captured["Express expanders, memory that was plugged"]
    found = functions(one)
    assert found["rp"]["function"] == "0000:40:01.0:00.0"
    assert (found["blk"]["parent"], found["blk"]["size"]) == ("0000:40:01.0:00.0", 4096)
    regions = {entry["id"]: entry for entry in one.document["regions"]}
    assert regions["device-memory"]["kind"] == "container"
    assert regions["d0"]["container"] == "device-memory"
    assert functions(one)["/machine/q35/mch"]["properties"] == {"extended-tseg-mbytes": 16}
