"""virtio devices: what `virtio_load` does with a section, ring caches, ring checks. The same for every kind.

Source: virtio.md 2 (the order of the load and its checks), 5 (ring caches), 7 (the listener). Fields come in wire order
from the one grammar of `vmformat.virtio`; what the program does between them is done when they come. Kinds that do
something of their own with their payload are subclasses (`blk`, `net`, ...), found by `kinds`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, ClassVar, Final

from model.devices.handler import Effects, Handler
from model.devices.virtio.queue import Queue
from model.devices.virtio.renewal import Renewal, is_built, renewed, rings_of
from model.devices.virtio.requests import Requests
from model.devices.virtio.saved import core_fields
from model.devices.virtio.start import start, stop
from model.devices.virtio.transport import NO_VECTOR, Mmio, Pci
from model.errors import Abort
from model.memory import Listener
from model.memory import cache as caches
from model.outcome import DeviceState
from model.raised import WrongReturn
from vmformat import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from model.description import VirtioEntry
    from model.devices.virtio.saved import Fields
    from model.load_state import LoadState
    from model.machine import Machine
    from model.memory import AddressSpace, Region

EPERM, EINVAL = 1, 22
QUEUE_MAX: Final = 1024
U64: Final = (1 << 64) - 1
VERSION_1: Final = 1 << 32
RING_PACKED: Final = 1 << 34
DRIVER_OK, NEEDS_RESET = 0x04, 0x40
CONFIG_CHANGED: Final = 0x3
READER: Final = "virtio_init_region_cache"

_HEAD = "virtio.head."
_CORE = "virtio.core.virtio/"

_ADDRESSES: Final = struct.Struct(">QQ")
_INDICES: Final = struct.Struct(">HBHBI")
_AT_REST: Final = _INDICES.pack(0, 1, 0, 1, 0)
_SIZE: Final = struct.Struct(">I")


def _records(record: struct.Struct, data: bytes) -> Iterator[tuple[int, ...]]:
    return record.iter_unpack(data[: len(data) // record.size * record.size])


def _end(value: bytes, rest: bytes) -> int:
    """Behind the last byte that is not as at rest: zeros, or `rest` over and over."""
    if not rest:
        return len(value.rstrip(b"\0"))
    at_rest = rest * (len(value) // len(rest)) + rest[: len(value) % len(rest)]
    return (int.from_bytes(value, "little") ^ int.from_bytes(at_rest, "little")).bit_length() + 7 >> 3


class _CommitListener(Listener):
    """Rebuilds the ring caches of its device on every committed update, whatever changed (virtio.md 7)."""

    def __init__(self, device: Virtio) -> None:
        super().__init__()
        self.device = device

    def commit(self) -> None:
        """An update is over."""
        self.device.memory_changed()

    def commit_for_all(self, listeners: Sequence[Listener]) -> bool:
        """All devices at once, where that comes to the same."""
        devices = [who.device for who in listeners if isinstance(who, _CommitListener)]
        is_sound = _functions(Virtio) == _FUNCTIONS
        return is_sound and len(devices) == len(listeners) and self.device.rings.renewed(listeners, devices, READER)


class Virtio(Effects):
    """A virtio device behind its transport. By itself it is one whose payload has no consequences."""

    fields: ClassVar[frozenset[str]] = frozenset({
        "virtio.msix.msix", "virtio.msix.config_vector",
        f"{_HEAD}status", f"{_HEAD}isr", f"{_HEAD}queue_sel", f"{_HEAD}features_lo", f"{_HEAD}config",
        "virtio.queues.num", "virtio.queues.queue",
        f"{_CORE}64bit_features.guest_features", f"{_CORE}virtqueues.vq", f"{_CORE}broken.broken",
        f"{_CORE}started.started", f"{_CORE}packed_virtqueues.vq", f"{_CORE}ringsize.vq", f"{_CORE}disabled.disabled",
        f"{_CORE}device_endian.device_endian", f"{_CORE}extra_state.extra_state",
    })  # fmt: skip
    post: ClassVar[frozenset[str]] = frozenset({"virtio"})
    in_field: ClassVar[frozenset[str]] = frozenset({"virtio"})

    def __init__(self, machine: Machine, handler: Handler, entry: VirtioEntry) -> None:
        super().__init__(machine, handler)
        self.entry = entry
        self.section = handler.name
        self.memory = machine.memory
        self.transport = Mmio() if handler.function is None else Pci(handler.function, machine.memory)
        self.space: AddressSpace = machine.memory_space
        if entry.iommu_platform and self.transport.space is not None:
            self.space = self.transport.space
        self.rings = machine.rings
        self.queues = [
            Queue(index, entry.queues[index] if index < len(entry.queues) else 0, self.rings.changes)
            for index in range(QUEUE_MAX)
        ]
        self.requests = Requests(self)
        self.load: LoadState | None = None
        self.listener = _CommitListener(self)
        self.notifiers: list[Region] = []
        self._used_queues = len(entry.queues)
        self.config_space = bytes(entry.config_size)
        self.renewal: Renewal | None = None
        """What was found for the rings last, be it in another load."""

        self._clear()
        machine.memory.register(self.listener, self.space)
        if handler.function is not None:
            handler.function.on_reset = self.device_reset

    def _clear(self) -> None:
        self.status = 0
        self.features = 0
        self.features_lo = 0
        self.broken = False
        self.started = self.disabled = False
        self.isr = self.endian = 0
        self.extra_state_came = self.selects_kept = False
        self.loaded_queues = 0
        self.listener.is_idle = True
        self.resumed: tuple[tuple[str, str], ...] = ()
        self.transport.reset()

    def reset(self) -> None:
        """Pristine, for the next execution."""
        super().reset()
        for queue in self.queues[: self._used_queues]:
            queue.default_num = queue.own_num
            queue.reset()
        self._used_queues = len(self.entry.queues)
        self.requests.reset()
        self.notifiers = []
        self.load = None
        self.config_space = bytes(self.entry.config_size)
        self._clear()

    def device_reset(self) -> None:
        """What losing power does to the device. Of the transport's registers those of the queues are cleared."""
        self.machine.touched.add(self.handler)
        stop(self)
        for queue in self.queues[: self._used_queues]:
            queue.reset()
        kept = self.extra_state_came or self.selects_kept
        self._clear()
        self.selects_kept = kept

    def system_reset(self) -> None:
        """As losing power; requests under way are dropped, and what they had mapped with them."""
        self.device_reset()
        self.requests.reset()

    def follow(self, load: LoadState) -> None:
        """A device that has loaded something knows where."""
        if self.load is not None:
            self.load = load

    def resume(self, load: LoadState) -> None:
        """A device that has been started goes on."""
        if self.started and not self.broken:
            self.resumed = start(self, load)

    @property
    def features(self) -> int:
        """Those that driver and device have agreed on, as far as loaded."""
        return self._features

    @features.setter
    def features(self, value: int) -> None:
        self.rings.changes.count += 1
        self._features = value

    # What a kind of its own may say

    def own_field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """A wanted field of the device's payload, or behind the virtio field."""
        return None

    def own_post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """A wanted vmsd of the device's payload is complete."""
        return None

    def queue_count(self, load: LoadState, count: int) -> None:
        """So many queue records follow."""

    def set_features(self, load: LoadState, features: int) -> None:
        """Features (those that the host offers) are set, before it is said whether they all are."""

    # The section, field by field

    def field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """Checks and stores in wire order (virtio.md 2)."""
        self.load = load
        take = self._takes.get(path)
        return self.own_field(load, path, value) if take is None else take(self, load, path, value)

    def _status(self, _load: LoadState, _path: str, value: int) -> None:
        self.status = value
        self.transport.level = None  # a section has just brought the line's level

    def _queue_select(self, _load: LoadState, path: str, value: int) -> Refusal | None:
        return Refusal(EPERM, (), 0, path) if value >= QUEUE_MAX else None

    def _features_low(self, _load: LoadState, _path: str, value: int) -> None:
        self.features_lo = self.features = value

    def _features_wide(self, _load: LoadState, _path: str, value: int) -> None:
        self.features = value

    def _isr(self, _load: LoadState, _path: str, value: int) -> None:
        self.isr = value

    def _broken(self, _load: LoadState, _path: str, value: int) -> None:
        self.broken = bool(value)

    def _started(self, _load: LoadState, _path: str, value: int) -> None:
        self.started = bool(value)

    def _disabled(self, _load: LoadState, _path: str, value: int) -> None:
        self.disabled = bool(value)

    def _endian(self, _load: LoadState, _path: str, value: int) -> None:
        self.endian = value

    def _config(self, _load: LoadState, _path: str, value: bytes) -> None:
        self.config_space = (value + self.config_space[len(value) :])[: self.entry.config_size]

    def _extra_state(self, _load: LoadState, _path: str, value: bytes) -> None:
        self.extra_state_came |= value != b""

    def _table(self, _load: LoadState, _path: str, value: bytes) -> None:
        self.transport.table = value

    def _config_vector(self, _load: LoadState, path: str, value: int) -> Refusal | None:
        self.transport.config_vector = value
        return self._vector(value, path)

    def _vector(self, value: int, path: str) -> Refusal | None:
        if value != NO_VECTOR and value >= self.transport.vectors:
            return Refusal(EINVAL, (), 0, path)
        return None

    def _queue_count(self, load: LoadState, path: str, value: int) -> Refusal | None:
        if value > QUEUE_MAX:
            return Refusal(EPERM, (f"Invalid number of virtqueues: 0x{value:x}",), 0, path)
        self.queue_count(load, value)
        self.loaded_queues = value
        self.use(value)
        return None

    def use(self, count: int) -> None:
        """So many queues may differ from those of a machine that has not loaded anything."""
        self._used_queues = max(self._used_queues, count)

    def _queue_records(self, load: LoadState, path: str, value: bytes) -> Refusal | None:
        record, mmio = self.transport.record, not isinstance(self.transport, Pci)
        whole = value.ljust(self.loaded_queues * record.size, b"\0")[: self.loaded_queues * record.size]
        for queue, found in zip(self.queues, record.iter_unpack(whole), strict=False):
            if mmio:
                queue.num, queue.align, queue.desc, queue.last_avail = found
            else:
                queue.num, queue.desc, queue.last_avail = found[:3]
            if queue.desc != 0:
                self.listener.is_idle = False
            if queue.desc == 0 and queue.last_avail != 0:
                load.guest_can_cause = True
                text = f"VQ {queue.index} address 0x0 inconsistent with Host index 0x{queue.last_avail:x}"
                return Refusal(EPERM, (text,), 0, f"{path}[{queue.index}].last_avail_idx")
            if self.transport.vectors:
                queue.vector = found[3]
                refusal = self._vector(found[3], f"{path}[{queue.index}].vector")
                if refusal is not None:
                    return refusal
        self.notify(self.transport.line)
        return None

    def notify(self, how: Callable[[int], None]) -> None:
        """Tell the driver something by its interrupts: not of a device that is disabled or broken."""
        if not (self.disabled or self.broken):
            how(self.isr)

    def _addresses(self, _load: LoadState, _path: str, value: bytes) -> None:
        for queue, (avail, used) in zip(
            self.queues, _records(_ADDRESSES, self._filled(value, _ADDRESSES)), strict=False
        ):
            queue.avail, queue.used = avail, used

    def _packed(self, _load: LoadState, _path: str, value: bytes) -> None:
        for queue, found in zip(self.queues, _records(_INDICES, self._filled(value, _INDICES, _AT_REST)), strict=False):
            queue.last_avail, wrap, queue.used_idx, used_wrap, queue.inuse = found
            queue.last_wrap, queue.used_wrap = int(wrap != 0), int(used_wrap != 0)

    def _default_sizes(self, _load: LoadState, _path: str, value: bytes) -> None:
        for queue, (size,) in zip(self.queues, _records(_SIZE, self._filled(value, _SIZE)), strict=False):
            queue.default_num = size

    def _filled(self, value: bytes, record: struct.Struct, rest: bytes = b"") -> bytes:
        """The records of an array over all queues up to the last that is not as at rest (zeros, or `rest`)."""
        known = self._used_queues * record.size
        tail = value[known:]
        # Most of the 1,024 queues are never in use; comparing their bytes takes a moment, looking for the last a while.
        if tail == (rest * (len(tail) // record.size) if rest else bytes(len(tail))):
            return value[:known]
        self.use(-(-_end(value, rest) // record.size))
        return value[: self._used_queues * record.size]

    # What follows the fields: features, rings

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Steps 8 to 12 of virtio.md 2, once the core's subsections are read."""
        if vmsd != "virtio":
            return self.own_post_load(load, vmsd, path)
        if path != "virtio.core":
            return None
        host = self.entry.host_features
        features = self.features if host >> 32 else self.features_lo
        self.set_features(load, features & host)
        if features & ~host:
            text = f"Features 0x{features:x} unsupported. Allowed features: 0x{host:x}"
            return Refusal(EPERM, (text,), 0, "features")
        self.features = features
        for queue in self.queues[: self.loaded_queues]:
            if queue.desc == 0:
                continue
            is_set_up = True
            if not features & VERSION_1:
                is_set_up = queue.num != 0 and queue.align != 0
                if is_set_up:
                    queue.avail = (queue.desc + 16 * queue.num) & U64
                    end = queue.avail + 4 + 2 * queue.num + queue.align - 1
                    queue.used = (end & U64) // queue.align * queue.align
            if is_set_up:
                load.hooks.ring_cache(load, self, queue.index)
            refusal = load.hooks.ring_check(load, self, queue.index)
            if refusal is not None:
                if not isinstance(refusal, Refusal):
                    raise WrongReturn("ring_check", "a Refusal or None", refusal)
                return refusal
        return None

    def memory_changed(self) -> None:
        """A commit has rebuilt the views: what is done then the design says."""
        if self.listener.is_idle:
            return
        if self.load is None:
            self.build_caches()
        else:
            before, self.load.within = self.load.within, "commit"
            self.load.hooks.listener_commit(self.load, self)
            self.load.within = before

    def build_caches(self) -> None:
        """Rebuild the caches of queue 0, 1, ... up to the first of size 0."""
        if renewed(self, READER):
            return
        for queue in self.queues:
            if queue.num == 0:
                break
            self.build_cache(queue.index)

    def build_cache(self, index: int) -> None:
        """Map descriptors, used and avail ring, in that order; a short one marks the device broken."""
        queue = self.queues[index]
        if is_built(self, queue, READER):
            return
        queue_caches = []
        if queue.desc == 0:
            queue.caches = None
            return
        if self.load is not None:
            self.load.step(3)
        for what, address, size, write in rings_of(self, queue):
            if size == 0:
                raise Abort("address_space_cache_init: Assertion `len > 0' failed.")
            self.memory.work.caches += 1
            cache = caches.cache_init(self.memory, self.space, address, size, write, READER)
            if cache.length < size:
                queue.caches = None
                self.error(f"Cannot map {what}")
                return
            queue_caches.append(cache)
        queue.caches = (queue_caches[0], queue_caches[1], queue_caches[2])

    def check_ring(self, index: int) -> Refusal | None:
        """Compare the ring's indices with the loaded one; derive used and in-use (virtio.md 2, step 11)."""
        queue = self.queues[index]
        if self.features & RING_PACKED:
            queue.shadow = queue.last_avail
            return None
        available = self._index(queue, 2)
        heads = (available - queue.last_avail) & 0xFFFF
        if heads > queue.num:
            available = self._index(queue, 2)  # read once more to be told, which an IOMMU notices
            self.error(
                f"VQ {index} size 0x{queue.num:x} Guest index 0x{available:x} inconsistent with "
                f"Host index 0x{queue.last_avail:x}: delta 0x{heads:x}"
            )
            queue.used_idx = queue.shadow = queue.inuse = 0
            return None
        queue.used_idx = self._index(queue, 1)
        queue.shadow = available
        queue.inuse = (queue.last_avail - queue.used_idx) & 0xFFFF
        if queue.inuse > queue.num:
            if self.load is not None:
                self.load.guest_can_cause = True
            indices = f"last_avail_idx 0x{queue.last_avail:x} - used_idx 0x{queue.used_idx:x}"
            return Refusal(
                EPERM,
                (f"VQ {index} size 0x{queue.num:x} < {indices}",),
                0,
                f"virtio.queues.queue[{index}].last_avail_idx",
            )
        return None

    def _index(self, queue: Queue, which: int) -> int:
        """The 16-bit index of a ring, little-endian behind its flags; 0 without a cache."""
        if queue.caches is None:
            return 0
        return int.from_bytes(queue.caches[which].read(2, 2), "little")

    def error(self, message: str) -> None:
        """Mark the device broken, which a modern driver hears by a config interrupt, even during a load."""
        if self.load is not None:
            self.load.messages.append(message)
        if self.features & VERSION_1:
            self.status |= NEEDS_RESET
            if self.status & DRIVER_OK:
                self.isr |= CONFIG_CHANGED
                self.notify(self.transport.interrupt)
        self.broken = True

    def local(self, path: str) -> int:
        """The destination's own value of an `equal` field."""
        return self.entry.local.get(path, 0)

    def saved(self) -> Fields:
        """Everything of the core; what is the device's own a kind may add (`own_saved`)."""
        return core_fields(self) | self.own_saved()

    def own_saved(self) -> Fields:
        """Of the device's payload."""
        return {}

    def state(self) -> DeviceState | None:
        """Every queue that is set up, has moved, or has caches left."""
        shown = tuple([queue.state() for queue in self.queues[: self._used_queues] if not queue.is_at_rest])
        derived = self.requests.derived() + self.transport.derived() + self.resumed
        return DeviceState(self.section, self.handler.kind, self.broken, self.started, shown, derived)

    _takes: ClassVar[dict[str, Callable[[Virtio, LoadState, str, Any], Refusal | None]]] = {
        "virtio.msix.msix": _table,
        "virtio.msix.config_vector": _config_vector,
        f"{_HEAD}status": _status,
        f"{_HEAD}isr": _isr,
        f"{_HEAD}queue_sel": _queue_select,
        f"{_HEAD}features_lo": _features_low,
        f"{_HEAD}config": _config,
        "virtio.queues.num": _queue_count,
        "virtio.queues.queue": _queue_records,
        f"{_CORE}64bit_features.guest_features": _features_wide,
        f"{_CORE}virtqueues.vq": _addresses,
        f"{_CORE}broken.broken": _broken,
        f"{_CORE}started.started": _started,
        f"{_CORE}packed_virtqueues.vq": _packed,
        f"{_CORE}ringsize.vq": _default_sizes,
        f"{_CORE}disabled.disabled": _disabled,
        f"{_CORE}device_endian.device_endian": _endian,
        f"{_CORE}extra_state.extra_state": _extra_state,
    }
    """What is done with each field of the core's."""


def _functions(kind: type[Virtio]) -> tuple[object, ...]:
    """What a commit has done by."""
    return (kind.memory_changed, kind.build_caches, kind.build_cache, _CommitListener.commit)


_FUNCTIONS: Final = _functions(Virtio)
