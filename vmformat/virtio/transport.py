"""What the transport adds to a virtio section: PCI's part or MMIO's, and its extra state (facts: virtio.md 1, 3)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final, Literal

from vmformat.pci import pci_device_schema
from vmformat.schema import Field, Schema
from vmformat.virtio.parts import per_queue, raw, struct, sub


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
    """Table, pending bits (one field, as the wire type has it) and config vector; nothing without MSI-X."""
    if not vectors:
        return raw("msix")
    table = Field("msix", "msix state", 16 * vectors + (vectors + 7) // 8)
    return raw("msix", table, Field("config_vector", "uint16"))


MMIO_HEAD: Final = raw(
    "virtio-mmio",
    Field("host_features_sel", "uint32"),
    Field("guest_features_sel", "uint32"),
    Field("guest_page_shift", "uint32"),
)
"""The registers of a virtio-mmio transport that are not kept elsewhere."""

_WORDS: Final = (
    Field("desc", "uint32", count=2),
    Field("avail", "uint32", count=2),
    Field("used", "uint32", count=2),
)

_MODERN_STATE: Final = sub(
    "virtio_pci/modern_state",
    Field("dfselect", "uint32"),
    Field("gfselect", "uint32"),
    Field("guest_features", "uint32", count=2),
    per_queue(
        "virtio_pci/modern_queue_state",
        Field("num", "uint16"),
        Field("unused", "unused_buffer", 1),
        Field("enabled", "bool"),
        *_WORDS,
        field="vqs",
    ),
)

_MMIO_STATE: Final = sub(
    "virtio_mmio/state",
    Field("guest_features", "uint32", count=2),
    per_queue("virtio_mmio/queue_state", Field("num", "uint16"), Field("enabled", "bool"), *_WORDS, field="vqs"),
)


@lru_cache
def extra_state(transport: Literal["pci", "mmio"]) -> Field:
    """The field of the core's subsection `virtio/extra_state`: register images, none of which a load acts upon."""
    if transport == "mmio":
        return struct("extra_state", Schema("virtio_mmio", 1, 1, (), (_MMIO_STATE,)))
    return struct("extra_state", Schema("virtio_pci", 1, 1, (), (_MODERN_STATE,)))
