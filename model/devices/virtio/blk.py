"""virtio-blk: requests under way are in its own section (virtio.md 4.2)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.virtio.device import EINVAL, Virtio
from vmformat import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.description import VirtioEntry
    from model.devices.handler import Handler
    from model.devices.virtio.saved import Fields
    from model.load_state import LoadState
    from model.machine import Machine

HEADER: Final = 16
"""Bytes of a request's header: type, priority, sector."""


class VirtioBlk(Virtio):
    """A disk."""

    fields: ClassVar[frozenset[str]] = Virtio.fields | {
        "virtio.device.requests[].queue", "virtio.device.requests[].element",
    }  # fmt: skip

    def __init__(self, machine: Machine, handler: Handler, entry: VirtioEntry) -> None:
        super().__init__(machine, handler, entry)
        self.under_way: list[tuple[int, bytes]] = []
        self._queue = 0

    def reset(self) -> None:
        """Pristine: nothing is under way."""
        super().reset()
        self.under_way = []

    def system_reset(self) -> None:
        """As any device; nothing is under way."""
        super().system_reset()
        self.under_way = []

    def resume(self, load: LoadState) -> None:
        """Requests under way begin anew: their headers are read where they were mapped."""
        super().resume(load)
        if self.started and not self.broken:
            self.resumed += tuple(self._restarted())

    def _restarted(self) -> Iterator[tuple[str, str]]:
        for index, (block, xlat) in enumerate(self.requests.headers):
            kind, _, sector = struct.unpack("<IIQ", self.memory.ram.read(block, xlat, HEADER))
            yield f"restarted request {index}", f"of type {kind:#x} at sector {sector:#x}"

    def own_field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """The queue of a request, then the request."""
        if isinstance(value, bytes):
            self.requests.element(load, value)
            self.under_way.append((self._queue, value))
        elif isinstance(value, int) and value >= self.entry.num_queues:
            return Refusal(EINVAL, (f"Invalid virtqueue index in request list: {value:#x}",), 0, path)
        elif isinstance(value, int):
            self._queue = value
        return None

    def own_saved(self) -> Fields:
        """The request that came last is saved first."""
        found: Fields = {}
        for index, (queue, element) in enumerate(reversed(self.under_way)):
            path = f"virtio.device.requests[{index}]"
            found |= dict(self.requests.saved(f"{path}.element", element))
            if self.entry.num_queues > 1:
                found[f"{path}.queue"] = queue
        return found
