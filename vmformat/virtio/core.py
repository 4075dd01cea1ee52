"""What every virtio section holds, whatever the device: head, queue records, subsections (facts: virtio.md 1, 3)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

from vmformat.schema import Count, Field, Schema
from vmformat.virtio.parts import per_queue, raw, struct, sub
from vmformat.virtio.transport import extra_state

CORE_HEAD: Final = raw(
    "virtio-head",
    Field("status", "uint8"),
    Field("isr", "uint8"),
    Field("queue_sel", "uint16"),
    Field("features_lo", "uint32"),
    Field("config_len", "int32"),
    # Excess bytes are skipped one by one, past the end as well; a negative length is huge there.
    Field("config", "buffer", 1, Count("config_len", endless=True)),
)
"""status, isr, queue_sel, features_lo, config_len, config."""


@lru_cache
def queues(vectors: int, transport: Literal["pci", "mmio"] = "pci") -> Schema:
    """`num` and as many records `queue[i]`: num, (MMIO) align, desc, last_avail_idx and, with MSI-X, vector."""
    align = (Field("align", "uint32"),) if transport == "mmio" else ()
    vector = (Field("vector", "uint16"),) if vectors else ()
    record = (Field("num", "uint32"), *align, Field("desc", "uint64"), Field("last_avail_idx", "uint16"), *vector)
    queue = struct("queue", raw("virtqueue", *record), Count("num"))
    return raw("virtio-queues", Field("num", "uint32"), queue)


@lru_cache
def core(transport: Literal["pci", "mmio"] = "pci", *, newer: bool = False) -> Schema:
    """vmsd virtio: no fields, the core's subsections. Arrays over all queues are called `vq`.

    `newer`: also those that only QEMUs from 10.2 on know (not confirmed); earlier ones refuse them.
    """
    subsections = (
        *((sub("virtio/128bit_features", Field("guest_features_hi", "uint64")),) if newer else ()),
        sub("virtio/device_endian", Field("device_endian", "uint8")),
        sub("virtio/64bit_features", Field("guest_features", "uint64")),
        sub(
            "virtio/virtqueues",
            per_queue("virtqueue_state", Field("vring.avail", "uint64"), Field("vring.used", "uint64")),
        ),
        sub("virtio/ringsize", per_queue("ringsize_state", Field("vring.num_default", "uint32"))),
        sub("virtio/broken", Field("broken", "bool")),
        sub("virtio/extra_state", extra_state(transport)),
        sub("virtio/started", Field("started", "bool")),
        sub(
            "virtio/packed_virtqueues",
            per_queue(
                "packed_virtqueue_state",
                Field("last_avail_idx", "uint16"),
                Field("last_avail_wrap_counter", "bool"),
                Field("used_idx", "uint16"),
                Field("used_wrap_counter", "bool"),
                Field("inuse", "uint32"),
            ),
        ),
        sub("virtio/disabled", Field("disabled", "bool")),
    )
    return Schema("virtio", 1, 1, (), subsections)
