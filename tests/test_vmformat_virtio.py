from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from vmformat.errors import StreamError
from vmformat.node import Node
from vmformat.plan import Plan, Refusal, SilentVisitor, measure
from vmformat.reader import Reader
from vmformat.reading.guess import refine
from vmformat.schema import Field, Schema
from vmformat.tree import decode, encode, end_of
from vmformat.virtio import (
    CORE_HEAD,
    VirtioShape,
    blk_requests,
    core,
    msix,
    net_device,
    pci_device,
    queues,
    scsi_disk_schema,
    virtio_part,
    virtio_schema,
)

BLK = VirtioShape("blk", express=False, vectors=2)
NET = VirtioShape("net", express=False, vectors=2)


class Keep(SilentVisitor):
    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def field(self, schema: Schema, field: Field, path: str, value: object) -> Refusal | None:
        self.values[path] = value
        return None

    def local(self, path: str) -> int:
        return 4


def load(schema: Schema, data: bytes, *wanted: str, **outer: int) -> tuple[Refusal | None, dict[str, object], Reader]:
    reader, keep = Reader(data), Keep()
    plan = Plan(schema, frozenset(wanted))
    named = {name.replace("__", "."): value for name, value in outer.items()}
    return plan.load(reader, schema.version, keep, named), keep.values, reader


def config(express: bool, vectors: int) -> bytes:
    """A config space with an MSI-X capability and, for Express, a PCI Express one."""
    space = bytearray(4096 if express else 256)
    space[0x34] = 0x40 if vectors else 0x50 if express else 0
    space[0x40:0x44] = struct.pack("<BBH", 0x11, 0x50 if express else 0, vectors - 1 if vectors else 0)
    space[0x50] = 0x10 if express else 0
    return bytes(space)


def head(express: bool = False, vectors: int = 2, device: bytes = bytes(60), features: int = 0) -> bytes:
    result = b"\0\0\0\2" + config(express, vectors) + bytes(16)
    if vectors:
        result += bytes(16 * vectors + (vectors + 7) // 8) + b"\xff\xff"
    return result + struct.pack(">BBHII", 7, 0, 0, features, len(device)) + device


def records(*queues: tuple[int, int, int]) -> bytes:
    return struct.pack(">I", len(queues)) + b"".join(struct.pack(">IQHH", *q, 0) for q in queues)


def sub(name: bytes, payload: bytes) -> bytes:
    return b"\x05" + bytes([len(name)]) + name + b"\0\0\0\1" + payload


STARTED = sub(b"virtio/started", b"\1")


def net_payload(in_use: int = 0, macs: bytes = b"", rest: bytes = b"") -> bytes:
    return bytes(6) + bytes(4 + 4 + 2 + 2) + struct.pack(">I", in_use) + macs + bytes(512) + bytes(4 + 6 + 1) + rest


def shape(kind: str) -> VirtioShape:
    return VirtioShape(kind, express=False, vectors=2)


MMIO = VirtioShape("rng", express=False, vectors=0, transport="mmio")


def mmio(queues: bytes) -> bytes:
    return bytes(12) + struct.pack(">BBHII", 7, 0, 0, 0, 0) + queues


def records_mmio(*queues: tuple[int, int, int, int]) -> bytes:
    return struct.pack(">I", len(queues)) + b"".join(struct.pack(">IIQH", *q) for q in queues)


def port(number: int) -> bytes:
    return struct.pack(">IBBI", number, 1, 1, 0)


def serial(*ports: bytes, words: int = 1) -> bytes:
    return bytes(4) + struct.pack(">I", 32 * words) + bytes(4 * words) + struct.pack(">I", len(ports)) + b"".join(ports)


def resource(number: int, width: int, height: int, pieces: int) -> bytes:
    return struct.pack(">5I", number, width, height, 2, pieces) + bytes(12 * pieces + 4 * width * height)


def gpu(*resources: bytes, outputs: int = 1) -> bytes:
    return b"".join(resources) + bytes(4) + struct.pack(">iI", 1, outputs) + bytes(40 * outputs)


def mem(region: int, block: int) -> bytes:
    return struct.pack(">QQQI", 0x140000000, region, block, 0)


def domain() -> bytes:
    mappings = struct.pack(">I", 2) + 2 * (b"\1" + bytes(16) + bytes(12)) + b"\0"
    members = b"\1" + struct.pack(">I", 16) + b"\0"
    return struct.pack(">I", 3) + mappings + members + b"\1"


@pytest.mark.parametrize(
    ("shape", "payload"),
    [
        pytest.param(BLK, head() + records((256, 0x1000, 1)) + b"\0" + STARTED, id="blk"),
        pytest.param(VirtioShape("blk", False, 0), head(vectors=0) + bytes(4) + b"\0", id="blk without MSI-X"),
        pytest.param(VirtioShape("blk", True, 3), head(True, 3) + records() + b"\0", id="blk on PCI Express"),
        pytest.param(BLK, head() + records() + b"\1" + bytes(49168) + b"\0" + STARTED, id="blk with a request"),
        pytest.param(
            VirtioShape("blk", False, 2, queues=4),
            head(device=bytes(34) + b"\4\0") + records() + b"\x80" + bytes(4 + 49168) + b"\0",
            id="blk with a request of one of its queues",
        ),
        pytest.param(
            VirtioShape("blk", False, 2, packed=True),
            head(device=bytes(34) + b"\1\0") + records() + b"\1" + bytes(49172) + b"\0",
            id="packed",
        ),
        pytest.param(NET, head() + records() + net_payload(), id="net"),
        pytest.param(NET, head() + records() + net_payload(2, bytes(12)) + STARTED, id="net with two addresses"),
        pytest.param(NET, head() + records() + net_payload(65, bytes(390)) + STARTED, id="net with too many addresses"),
        pytest.param(NET, head() + records() + net_payload(1 << 31), id="net with a negative number of addresses"),
        pytest.param(NET, head(features=4) + records() + net_payload(rest=bytes(8)), id="net with offloads"),
        pytest.param(
            VirtioShape("net", False, 2, max_queue_pairs=4),
            head(device=bytes(8) + b"\4\0") + records() + net_payload(rest=b"\0\4\0\3" + bytes(8)) + STARTED,
            id="net with queue pairs",
        ),
        pytest.param(
            NET,
            head() + records() + net_payload(rest=sub(b"virtio-net-device/rss", bytes(7) + b"\0\2" + bytes(46))),
            id="net with rss",
        ),
        pytest.param(shape("scsi"), head() + records((128, 0, 0)) + STARTED, id="scsi"),
        pytest.param(shape("rng"), head(device=b"") + records((8, 0, 0)) + STARTED, id="rng"),
        pytest.param(shape("input"), head() + records((64, 0, 0), (64, 0, 0)) + STARTED, id="input"),
        pytest.param(shape("balloon"), head() + records() + bytes(8) + STARTED, id="balloon"),
        pytest.param(
            shape("balloon"),
            head()
            + records()
            + bytes(8)
            + sub(b"virtio-balloon-device/page-poison", bytes(4))
            + sub(b"virtio-balloon-device/free-page-report", bytes(8))
            + STARTED,
            id="balloon with subsections",
        ),
        pytest.param(
            shape("console"), head() + records() + serial(port(0), port(5)) + STARTED, id="console with two ports"
        ),
        pytest.param(
            replace(shape("console"), max_ports=64),
            head(device=bytes(4) + b"\x40" + bytes(7)) + records() + serial(port(33), words=2) + STARTED,
            id="console of 64 ports",
        ),
        pytest.param(
            shape("console"),
            head() + records() + serial(port(0)[:-4] + b"\0\0\0\1" + bytes(4 + 8 + 49168)) + STARTED,
            id="console with an element",
        ),
        pytest.param(shape("gpu"), head() + records() + STARTED + gpu(), id="gpu"),
        pytest.param(
            shape("gpu"), head() + records() + STARTED + gpu(resource(7, 3, 2, 1), resource(1, 0, 9, 0)), id="pictures"
        ),
        pytest.param(
            replace(shape("mem"), blocks=130),
            head() + records() + mem(130 << 21, 1 << 21) + bytes(24 + 24) + STARTED,
            id="mem",
        ),
        pytest.param(shape("iommu"), head() + records() + b"\0\0\0\0\0\1" + STARTED, id="iommu"),
        pytest.param(
            shape("iommu"),
            head() + records() + b"\0\0\0\1\1" + bytes(7) + b"\3" + domain() + b"\0\1" + STARTED,
            id="iommu with a domain",
        ),
        pytest.param(MMIO, mmio(records_mmio((1, 4096, 0x1000, 1))) + STARTED, id="MMIO"),
        pytest.param(
            MMIO,
            mmio(records_mmio())
            + sub(b"virtio/extra_state", sub(b"virtio_mmio/state", bytes(8 + 27 * 1024)))
            + sub(b"virtio/virtqueues", bytes(16384)),
            id="MMIO, modern",
        ),
        pytest.param(
            BLK,
            head()
            + records()
            + b"\0"
            + sub(b"virtio/64bit_features", bytes(8))
            + sub(b"virtio/virtqueues", bytes(16384))
            + sub(b"virtio/extra_state", sub(b"virtio_pci/modern_state", bytes(16 + 28 * 1024)))
            + sub(b"virtio/packed_virtqueues", bytes(10240))
            + sub(b"virtio/ringsize", bytes(4096))
            + sub(b"virtio/disabled", b"\0"),
            id="core subsections",
        ),
    ],
)  # fmt: skip
def test_whole_sections(shape: VirtioShape, payload: bytes) -> None:
    schema = virtio_schema(shape)
    assert encode(schema, decode(schema, payload).values()) == payload
    assert measure(schema, payload + b"\x7e", 0) == len(payload)
    opaque = Schema(schema.name, schema.version, schema.version, (Field("virtio", "virtio", len(payload)),))
    refined = refine(opaque, payload)
    assert decode(refined, payload) == decode(schema, payload)
    assert end_of(refined, payload + b"\x7e", 0) == len(payload)
    with pytest.raises(StreamError):
        measure(schema, payload[:-1], 0)


def test_unexplained_payloads_stay_opaque() -> None:
    opaque = Schema("virtio-blk", 2, 2, (Field("virtio", "virtio", 9),))
    assert refine(opaque, bytes(9)) is opaque
    # What begins as a section does is named as far as it goes.
    assert refine(opaque, head() + b"\xff" * 40).fields[0].struct is not None
    other = Schema("virtio-fs", 1, 1, (Field("virtio", "virtio", 9),))
    assert refine(other, head()) is other


@pytest.mark.parametrize(
    ("schema", "data", "wanted", "values"),
    [
        pytest.param(msix(3), bytes(49) + b"\0\2", "config_vector", {"config_vector": 2}, id="config vector"),
        pytest.param(msix(0), b"", "config_vector", {}, id="no MSI-X"),
        pytest.param(CORE_HEAD, b"\x0f\1\0\2\0\0\0\4\0\0\0\2ab", "config", {"config": b"ab"}, id="device config"),
        pytest.param(
            queues(2),
            records((256, 0x1000, 1), (128, 0x2000, 2)),
            "queue[].desc",
            {"queue[0].desc": 0x1000, "queue[1].desc": 0x2000},
            id="queues",
        ),
        pytest.param(
            queues(0),
            b"\0\0\0\1" + bytes(13) + b"\5",
            "queue[].last_avail_idx",
            {"queue[0].last_avail_idx": 5},
            id="no vector",
        ),
        pytest.param(
            blk_requests(BLK),
            b"\1" + b"\7\0\0\0" + bytes(49164) + b"\0",
            "requests[].element.index",
            {"requests[0].element.index": 7},
            id="requests are little-endian",
        ),
        pytest.param(
            core(),
            sub(b"virtio/virtqueues", bytes(16384)) + b"\x7e",
            "virtio/virtqueues.vq",
            {"virtio/virtqueues.vq": bytes(16384)},
            id="rings in one piece",
        ),
    ],
)
def test_pieces(schema: Schema, data: bytes, wanted: str, values: dict[str, object]) -> None:
    assert load(schema, data, wanted)[:2] == (None, values)


@pytest.mark.parametrize(
    ("length", "kind"),
    [
        pytest.param(0, None, id="none"),
        pytest.param(1000, None, id="longer than the data"),
        pytest.param(0x7FFF_FFFF, "hung", id="past the end for seconds"),
        pytest.param(0x8000_0000, "hung", id="negative"),
        pytest.param(0xFFFF_FFFF, "hung", id="minus one"),
    ],
)
def test_config_length(length: int, kind: str | None) -> None:
    refusal, _, _ = load(CORE_HEAD, bytes(8) + length.to_bytes(4, "big") + bytes(60))
    assert (refusal and refusal.kind) == kind


@pytest.mark.parametrize(
    ("schema", "data", "lines"),
    [
        pytest.param(net_device(NET), b"", ["Failed to load virtio-net-device:mac"], id="net without anything"),
        pytest.param(
            net_device(NET),
            net_payload(2, b"")[:26],
            ["Failed to load virtio-net-device:mac_table.macs"],
            id="addresses",
        ),
        pytest.param(
            net_device(NET),
            net_payload(0x7FFF_FFFF, b"")[:99],
            ["Failed to load virtio-net-device:unused"],
            id="too many",
        ),
        pytest.param(
            net_device(NET),
            net_payload()[: 6 + 12 + 4 + 512 + 2],
            ["Failed to load virtio-net-vnet:has_vnet_hdr", "Failed to load virtio-net-device:tmp"],
            id="scratch",
        ),
        pytest.param(
            pci_device(express=False),
            b"\0\0\0\5" + bytes(400),
            ["Invalid value 5 expecting positive value <= 4", "Failed to load PCIDevice:version_id"],
            id="PCI state of the future",
        ),
        pytest.param(core(), sub(b"virtio-foo", b""), [], id="a prefix is enough"),
        pytest.param(
            core(),
            sub(b"virtio/extra_state", sub(b"virtio_pci/modern_state", b"\1")),
            [
                "Failed to load virtio_pci/modern_state:dfselect",
                "Failed to load virtio/extra_state:extra_state",
            ],
            id="transport",
        ),
    ],
)
def test_pieces_refuse(schema: Schema, data: bytes, lines: list[str]) -> None:
    refusal, _, _ = load(schema, data, head__features_lo=0)
    assert refusal is not None
    assert list(refusal.messages) == lines


def test_old_style_pieces_read_zeros() -> None:
    for schema in (msix(2), queues(2), blk_requests(BLK), blk_requests(VirtioShape("blk", False, 2, queues=4))):
        refusal, _, reader = load(schema, b"")
        assert (refusal, reader.error) == (None, 5)


def test_irq_levels_are_a_version_2_field() -> None:
    reader = Reader(b"\0\0\0\1" + bytes(256) + b"rest.")
    assert Plan(pci_device(express=False)).load(reader, 1, Keep()) is None
    assert reader.take(4) == b"rest"


def disk() -> Schema:
    """What QEMU tells of a disk, as far as its requests are concerned."""
    device = Schema("SCSIDevice", 1, 1, (Field("unit_attention.key", "uint8"), Field("requests", "scsi-requests", 1)))
    return Schema("scsi-disk", 1, 1, (Field("qdev", "struct", struct=device), Field("tray_open", "bool")))


def command(opcode: int, lun: int = 0) -> bytes:
    return bytes([opcode]) + bytes(15) + struct.pack(">III", 9, lun, 0) + bytes(49168)


MOVED = struct.pack(">QI", 0x1000, 8)
REQUESTS = {
    "none": b"\0",
    "none, in other words": b"\x80",
    "one that begins again": b"\1" + command(0x28) + MOVED + struct.pack(">I", 4096) + b"\0",
    "one that goes on": b"\2" + command(0x28) + MOVED + struct.pack(">II", 4096, 512) + bytes(512) + b"\0",
    "one without blocks": b"\2" + command(0x28) + MOVED + bytes(4) + b"\0",
    "a write": b"\1" + command(0x2A) + MOVED + struct.pack(">I", 512) + bytes(512) + b"\0",
    "no blocks move": b"\1" + command(0) + b"\0",
    "to another unit": b"\1" + command(0x28, lun=1) + b"\0",
    "two": b"\1" + command(0) + b"\2" + command(0x12) + b"\xff",
}


@pytest.mark.parametrize("requests", REQUESTS.values(), ids=REQUESTS.keys())
def test_requests_of_a_disk(requests: bytes) -> None:
    schema = scsi_disk_schema(disk(), kept=virtio_part(packed=False))
    payload = b"\0" + requests + b"\1"
    assert measure(schema, payload + b"\x7e", 0) == len(payload)
    tree = decode(schema, payload)
    assert encode(schema, tree.values()) == payload
    assert tree.find("tray_open") == Node("tray_open", "bool", len(payload) - 1, 1, 1)
    assert refine(disk(), payload) == schema


def test_a_disk_that_calls_for_attention_keeps_no_blocks() -> None:
    schema = scsi_disk_schema(disk(), kept=virtio_part(packed=False))
    payload = b"\6\1" + command(0x28) + b"\0\1"
    assert measure(schema, payload, 0) == len(payload)
    with pytest.raises(StreamError):
        measure(schema, b"\5" + payload[1:], 0)


def test_requests_refine_to_and_from_json() -> None:
    schema = scsi_disk_schema(disk(), kept=virtio_part(packed=True), lun=3)
    assert Schema.from_json(schema.to_json()) == schema
