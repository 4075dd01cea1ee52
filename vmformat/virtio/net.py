"""virtio-net: vmsd virtio-net-device (facts: virtio.md 4.3)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vmformat.schema import Count, Field, Schema, When
from vmformat.virtio.parts import struct

if TYPE_CHECKING:
    from vmformat.virtio.shape import VirtioShape

MAC_TABLE: Final = 64
"""Entries of virtio-net's MAC table; a longer one is skipped."""

GUEST_OFFLOADS: Final = 1 << 2
"""Feature bit CTRL_GUEST_OFFLOADS of virtio-net."""

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
    waiting = (struct("vqs_1", _TX_WAITING, Count("curr_queue_pairs", less=1)),) if several else ()
    fields = (
        Field("mac", "uint8", count=6),
        struct("vqs", _TX_WAITING),
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
