"""A virtqueue: what a section brings of it and what a load derives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.devices.virtio.transport import NO_VECTOR
from model.outcome import QueueState

if TYPE_CHECKING:
    from model.memory import Cache

PCI_ALIGN: Final = 4096
"""Where the used ring of a legacy queue begins: at the next multiple of so many bytes. On MMIO a section says it."""


class Queue:
    """One virtqueue: size, guest addresses, 16-bit indices, and the three caches (descriptors, used, avail)."""

    __slots__ = (
        "align",
        "avail",
        "caches",
        "default_num",
        "desc",
        "index",
        "inuse",
        "last_avail",
        "last_wrap",
        "num",
        "own_num",
        "shadow",
        "used",
        "used_idx",
        "used_wrap",
        "vector",
    )

    def __init__(self, index: int, default_num: int) -> None:
        self.index = index
        self.own_num = self.default_num = default_num
        self.reset()

    def reset(self) -> None:
        """As at device reset: the default size, nothing set up."""
        self.num = self.default_num
        self.align = PCI_ALIGN if self.own_num else 0  # a queue that the device did not make has no legacy layout
        self.desc = self.avail = self.used = 0
        self.vector = NO_VECTOR
        self.last_avail = self.shadow = self.used_idx = self.inuse = 0
        self.last_wrap = self.used_wrap = 1
        self.caches: tuple[Cache, Cache, Cache] | None = None

    def state(self) -> QueueState:
        """For the outcome."""
        shown: tuple[str, ...] = ()
        if self.caches is not None:
            shown = tuple(
                f"{cache.region.key if cache.region else 'unmapped'}+{cache.xlat:#x}:{cache.length:#x}"
                for cache in self.caches
            )
        return QueueState(self.index, self.num, self.last_avail, self.shadow, self.used_idx, self.inuse, shown)
