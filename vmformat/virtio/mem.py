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
    usable, requested = Field("usable_region_size", "uint64"), Field("requested_size", "uint64")
    if shape.early:
        return Schema("virtio-mem-device", 1, 1, (usable, requested))
    fields = (Field("tmp", "tmp", struct=_CHECKS), usable, Field("size", "uint64"), requested, _bitmap(shape.blocks))
    return Schema("virtio-mem-device", 1, 1, fields)


@lru_cache
def mem_early(blocks: int) -> Schema:
    """The section that QEMUs from 8.0 on send before RAM, with a map of so many blocks (not confirmed)."""
    fields = (Field("tmp", "tmp", struct=_CHECKS), Field("size", "uint64"), _bitmap(blocks))
    return Schema("virtio-mem-device-early", 1, 1, fields)


def _bitmap(blocks: int) -> Field:
    return Field("bitmap", "bitmap", 8 * ((blocks + _WORD - 1) // _WORD))
