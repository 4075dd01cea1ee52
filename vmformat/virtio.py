"""The virtio-blk and virtio-net sections, which QEMU's own description leaves opaque (facts: virtio.md 1-4).

One grammar in pieces. `virtio_schema` puts them together for those who read; a loader runs the pieces one by one,
because QEMU does things in between (BARs are mapped behind the PCI part, vectors are checked, features set at the end):

    pci_device   vmsd PCIDevice
    msix         MSI-X table, pending bits, config vector; nothing without MSI-X
    core_head    status, isr, queue_sel, low features, device config
    queues       number of queues, a record for each
    blk_requests or net_device
    core         vmsd virtio: nothing but subsections

Those in between `pci_device` and `net_device`/`core` are old-style (`raw`): nothing is checked at the end of the data.

Model: QEMU writes a request's `ndescs` before the element and reads it behind (virtio.md 4.1); here it is read as the
loader does, so a stream of a packed-ring device with requests under way is told wrong, as QEMU gets it wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

from vmformat.pci import pci_device_schema
from vmformat.schema import Count, Field, Schema, When

QUEUE_MAX: Final = 1024
"""Queues that the core subsections always describe, and segments of a request."""

MAC_TABLE: Final = 64
"""Entries of virtio-net's MAC table; a longer one is skipped."""

GUEST_OFFLOADS: Final = 1 << 2
"""Feature bit CTRL_GUEST_OFFLOADS of virtio-net."""


@dataclass(frozen=True, slots=True)
class VirtioShape:
    """What the destination's device decides about its section's layout.

    `express`: 4096 bytes of PCI config instead of 256. `vectors`: of MSI-X, 0 without. `queues`: the num-queues
    property (virtio-blk; a request tells its queue iff there are several). `max_queue_pairs`: virtio-net. `packed`:
    the host offers RING_PACKED.
    """

    kind: Literal["blk", "net"]
    express: bool
    vectors: int
    transport: Literal["pci"] = "pci"
    queues: int = 1
    max_queue_pairs: int = 1
    packed: bool = False


@lru_cache
def pci_device(express: bool) -> Schema:
    """vmsd PCIDevice, as any PCI function begins. virtio loads it with the device's present `version_id` as version.

    So a device loaded with version_id 1 and then loaded again has no interrupt levels the second time, and one loaded
    with 0 is too old.
    """
    schema = pci_device_schema(express=express)
    return replace(schema, fields=tuple(replace(f, since=2) if f.name == "irq_state" else f for f in schema.fields))


@lru_cache
def msix(vectors: int) -> Schema:
    """Table, pending bits (one field, as the wire type has it) and config vector."""
    if not vectors:
        return _raw("msix", ())
    table = Field("msix", "msix state", 16 * vectors + (vectors + 7) // 8)
    return _raw("msix", (table, Field("config_vector", "uint16")))


def _raw(name: str, fields: tuple[Field, ...]) -> Schema:
    return Schema(name, 1, 1, fields, raw=True)


def _struct(name: str, struct: Schema, count: int | Count | None = None) -> Field:
    return Field(name, "struct", count=count, struct=struct)


CORE_HEAD: Final = _raw(
    "virtio-head",
    (
        Field("status", "uint8"),
        Field("isr", "uint8"),
        Field("queue_sel", "uint16"),
        Field("features_lo", "uint32"),
        Field("config_len", "int32"),
        # Excess bytes are skipped one by one, past the end as well; a negative length is huge there.
        Field("config", "buffer", 1, Count("config_len", endless=True)),
    ),
)
"""status, isr, queue_sel, features_lo, config_len, config."""


@lru_cache
def queues(vectors: int) -> Schema:
    """`num` and as many records `vqs[i]`: num, desc, last_avail_idx and, with MSI-X, vector."""
    record = [Field("num", "uint32"), Field("desc", "uint64"), Field("last_avail_idx", "uint16")]
    if vectors:
        record.append(Field("vector", "uint16"))
    vqs = _struct("vqs", _raw("virtqueue", tuple(record)), Count("num"))
    return _raw("virtio-queues", (Field("num", "uint32"), vqs))


@lru_cache
def element(packed: bool) -> Schema:
    """A request as the host had it in memory; `in_sg` and `out_sg` are pairs (base, length)."""
    fields = [
        Field("index", "le32"),
        Field("out_num", "le32"),
        Field("in_num", "le32"),
        Field("padding", "unused_buffer", 4),
        Field("in_addr", "le64", count=QUEUE_MAX),
        Field("out_addr", "le64", count=QUEUE_MAX),
        Field("in_sg", "le64", count=2 * QUEUE_MAX),
        Field("out_sg", "le64", count=2 * QUEUE_MAX),
    ]
    if packed:
        fields.append(Field("ndescs", "uint32"))
    return _raw("VirtQueueElement", tuple(fields))


@lru_cache
def blk_requests(shape: VirtioShape) -> Schema:
    """Requests of virtio-blk that were under way: `requests[i].queue` (with several queues), `requests[i].element`."""
    queue = (Field("queue", "uint32"),) if shape.queues > 1 else ()
    request = _raw("virtio-blk-request", (*queue, _struct("element", element(shape.packed))))
    return _raw("virtio-blk-requests", (Field("requests", "repeat", struct=request),))


_TX_WAITING: Final = Schema("virtio-net-queue-tx_waiting", 0, 0, (Field("tx_waiting", "uint32"),))

_RSS: Final = Schema(
    "virtio-net-device/rss",
    1,
    1,
    (
        Field("rss_data.enabled", "bool"),
        Field("rss_data.redirect", "bool"),
        Field("rss_data.populate_hash", "bool"),
        Field("rss_data.hash_types", "uint32"),
        Field("rss_data.indirections_len", "uint16"),
        Field("rss_data.default_queue", "uint16"),
        Field("rss_data.key", "uint8", count=40),
        Field("rss_data.indirections_table", "uint16", count=Count("rss_data.indirections_len")),
    ),
)


@lru_cache
def net_device(shape: VirtioShape) -> Schema:
    """vmsd virtio-net-device. Loaded by itself it needs `head.features_lo` (as it came) in `outer`."""
    several = shape.max_queue_pairs > 1
    pairs = (Field("max_queue_pairs", "uint16 equal"), Field("curr_queue_pairs", "uint16")) if several else ()
    waiting = (_struct("vqs_1", _TX_WAITING, Count("curr_queue_pairs", less=1)),) if several else ()
    fields = (
        Field("mac", "uint8", count=6),
        _struct("vqs", _TX_WAITING),
        Field("mergeable_rx_bufs", "uint32"),
        Field("status", "uint16"),
        Field("promisc", "uint8"),
        Field("allmulti", "uint8"),
        Field("mac_table.in_use", "uint32"),
        Field(
            "mac_table.macs", "buffer", 6, Count("mac_table.in_use"), when=When("mac_table.in_use", at_most=MAC_TABLE)
        ),
        Field(
            "unused",
            "unused_buffer",
            6,
            Count("mac_table.in_use"),
            when=When("mac_table.in_use", at_most=MAC_TABLE, invert=True),
        ),
        Field("vlans", "buffer", 512),
        Field("tmp[0]", "tmp", struct=Schema("virtio-net-vnet", 0, 0, (Field("has_vnet_hdr", "uint32"),))),
        *(
            Field(name, "uint8")
            for name in ("mac_table.multi_overflow", "mac_table.uni_overflow", "alluni", "nomulti", "nouni", "nobcast")
        ),
        Field("tmp[1]", "tmp", struct=Schema("virtio-net-ufo", 0, 0, (Field("has_ufo", "uint8"),))),
        *pairs,
        Field("tmp[2]", "tmp", struct=Schema("virtio-net-tx_waiting", 0, 0, waiting)),
        Field("curr_guest_offloads", "uint64", when=When("head.features_lo", GUEST_OFFLOADS)),
    )
    return Schema("virtio-net-device", 11, 11, fields, (_RSS,))


def _sub(name: str, *fields: Field) -> Schema:
    return Schema(name, 1, 1, fields)


def _per_queue(name: str, *fields: Field) -> Field:
    return _struct("vq", _sub(name, *fields), QUEUE_MAX)


_MODERN_STATE: Final = _sub(
    "virtio_pci/modern_state",
    Field("dfselect", "uint32"),
    Field("gfselect", "uint32"),
    Field("guest_features", "uint32", count=2),
    _struct(
        "vqs",
        _sub(
            "virtio_pci/modern_queue_state",
            Field("num", "uint16"),
            Field("unused", "unused_buffer", 1),
            Field("enabled", "bool"),
            Field("desc", "uint32", count=2),
            Field("avail", "uint32", count=2),
            Field("used", "uint32", count=2),
        ),
        QUEUE_MAX,
    ),
)

CORE: Final = Schema(
    "virtio",
    1,
    1,
    (),
    (
        _sub("virtio/device_endian", Field("device_endian", "uint8")),
        _sub("virtio/64bit_features", Field("guest_features", "uint64")),
        _sub(
            "virtio/virtqueues",
            _per_queue("virtqueue_state", Field("vring.avail", "uint64"), Field("vring.used", "uint64")),
        ),
        _sub("virtio/ringsize", _per_queue("ringsize_state", Field("vring.num_default", "uint32"))),
        _sub("virtio/broken", Field("broken", "bool")),
        _sub("virtio/extra_state", _struct("extra_state", Schema("virtio_pci", 1, 1, (), (_MODERN_STATE,)))),
        _sub("virtio/started", Field("started", "bool")),
        _sub(
            "virtio/packed_virtqueues",
            _per_queue(
                "packed_virtqueue_state",
                Field("last_avail_idx", "uint16"),
                Field("last_avail_wrap_counter", "bool"),
                Field("used_idx", "uint16"),
                Field("used_wrap_counter", "bool"),
                Field("inuse", "uint32"),
            ),
        ),
        _sub("virtio/disabled", Field("disabled", "bool")),
    ),
)
"""vmsd virtio: no fields, the core's subsections. Arrays over all queues are called `vq`."""


@lru_cache
def virtio_schema(shape: VirtioShape) -> Schema:
    """The whole section: vmsd virtio-blk or virtio-net, its one field `virtio`, the pieces as structs in it."""
    net = shape.kind == "net"
    device = _struct("device", net_device(shape) if net else blk_requests(shape))
    body = (
        _struct("pci", pci_device(shape.express)),
        _struct("msix", msix(shape.vectors)),
        _struct("head", CORE_HEAD),
        _struct("queues", queues(shape.vectors)),
        device,
        _struct("core", CORE),
    )
    version = 11 if net else 2
    return Schema(f"virtio-{shape.kind}", version, version, (_struct("virtio", _raw("virtio", body)),))
