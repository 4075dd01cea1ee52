"""virtio devices: what `virtio_load` does with a section, ring caches, ring checks, requests under way.

Source: virtio.md 2 (the order of the load and its checks), 4.1 (requests), 5 (ring caches), 7 (the listener). Fields
come in wire order from the one grammar of `vmformat.virtio`; what the program does between them is done when they
come.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.handler import Effects, Handler
from model.devices.queue_pairs import QueuePairs
from model.devices.requests import Requests
from model.errors import Abort
from model.memory import Cache, Listener, Use
from model.memory import cache as caches
from model.outcome import DeviceState, QueueState
from vmformat import Refusal

if TYPE_CHECKING:
    from model.description import VirtioEntry
    from model.loader import LoadState
    from model.machine import Machine
    from model.memory import AddressSpace

EPERM, EINVAL = 1, 22
QUEUE_MAX: Final = 1024
NO_VECTOR: Final = 0xFFFF
U64: Final = (1 << 64) - 1
EVENT_IDX: Final = 1 << 29
VERSION_1: Final = 1 << 32
RING_PACKED: Final = 1 << 34
DRIVER_OK, NEEDS_RESET = 0x04, 0x40
LEGACY_ALIGN: Final = 4096
CAP_MSIX: Final = 0x11
MSIX_ENABLE: Final = 0x80
INTERRUPT_PIN: Final = 0x3D
PINS: Final = 4
READER: Final = "virtio_init_region_cache"

_HEAD = "virtio.head."
_CORE = "virtio.core.virtio/"


class Queue:
    """One virtqueue: size, guest addresses, 16-bit indices, and the three caches (descriptors, used, avail)."""

    __slots__ = (
        "avail",
        "caches",
        "default_num",
        "desc",
        "index",
        "inuse",
        "last_avail",
        "num",
        "own_num",
        "shadow",
        "used",
        "used_idx",
    )

    def __init__(self, index: int, default_num: int) -> None:
        self.index = index
        self.own_num = self.default_num = default_num
        self.reset()

    def reset(self) -> None:
        """As at device reset: the default size, nothing set up."""
        self.num = self.default_num
        self.desc = self.avail = self.used = 0
        self.last_avail = self.shadow = self.used_idx = self.inuse = 0
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


class _CommitListener(Listener):
    """Rebuilds the ring caches of its device on every committed update, whatever changed (virtio.md 7)."""

    def __init__(self, device: Virtio) -> None:
        super().__init__()
        self.device = device

    def commit(self) -> None:
        """An update is over."""
        self.device.memory_changed()


class Virtio(Effects):
    """A virtio device behind its PCI proxy."""

    fields: ClassVar[frozenset[str]] = frozenset({
        "virtio.msix.msix", "virtio.msix.config_vector",
        f"{_HEAD}status", f"{_HEAD}queue_sel", f"{_HEAD}features_lo",
        "virtio.queues.num", "virtio.queues.vqs",
        "virtio.device.requests[].queue", "virtio.device.requests[].element",
        "virtio.device.curr_queue_pairs", "virtio-net-vnet:has_vnet_hdr", "virtio-net-ufo:has_ufo",
        f"{_CORE}64bit_features.guest_features", f"{_CORE}virtqueues.vq", f"{_CORE}broken.broken",
        f"{_CORE}started.started", f"{_CORE}packed_virtqueues.vq",
    })  # fmt: skip
    pre: ClassVar[frozenset[str]] = frozenset({"virtio-net-tx_waiting"})
    post: ClassVar[frozenset[str]] = frozenset({"virtio", "virtio-net-vnet", "virtio-net-ufo"})

    def __init__(self, machine: Machine, handler: Handler, entry: VirtioEntry) -> None:
        super().__init__(machine, handler)
        assert handler.function is not None
        self.entry = entry
        self.section = handler.name
        self.function = handler.function
        self.vectors = handler.function.entry.vectors
        self.memory = machine.memory
        self.space: AddressSpace = machine.memory_space
        if entry.iommu_platform and handler.function.master_space is not None:
            self.space = handler.function.master_space
        self.queues = [
            Queue(index, entry.queues[index] if index < len(entry.queues) else 0) for index in range(QUEUE_MAX)
        ]
        self.requests = Requests(self)
        self.pairs = QueuePairs(self) if entry.kind == "net" else None
        self.load: LoadState | None = None
        self.listener = _CommitListener(self)
        self._used_queues = len(entry.queues)
        self._clear()
        machine.memory.register(self.listener, self.space)
        handler.function.on_reset = self.device_reset

    def _clear(self) -> None:
        self.status = 0
        self.features = 0
        self.features_lo = 0
        self.broken = False
        self.started = False
        self.loaded_queues = 0
        self.config_vector = NO_VECTOR
        self.table = b""
        self.net: dict[str, int] = {}
        self.has_rings = False

    def reset(self) -> None:
        """Pristine, for the next execution."""
        super().reset()
        for queue in self.queues[: self._used_queues]:
            queue.default_num = queue.own_num
            queue.reset()
        self._used_queues = len(self.entry.queues)
        self.requests.reset()
        if self.pairs is not None:
            self.pairs.reset()
        self.load = None
        self._clear()

    def device_reset(self) -> None:
        """What losing power does to the device."""
        self.machine.touched.add(self.handler)
        for queue in self.queues[: self._used_queues]:
            queue.reset()
        self._clear()

    # The section, field by field

    def field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """Checks and stores in wire order (virtio.md 2)."""
        self.load = load
        if isinstance(value, bytes):
            return self._bytes(load, path, value)
        assert isinstance(value, int)
        return self._number(load, path, value)

    def _number(self, load: LoadState, path: str, value: int) -> Refusal | None:
        match path.rsplit(".", 1)[-1]:
            case "config_vector":
                self.config_vector = value
                return self._vector(value, path)
            case "status" if path.startswith(_HEAD):
                self.status = value
            case "queue_sel" if value >= QUEUE_MAX:
                return Refusal(EPERM, (), 0, path)
            case "features_lo":
                self.features_lo = self.features = value
            case "num":
                return self._queue_count(value, path)
            case "queue":
                return self.requests.queue(value, path)
            case "guest_features":
                self.features = value
            case "broken":
                self.broken = bool(value)
            case "started":
                self.started = bool(value)
            case name:
                self.net[name] = value
        return None

    def _bytes(self, load: LoadState, path: str, value: bytes) -> Refusal | None:
        if path == "virtio.msix.msix":
            self.table = value
        elif path == "virtio.queues.vqs":
            return self._queue_records(load, path, value)
        elif path.endswith(".element"):
            self.requests.element(load, value)
        elif path == f"{_CORE}virtqueues.vq":
            self._addresses(value)
        elif path == f"{_CORE}packed_virtqueues.vq":
            self._packed(value)
        return None

    def _vector(self, value: int, path: str) -> Refusal | None:
        if value != NO_VECTOR and value >= self.vectors:
            return Refusal(EINVAL, (), 0, path)
        return None

    def _queue_count(self, value: int, path: str) -> Refusal | None:
        if value > QUEUE_MAX:
            return Refusal(EPERM, (f"Invalid number of virtqueues: 0x{value:x}",), 0, path)
        if self.pairs is not None and self.load is not None:
            self.pairs.change(self.load, value)
        self.loaded_queues = value
        self.use(value)
        return None

    def use(self, count: int) -> None:
        """So many queues may differ from those of a machine that has not loaded anything."""
        self._used_queues = max(self._used_queues, count)

    def _queue_records(self, load: LoadState, path: str, value: bytes) -> Refusal | None:
        record = struct.Struct(">IQHH" if self.vectors else ">IQH")
        whole = value.ljust(self.loaded_queues * record.size, b"\0")[: self.loaded_queues * record.size]
        for queue, found in zip(self.queues, record.iter_unpack(whole), strict=False):
            queue.num, queue.desc, queue.last_avail = found[:3]
            self.has_rings |= queue.desc != 0
            if queue.desc == 0 and queue.last_avail != 0:
                load.guest_can_cause = True
                text = f"VQ {queue.index} address 0x0 inconsistent with Host index 0x{queue.last_avail:x}"
                return Refusal(EPERM, (text,), 0, f"{path}[{queue.index}].last_avail_idx")
            if self.vectors:
                refusal = self._vector(found[3], f"{path}[{queue.index}].vector")
                if refusal is not None:
                    return refusal
        self._line()
        return None

    def _line(self) -> None:
        """Without MSI-X the interrupt line is driven, whose number is whatever the loaded config space says."""
        config = self.function.config
        capability = self.function.capability(CAP_MSIX)
        if capability and config[capability + 3] & MSIX_ENABLE:
            return
        if not 1 <= config[INTERRUPT_PIN] <= PINS:
            raise Abort("pci_irq_handler: Assertion `0 <= irq_num && irq_num < PCI_NUM_PINS' failed.")

    def _addresses(self, value: bytes) -> None:
        limit = self._used_queues
        for queue, (avail, used) in zip(
            self.queues[:limit], struct.iter_unpack(">QQ", value[: 16 * limit]), strict=False
        ):
            queue.avail, queue.used = avail, used

    def _packed(self, value: bytes) -> None:
        limit = self._used_queues
        record = struct.Struct(">HBHBI")
        for queue, found in zip(self.queues[:limit], record.iter_unpack(value[: record.size * limit]), strict=False):
            queue.last_avail, queue.used_idx, queue.inuse = found[0], found[2], found[4]

    def pre_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Before as many counters as there are queue pairs."""
        pairs, most = self.net.get("curr_queue_pairs", 0), self.entry.max_queue_pairs
        if pairs > most:
            text = f"virtio-net: curr_queue_pairs {pairs:x} > max_queue_pairs {most:x}"
            return Refusal(EINVAL, (text,), 0, "curr_queue_pairs")
        return None

    def _net(self, vmsd: str) -> Refusal | None:
        """What the saved network device needs and this one lacks."""
        if vmsd == "virtio-net-vnet" and self.net.get("has_vnet_hdr") and not self.entry.has_vnet_hdr:
            return Refusal(EINVAL, ("virtio-net: saved image requires vnet_hdr=on",), 0, "has_vnet_hdr")
        if vmsd == "virtio-net-ufo" and self.net.get("has_ufo") and not self.entry.has_ufo:
            return Refusal(EINVAL, ("virtio-net: saved image requires TUN_F_UFO support",), 0, "has_ufo")
        return None

    # What follows the fields: features, rings

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Steps 8 to 12 of virtio.md 2, once the core's subsections are read."""
        if path != "virtio.core":
            return self._net(vmsd)
        host = self.entry.host_features
        features = self.features if host >> 32 else self.features_lo
        if self.pairs is not None:
            self.pairs.set_features(load, features & host)
        if features & ~host:
            text = f"Features 0x{features:x} unsupported. Allowed features: 0x{host:x}"
            return Refusal(EPERM, (text,), 0, "features")
        self.features = features
        for queue in self.queues[: self.loaded_queues]:
            if queue.desc == 0:
                continue
            if queue.num and not features & VERSION_1:
                queue.avail = (queue.desc + 16 * queue.num) & U64
                queue.used = (queue.avail + 4 + 2 * queue.num + LEGACY_ALIGN - 1) & ~(LEGACY_ALIGN - 1) & U64
            if queue.num or features & VERSION_1:
                load.design.ring_cache(load, self, queue.index)
            refusal = load.design.ring_check(load, self, queue.index)
            if refusal is not None:
                return refusal
        return None

    def memory_changed(self) -> None:
        """Rebuild the caches of queue 0, 1, ... up to the first of size 0."""
        if not self.has_rings:
            return
        for queue in self.queues:
            if queue.num == 0:
                break
            self.build_cache(queue.index)

    def build_cache(self, index: int) -> None:
        """Map descriptors, used and avail ring, in that order; a short one marks the device broken."""
        queue = self.queues[index]
        queue_caches = []
        if queue.desc == 0:
            queue.caches = None
            return
        if self.load is not None:
            self.load.step(3)
        for what, address, size, write in self._rings(queue):
            if size == 0:
                raise Abort("address_space_cache_init: Assertion `len > 0' failed.")
            cache = caches.cache_init(self.memory, self.space, address, size, write, READER)
            if cache.length < size:
                queue.caches = None
                self.error(f"Cannot map {what}")
                return
            queue_caches.append(cache)
        queue.caches = (queue_caches[0], queue_caches[1], queue_caches[2])

    def _rings(self, queue: Queue) -> tuple[tuple[str, int, int, bool], ...]:
        num = queue.num
        if self.features & RING_PACKED:
            return ("desc", queue.desc, 16 * num, True), ("used", queue.used, 4, True), ("avail", queue.avail, 4, False)
        event = 2 if self.features & EVENT_IDX else 0
        return (
            ("desc", queue.desc, 16 * num, False),
            ("used", queue.used, 4 + 8 * num + event, True),
            ("avail", queue.avail, 4 + 2 * num + event, False),
        )

    def check_ring(self, index: int) -> Refusal | None:
        """Compare the ring's indices with the loaded one; derive used and in-use (virtio.md 2, step 11)."""
        queue = self.queues[index]
        if self.features & RING_PACKED:
            queue.shadow = queue.last_avail
            return None
        available = self._index(queue, 2)
        heads = (available - queue.last_avail) & 0xFFFF
        if heads > queue.num:
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
                f"virtio.queues.vqs[{index}].last_avail_idx",
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
        self.broken = True
        if self.features & VERSION_1:
            self.status |= NEEDS_RESET
            if self.status & DRIVER_OK:
                self._interrupt()

    def _interrupt(self) -> None:
        """With MSI-X on, a four-byte store through the bus-master space."""
        function = self.function
        capability = function.capability(CAP_MSIX)
        vector = self.config_vector
        if not capability or vector >= self.vectors or function.master_space is None:
            return
        control = function.config[capability + 3]
        entry = self.table[16 * vector : 16 * vector + 16]
        if control & 0xC0 != 0x80 or len(entry) < 16 or entry[12] & 1:
            return
        address = int.from_bytes(entry[:8], "little")
        self.memory.getter(function.master_space, Use("msi_send_message", address, 4, write=True))

    def local(self, path: str) -> int:
        """The destination's own value of an `equal` field."""
        return self.entry.max_queue_pairs if path.endswith("max_queue_pairs") else 0

    def state(self) -> DeviceState | None:
        """Every queue that is set up or has moved."""
        shown = tuple(
            queue.state()
            for queue in self.queues[: self._used_queues]
            if queue.desc or queue.last_avail or queue.shadow or queue.used_idx or queue.inuse
        )
        return DeviceState(self.section, self.handler.kind, self.broken, self.started, shown, self.requests.derived())
