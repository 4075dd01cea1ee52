"""virtio-blk: requests under way are in its own section (virtio.md 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.devices.virtio import EINVAL, Virtio
from vmformat import Refusal

if TYPE_CHECKING:
    from model.loader import LoadState


class VirtioBlk(Virtio):
    """A disk."""

    fields: ClassVar[frozenset[str]] = Virtio.fields | {
        "virtio.device.requests[].queue", "virtio.device.requests[].element",
    }  # fmt: skip

    def own_field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """The queue of a request, then the request."""
        if isinstance(value, bytes):
            self.requests.element(load, value)
        elif isinstance(value, int) and value >= self.entry.num_queues:
            return Refusal(EINVAL, (f"Invalid virtqueue index in request list: {value:#x}",), 0, path)
        return None
