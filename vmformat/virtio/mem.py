"""virtio-mem: vmsd virtio-mem-device (facts: virtio.md 4.2)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from vmformat.schema import Field, Schema

if TYPE_CHECKING:
    from vmformat.virtio.shape import VirtioShape

_WORD: int = 64

_CHECKS = Schema(
    "virtio-mem-device/sanity-checks",
    0,
    0,
    (
        Field("addr", "uint64"),
        Field("region_size", "uint64"),
        Field("block_size", "uint64"),
        Field("node", "uint32"),
    ),
)


@lru_cache
def mem_device(shape: VirtioShape) -> Schema:
    """What must be as in the destination, sizes in bytes, and the map of plugged blocks."""
    bitmap = Field("bitmap", "bitmap", 8 * ((shape.blocks + _WORD - 1) // _WORD))
    fields = (
        Field("tmp", "tmp", struct=_CHECKS),
        Field("usable_region_size", "uint64"),
        Field("size", "uint64"),
        Field("requested_size", "uint64"),
        bitmap,
    )
    return Schema("virtio-mem-device", 1, 1, fields)
