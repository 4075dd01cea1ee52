"""virtio-blk: the requests under way (facts: virtio.md 4.2)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from vmformat.schema import Field
from vmformat.virtio.element import element
from vmformat.virtio.parts import raw, struct

if TYPE_CHECKING:
    from vmformat.schema import Schema
    from vmformat.virtio.shape import VirtioShape


@lru_cache
def blk_requests(shape: VirtioShape) -> Schema:
    """Requests of virtio-blk that were under way: `requests[i].queue` (with several queues), `requests[i].element`."""
    queue = (Field("queue", "uint32"),) if shape.queues > 1 else ()
    request = raw("virtio-blk-request", *queue, struct("element", element(shape.packed)))
    return raw("virtio-blk-requests", Field("requests", "repeat", struct=request))
