"""Captures of small machines from the installed QEMU."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from fuzz import qemu
from fuzz.capture.prober import Prober
from fuzz.commands.capture import CaptureOptions, run
from model import REFERENCE, Machine, load, parse
from model.memory import layout
from vmformat import read

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.qemu

DISK = ("-blockdev", "null-co,node-name=b0,read-zeroes=on,size=1048576")
PC = (
    *("-machine", "pc-i440fx-7.2,vmport=off", "-m", "8M", "-nodefaults"),
    *(*DISK, "-device", "virtio-blk-pci,drive=b0,disable-modern=on,id=blk0,addr=4"),
)
Q35 = (
    *("-machine", "pc-q35-7.2", "-m", "32M", "-nodefaults"),
    *("-device", "pcie-root-port,id=rp0,chassis=1,slot=1,addr=2", "-device", "pci-bridge,id=br0,chassis_nr=2,addr=3"),
    *("-netdev", "hubport,id=n0,hubid=0", "-device", "virtio-net-pci,netdev=n0,bus=rp0,id=net0"),
    *(*DISK, "-device", "virtio-blk-pci,drive=b0,bus=br0,addr=1,id=blk0,num-queues=3,page-per-vq=on"),
    *(
        "-netdev",
        "hubport,id=n1,hubid=1",
        "-device",
        "virtio-net-pci,netdev=n1,id=net1,packed=on,iommu_platform=on,disable-legacy=on",
    ),
)
PLAIN = {"00-03": "ff", "06": "10", "08-0b": "ff", "0e": "ff", "34": "ff"}


def _capture(folder: Path, name: str, arguments: tuple[str, ...], **options: Any) -> dict[str, Any]:
    console = Console(record=True, width=200)
    status = run(CaptureOptions(str(folder / name), arguments, **options), console)
    assert status == 0, console.export_text()
    document: dict[str, Any] = json.loads((folder / "machines" / f"{name}.json").read_bytes())
    return document


@pytest.fixture(scope="module")
def pc(real_qemu: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pc")
    _capture(folder, "m", PC, qemu=real_qemu)
    return folder


@pytest.fixture(scope="module")
def q35(real_qemu: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _capture(tmp_path_factory.mktemp("q35"), "m", Q35, qemu=real_qemu, boot=0)


def test_twice_is_byte_identical(pc: Path, real_qemu: str, tmp_path: Path) -> None:
    _capture(tmp_path, "m", PC, qemu=real_qemu)
    path = "machines/m.json"
    assert (tmp_path / path).read_bytes() == (pc / path).read_bytes()
    assert (tmp_path / "seeds/m/before.vmstate").stat().st_size == (pc / "seeds/m/before.vmstate").stat().st_size


def test_nothing_of_the_place_or_the_time_is_in_it(pc: Path) -> None:
    text = (pc / "machines/m.json").read_text()
    assert "/tmp" not in text
    assert str(pc) not in text


@pytest.mark.parametrize("moment", ["before", "after"])
def test_model_and_qemu_load_the_seed_alike(pc: Path, moment: str, real_qemu: str) -> None:
    data = (pc / f"seeds/m/{moment}.vmstate").read_bytes()
    real = qemu.load(PC, data, binary=real_qemu)
    machine = Machine(parse((pc / "machines/m.json").read_bytes()))
    outcome = load(machine, data, REFERENCE())
    assert (outcome.verdict, real.verdict) == ("accepted", "accepted")
    assert layout(machine.mtree()) == layout(real.flat)
    assert outcome.rebuilds == real.rebuilds


def test_seeds_are_small_and_say_what_they_keep(pc: Path) -> None:
    provenance = json.loads((pc / "seeds/m/provenance.json").read_bytes())
    assert set(provenance["streams"]) == {"before", "after"}
    for moment in ("before", "after"):
        data = (pc / f"seeds/m/{moment}.vmstate").read_bytes()
        assert len(data) < 24 * 1024
        assert read(data).vmdescription is None
    kept = {entry["what"].partition(": ")[0] for entry in provenance["streams"]["after"]["ram"]}
    assert kept == {"0000:00:04.0/virtio-blk", "kvm-tpr-opt"}
    assert provenance["streams"]["before"]["ram"] == []


def test_a_conventional_machine(pc: Path) -> None:
    document = json.loads((pc / "machines/m.json").read_bytes())
    functions = {entry["id"]: entry for entry in document["pci"]}
    blk = functions["blk0"]
    assert (blk["function"], blk["type"], blk["size"], blk["express"]) == ("0000:00:04.0", "virtio-blk-pci", 256, False)
    assert [(bar["slot"], bar["space"], bar["size"]) for bar in blk["bars"]] == [
        (0, "io", "0x80"),
        (1, "memory", "0x1000"),
    ]
    assert (blk["bus_memory"], blk["bus_io"]) == ("pci", "io")
    assert (blk["virtio"]["modern"], blk["virtio"]["legacy"], blk["virtio"]["queues"]) == (False, True, [256])
    assert int(blk["virtio"]["host_features"], 16) >> 32 & 1 == 0  # no VERSION_1
    assert [entry["compare"] for entry in document["pci"] if entry["type"] in {"i440FX", "PIIX3", "PIIX4_PM"}] == [
        PLAIN
    ] * 3
    names = [entry["name"] for entry in document["sections"]]
    assert names[:3] == ["timer", "ram", "cpu_common"]
    assert [entry["name"] for entry in document["sections"] if entry.get("iterable")] == ["ram"]
    assert document["rom"] == []  # a destination's ROMs are empty: their contents come with the stream


def test_bridges_and_modern_devices(q35: dict[str, Any]) -> None:
    functions = {entry["id"]: entry for entry in q35["pci"]}
    regions = {entry["id"]: entry for entry in q35["regions"]}
    assert functions["rp0"]["function"] == "0000:00:02.0"
    assert functions["net0"]["function"] == "0000:00:02.0:00.0"
    assert functions["blk0"]["function"] == "0000:00:03.0:01.0"
    assert (functions["net0"]["parent"], functions["net0"]["size"]) == ("0000:00:02.0", 4096)
    assert (functions["blk0"]["parent"], functions["blk0"]["size"]) == ("0000:00:03.0", 256)
    for bridge, child in (("rp0", "net0"), ("br0", "blk0")):
        facts = functions[bridge]["bridge"]
        assert functions[child]["bus_memory"] == facts["memory"]
        assert functions[child]["bus_io"] == facts["io"]
        for window in facts["windows"].values():
            assert (regions[window]["kind"], regions[window]["size"]) == ("alias", "0x0")
        assert {name: regions[key]["target_offset"] for name, key in facts["vga"].items()} == {
            "mem": "0xa0000",
            "io_lo": "0x3b0",
            "io_hi": "0x3c0",
        }
    bars = {bar["slot"]: bar for bar in functions["blk0"]["bars"]}
    assert (bars[4]["space"], bars[4]["size"]) == ("memory64", "0x800000")
    assert regions[bars[4]["region"]]["kind"] == "container"
    inside = [entry["name"] for entry in q35["regions"] if entry.get("container") == bars[4]["region"]]
    assert len(inside) == 4
    assert functions["blk0"]["virtio"]["num_queues"] == 3
    assert functions["blk0"]["virtio"]["queues"] == [256, 256, 256]
    assert functions["net1"]["virtio"]["iommu_platform"] is True
    assert (
        int(functions["net1"]["virtio"]["host_features"], 16) >> 32 & 7 == 7
    )  # VERSION_1, IOMMU_PLATFORM, RING_PACKED
    assert functions["mch" if "mch" in functions else "/machine/q35/mch"]["compare"] == PLAIN


def test_masks_by_snapshot_are_those_of_incoming(q35: dict[str, Any], real_qemu: str, tmp_path: Path) -> None:
    """Both ways of loading run the same check: a few bytes of a device, asked the slow way."""
    with qemu.Qemu(Q35, binary=real_qemu) as vm:
        vm.migrate(tmp_path / "stream")
    stream = read((tmp_path / "stream").read_bytes())
    section = stream.section("0000:00:02.0/pcie-root-port")
    assert section is not None
    prologue = (tmp_path / "stream").read_bytes()[: stream.records[0].offset]
    port = next(entry for entry in q35["pci"] if entry["id"] == "rp0")
    for offset in (0x00, 0x06, 0x11, 0x4B, 0x10C):
        payload = bytearray(section.payload)
        payload[4 + offset] ^= 0xFF
        loaded = qemu.load(Q35, prologue + section.head() + bytes(payload), binary=real_qemu)
        assert f"Bad config data: i=0x{offset:x} " in loaded.messages[0]
        assert any(
            int(span.partition("-")[0], 16) <= offset <= int(span.rpartition("-")[2], 16) for span in port["compare"]
        )
        with Prober(Q35, binary=real_qemu) as prober:
            assert prober.load(prologue + section.head() + bytes(payload))[0] == loaded.messages[0]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        pytest.param(
            {"arguments": ("-machine", "q35", "-nodefaults", *DISK, "-device", "nvme,drive=b0,serial=x")},
            "migrate: State blocked by non-migratable device '0000:00:01.0/nvme'",
            id="a device that blocks migration",
        ),
        pytest.param({"arguments": ("-machine", "none")}, "no region ram-below-4g: this is no PC", id="no PC"),
        pytest.param(
            {"arguments": ("-machine", "nosuch")},
            "QEMU ended with status 1: unsupported machine type",
            id="a machine that does not start",
        ),
        pytest.param({"arguments": (), "qemu": "no-such-qemu"}, "no-such-qemu: no such QEMU", id="no QEMU"),
        pytest.param({"output": "", "arguments": ()}, "expected DIR/NAME", id="no name"),
    ],
)
def test_what_cannot_be_captured(options: dict[str, Any], line: str, real_qemu: str, tmp_path: Path) -> None:
    console = Console(record=True, width=200)
    asked = {"output": str(tmp_path / "out" / "m"), "qemu": real_qemu, **options}
    assert run(CaptureOptions(**asked), console) == 2
    text = [text for text in console.export_text().splitlines() if text.startswith("vmfuzz capture: ")]
    assert len(text) == 1
    assert line in text[0]
    assert not (tmp_path / "out").exists()


def test_old_names_of_sections(real_qemu: str, tmp_path: Path) -> None:
    cards = ("-device", "i82550,id=a,romfile=", "-device", "i82550,id=b,romfile=", "-device", "piix4-ide,id=c")
    arguments = ("-machine", "pc", "-m", "8M", "-nodefaults", "-vga", "none", *cards)
    document = _capture(tmp_path, "m", arguments, qemu=real_qemu, boot=0)
    old = [tuple(section["compat"]) for section in document["sections"] if "compat" in section]
    assert [one for one in old if one[0] in {"i82550", "eeprom", "ide"}] == [
        ("ide", 0), ("eeprom", 0), ("i82550", 0), ("eeprom", 0), ("i82550", 1), ("ide", 0),
    ]  # fmt: skip
