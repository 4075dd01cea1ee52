"""Faults that loaders have had with rings: indices compared wrongly, caches of another place, size or length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.devices.virtio.device import EPERM, RING_PACKED, U64, VERSION_1
from model.errors import Abort
from model.seeded.bug import SeededBug
from vmformat import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.devices.virtio.device import Virtio
    from model.devices.virtio.queue import Queue
    from model.memory import AddressSpace, Cache, Memory

_HEAD: Final = 4
"""Bytes of a ring that hold its flags and its index."""


class InUseNotModular(SeededBug):
    """The used index is taken from the one last seen without wrapping: one behind the wrap is refused."""

    source = "S40, fixed by bccdef6b1a and e66bcc4081"
    budget = 5_000

    def check_ring(self, sound: Callable[..., Any], virtio: Virtio, index: int) -> Refusal | None:
        """A negative difference is a huge number."""
        refusal: Refusal | None = sound(virtio, index)
        queue = virtio.queues[index]
        if refusal is None and not virtio.features & RING_PACKED and queue.used_idx > queue.last_avail:
            text = f"VQ {index} size 0x{queue.num:x} < last_avail_idx - used_idx"
            return Refusal(EPERM, (text,), 0, f"virtio.queues.queue[{index}].last_avail_idx")
        return refusal


class AvailableIndexRefused(SeededBug):
    """An available index too far ahead, which a guest can write, refuses the load and so pins the guest to its host."""

    source = "P02, removed by d68cdae30e"
    budget = 2_000

    def check_ring(self, sound: Callable[..., Any], virtio: Virtio, index: int) -> Refusal | None:
        """The device is not marked broken: the load fails."""
        was = virtio.broken
        refusal: Refusal | None = sound(virtio, index)
        if refusal is None and virtio.broken and not was and virtio.load is not None:
            virtio.load.guest_can_cause = True
            return Refusal(EPERM, (), 0, f"virtio.queues.queue[{index}].last_avail_idx")
        return refusal


class LegacyRingsCached(SeededBug):
    """Caches are built as soon as the descriptors' address is known: of a modern driver's rings where old ones lie."""

    source = "S41, fixed by 874adf45db"
    machine = "q35-request"
    budget = 2_000

    def build_cache(self, sound: Callable[..., Any], virtio: Virtio, index: int) -> None:
        """The addresses that a subsection will bring are not there yet."""
        queue = virtio.queues[index]
        if not (virtio.features & VERSION_1 and queue.num and queue.align):
            sound(virtio, index)
            return
        avail, used = queue.avail, queue.used
        queue.avail = (queue.desc + 16 * queue.num) & U64
        queue.used = (queue.avail + 4 + 2 * queue.num + queue.align - 1 & U64) // queue.align * queue.align
        sound(virtio, index)
        queue.avail, queue.used = avail, used


class CacheOutlivesReset(SeededBug):
    """A device that is reset, as its slot loses power, keeps its caches: the next driver has the former one's."""

    source = "S42, fixed by e0e2d64409"
    machine = "q35-modern"

    def reset_queue(self, sound: Callable[..., Any], queue: Queue) -> None:
        """All but the caches."""
        caches = queue.caches
        sound(queue)
        queue.caches = caches


class CacheKeepsItsSize(SeededBug):
    """A queue whose size alone changes keeps its caches: they end where those of the former size did."""

    source = "S43, fixed by bbc1c327d7 and f0d634ea19"

    def __init__(self) -> None:
        self._built: dict[tuple[str, int], int] = {}

    def build_cache(self, sound: Callable[..., Any], virtio: Virtio, index: int) -> None:
        """Only another address is a reason to build them anew."""
        queue = virtio.queues[index]
        where = virtio.section, index
        resized = queue.caches is not None and queue.caches[0].length != 16 * queue.num
        if resized and queue.desc == self._built.get(where):
            return
        self._built[where] = queue.desc
        sound(virtio, index)


class ShortCacheUsed(SeededBug):
    """Whether a cache is as long as was asked is not looked at: no device is broken, the index may lie behind it."""

    source = "S44, fixed by e45da65322 and abdd16f468"
    budget = 5_000

    def cache_init(
        self,
        sound: Callable[..., Any],
        memory: Memory,
        space: AddressSpace,
        addr: int,
        length: int,
        write: bool,
        reader: str,
    ) -> Cache:
        """A short one is taken for a whole one; one that has no index dies of an assertion when that is read."""
        cache: Cache = sound(memory, space, addr, length, write, reader)
        if cache.length < _HEAD <= length:
            raise Abort("address_space_read_cached: Assertion `addr < cache->len && len <= cache->len - addr' failed.")
        cache.length = length
        return cache


BUGS: Final = (
    InUseNotModular,
    AvailableIndexRefused,
    LegacyRingsCached,
    CacheOutlivesReset,
    CacheKeepsItsSize,
    ShortCacheUsed,
)
