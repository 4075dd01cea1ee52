"""What a virtio device saves after a load, where that is not what was loaded (virtio.md 1, 3).

The program writes what it has, by its own rules of what is there: the leading queues that have a size, subsections
that its features or its state call for, indices that it took from the rings.
"""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeAlias

from model.devices.virtio.transport import CAP_MSIX, INTERRUPT_PIN, MASK_ALL, MSIX_ENABLE, PINS, Pci

if TYPE_CHECKING:
    from collections.abc import Iterable

    from model.devices.virtio.device import Virtio

Fields: TypeAlias = "dict[str, int | bytes | None]"

VERSION_1: Final = 1 << 32
RING_PACKED: Final = 1 << 34
LITTLE: Final = 1
STATUS: Final = 0x06
INTERRUPT: Final = 0x08
_CORE: Final = "virtio.core.virtio/"
_STATE: Final = {
    "pci": f"{_CORE}extra_state.extra_state.virtio_pci/modern_state.",
    "mmio": f"{_CORE}extra_state.extra_state.virtio_mmio/state.",
}


def core_fields(device: Virtio) -> Fields:
    """By path in the section: values, and None for what is not there."""
    found: Fields = {}
    if isinstance(device.transport, Pci):
        found |= _pci(device.transport)
    found |= _head(device) | _queues(device) | _subsections(device) | _per_queue(device) | _extra_state(device)
    return found


def _head(device: Virtio) -> Fields:
    size = device.entry.config_size
    return {
        "virtio.head.status": device.status,
        "virtio.head.isr": device.isr,
        "virtio.head.features_lo": device.features & 0xFFFFFFFF,
        "virtio.head.config_len": size,
        "virtio.head.config": device.config_space if size else None,
    }


def _pci(transport: Pci) -> Fields:
    """The interrupt line and its bit in the status register, which is not saved; pending vectors."""
    function = transport.function
    config = function.config
    status = int.from_bytes(config[STATUS : STATUS + 2], "little") & ~INTERRUPT
    found: Fields = {f"virtio.pci.config[{int(function.entry.express)}].status": status}
    capability = function.capability(CAP_MSIX)
    control = config[capability + 3] if capability else 0
    pin = config[INTERRUPT_PIN]
    if transport.level is not None and 1 <= pin <= PINS:
        found[f"virtio.pci.irq_state[{pin - 1}]"] = transport.level
    table, vectors = transport.table, transport.vectors
    if table and vectors:
        pending = bytearray(table[16 * vectors :])
        is_open = control & (MSIX_ENABLE | MASK_ALL) == MSIX_ENABLE
        for vector in range(vectors):
            if is_open and not table[16 * vector + 12] & 1:
                pending[vector // 8] &= ~(1 << vector % 8)
        for vector in transport.pending:
            pending[vector // 8] |= 1 << vector % 8
        found["virtio.msix.msix.pending"] = bytes(pending)
    return found


def _queues(device: Virtio) -> Fields:
    count = next((queue.index for queue in device.queues if not queue.num), len(device.queues))
    found: Fields = {"virtio.queues.num": count}
    for queue in device.queues:
        path = f"virtio.queues.queue[{queue.index}]."
        there = queue.index < count
        if not there and queue.index >= device.loaded_queues:
            break
        for name, value in (
            ("num", queue.num), ("desc", queue.desc), ("last_avail_idx", queue.last_avail),
            ("vector", queue.vector), ("align", queue.align),
        ):  # fmt: skip
            if name == "vector" and not device.transport.vectors:
                continue
            if name == "align" and isinstance(device.transport, Pci):
                continue
            found[path + name] = value if there else None
    return found


def _subsections(device: Virtio) -> Fields:
    wide = device.entry.host_features >> 32
    values = {
        "device_endian.device_endian": device.endian if device.endian not in {0, LITTLE} else None,
        "64bit_features.guest_features": device.features if wide else None,
        "broken.broken": 1 if device.broken else None,
        "started.started": 1 if device.started else None,
        "disabled.disabled": 1 if device.disabled else None,
    }
    return {_CORE + name: value for name, value in values.items()}


def _per_queue(device: Virtio) -> Fields:
    host, queues = device.entry.host_features, device.queues
    numbers = tuple([queue.index for queue in queues])
    sized = any(queue.num != queue.default_num for queue in queues)
    found: Fields = {}
    for there, name, value in (
        (host & VERSION_1, "virtqueues.vq[{}].vring.avail", "avail"),
        (host & VERSION_1, "virtqueues.vq[{}].vring.used", "used"),
        (sized, "ringsize.vq[{}].vring.num_default", "default_num"),
        (host & RING_PACKED, "packed_virtqueues.vq[{}].last_avail_idx", "last_avail"),
        (host & RING_PACKED, "packed_virtqueues.vq[{}].last_avail_wrap_counter", "last_wrap"),
        (host & RING_PACKED, "packed_virtqueues.vq[{}].used_idx", "used_idx"),
        (host & RING_PACKED, "packed_virtqueues.vq[{}].used_wrap_counter", "used_wrap"),
        (host & RING_PACKED, "packed_virtqueues.vq[{}].inuse", "inuse"),
    ):
        paths = _paths(_CORE + name, numbers)
        found.update(zip(paths, map(attrgetter(value), queues), strict=True) if there else dict.fromkeys(paths))
    return found


@lru_cache(maxsize=256)
def _paths(name: str, numbers: tuple[int, ...]) -> tuple[str, ...]:
    """A name for each queue; a device has a thousand, and many devices have as many."""
    return tuple([name.format(number) for number in numbers])


def _extra_state(device: Virtio) -> Fields:
    """The transport's registers: as loaded; as at reset where the stream had none or a reset followed; not there
    on a device without."""
    if device.entry.extra_state and device.extra_state_came:
        return {}
    paths: Iterable[str] = _registers(device)
    if device.entry.extra_state and device.selects_kept:
        paths = [path for path in paths if ".vqs[" in path]
    return dict.fromkeys(paths, 0 if device.entry.extra_state else None)


def _registers(device: Virtio) -> tuple[str, ...]:
    return _register_paths(device.entry.transport, tuple([queue.index for queue in device.queues]))


@lru_cache(maxsize=64)
def _register_paths(transport: str, numbers: tuple[int, ...]) -> tuple[str, ...]:
    prefix = _STATE[transport]
    found = [f"{prefix}dfselect", f"{prefix}gfselect"] if transport == "pci" else []
    found += [f"{prefix}guest_features[{index}]" for index in range(2)]
    for number in numbers:
        path = f"{prefix}vqs[{number}]."
        found += [f"{path}num", f"{path}enabled"]
        found += [f"{path}{name}[{index}]" for name in ("desc", "avail", "used") for index in range(2)]
    return tuple(found)
