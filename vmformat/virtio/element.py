"""A request under way as the host had it in memory (facts: virtio.md 4.1).

Model: QEMU writes a request's `ndescs` before the element and reads it behind (virtio.md 4.1); here it is read as the
loader does, so a stream of a packed-ring device with requests under way is told wrong, as QEMU gets it wrong.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from vmformat.schema import Field
from vmformat.virtio.parts import raw
from vmformat.virtio.shape import QUEUE_MAX

if TYPE_CHECKING:
    from vmformat.schema import Schema


@lru_cache
def element(packed: bool) -> Schema:
    """A virtqueue element; `in_sg` and `out_sg` are pairs (base, length)."""
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
    return replace(raw("VirtQueueElement", *fields), block=True)
