"""A virtqueue: what a section brings of it and what a load derives.

What its caches are built from says so when it is written: whoever has looked at the rings need not look again before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.devices.virtio.transport import NO_VECTOR
from model.outcome import QueueState

if TYPE_CHECKING:
    from model.memory import Cache

PCI_ALIGN: Final = 4096
"""Where the used ring of a legacy queue begins: at the next multiple of so many bytes. On MMIO a section says it."""


class Changes:
    """How often anything has been written that ring caches are built from, of all devices of a machine."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Queue:
    """One virtqueue: size, guest addresses, 16-bit indices, and the three caches (descriptors, used, avail)."""

    __slots__ = (
        "_avail",
        "_caches",
        "_changes",
        "_desc",
        "_num",
        "_used",
        "align",
        "default_num",
        "index",
        "inuse",
        "last_avail",
        "last_wrap",
        "own_num",
        "shadow",
        "used_idx",
        "used_wrap",
        "vector",
    )

    def __init__(self, index: int, default_num: int, changes: Changes | None = None) -> None:
        """`changes`: counts what is written."""
        self._changes = Changes() if changes is None else changes
        self.index = index
        self.own_num = self.default_num = default_num
        self.reset()

    def reset(self) -> None:
        """As at device reset: the default size, nothing set up."""
        self._changes.count += 1
        self._num = self.default_num
        self.align = PCI_ALIGN if self.own_num else 0  # a queue that the device did not make has no legacy layout
        self._desc = self._avail = self._used = 0
        self.vector = NO_VECTOR
        self.last_avail = self.shadow = self.used_idx = self.inuse = 0
        self.last_wrap = self.used_wrap = 1
        self._caches: tuple[Cache, Cache, Cache] | None = None

    @property
    def num(self) -> int:
        """The size."""
        return self._num

    @num.setter
    def num(self, value: int) -> None:
        self._changes.count += 1
        self._num = value

    @property
    def desc(self) -> int:
        """Where the descriptors are; 0 for a queue that is not set up."""
        return self._desc

    @desc.setter
    def desc(self, value: int) -> None:
        self._changes.count += 1
        self._desc = value

    @property
    def avail(self) -> int:
        """Where the driver's ring is."""
        return self._avail

    @avail.setter
    def avail(self, value: int) -> None:
        self._changes.count += 1
        self._avail = value

    @property
    def used(self) -> int:
        """Where the device's ring is."""
        return self._used

    @used.setter
    def used(self, value: int) -> None:
        self._changes.count += 1
        self._used = value

    @property
    def caches(self) -> tuple[Cache, Cache, Cache] | None:
        """Of descriptors, used ring and available ring; None if there are none, or one could not be made."""
        return self._caches

    @caches.setter
    def caches(self, value: tuple[Cache, Cache, Cache] | None) -> None:
        self._changes.count += 1
        self._caches = value

    @property
    def is_at_rest(self) -> bool:
        """Whether it is not set up, has not moved, and has no caches left."""
        return not (
            self._desc or self.last_avail or self.shadow or self.used_idx or self.inuse or self._caches is not None
        )

    def state(self) -> QueueState:
        """For the outcome."""
        shown: tuple[str, ...] = ()
        if self._caches is not None:
            shown = tuple(
                [
                    f"{cache.region.key if cache.region else 'unmapped'}+{cache.xlat:#x}:{cache.length:#x}"
                    for cache in self._caches
                ]
            )
        return QueueState(self.index, self._num, self.last_avail, self.shadow, self.used_idx, self.inuse, shown)
