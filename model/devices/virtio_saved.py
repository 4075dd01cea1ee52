"""What a virtio device saves: the parts of its section that follow from its state and not from what was loaded.

Source: virtio.md 1 (leading queues), 3 (which subsections the core writes, and when), 2 (status and features).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from model.devices.virtio import Virtio

QUEUE_MAX: Final = 1024
VERSION_1: Final = 1 << 32
RING_PACKED: Final = 1 << 34
INTERRUPT_STATUS: Final = 0x08
_CORE: Final = "virtio.core.virtio/"


def saved_fields(device: Virtio) -> dict[str, int | bytes | None]:
    """Fields by path with what is saved in them; None for one that is not saved."""
    said: dict[str, int | bytes | None] = {
        "virtio.head.status": device.status,
        "virtio.head.isr": device.isr,
        "virtio.head.features_lo": device.features & 0xFFFF_FFFF,
    }
    said |= _queues(device)
    said |= _config(device)
    host = device.entry.host_features
    said[f"{_CORE}64bit_features.guest_features"] = device.features if host >> 32 else None
    said[f"{_CORE}broken.broken"] = 1 if device.broken else None
    said[f"{_CORE}started.started"] = 1 if device.started else None
    if not host & VERSION_1:
        said |= {f"{_CORE}virtqueues.*": None}
    if not host & RING_PACKED:
        said |= {f"{_CORE}packed_virtqueues.*": None}
    if all(queue.num == queue.default_num for queue in device.queues):
        said[f"{_CORE}ringsize.*"] = None
    else:
        for queue in device.queues:
            said[f"{_CORE}ringsize.vq[{queue.index}].vring.num_default"] = queue.default_num
    return said


def _config(device: Virtio) -> dict[str, int | bytes | None]:
    """The bit that shows the interrupt line is cleared before saving (pci.md 1.1)."""
    function = device.handler.function
    if function is None:
        return {}
    config = function.config
    which = 1 if len(config) > 256 else 0
    status = int.from_bytes(config[6:8], "little") & ~INTERRUPT_STATUS
    return {f"virtio.pci.config[{which}].status": status}


def _queues(device: Virtio) -> dict[str, int | bytes | None]:
    """The leading queues that have a size. What is loaded behind the first that has none is not saved."""
    leading = next((queue.index for queue in device.queues if not queue.num), QUEUE_MAX)
    said: dict[str, int | bytes | None] = {"virtio.queues.num": leading}
    for queue in device.queues[: max(leading, device.loaded_queues)]:
        kept = queue.index < leading
        record = f"virtio.queues.vqs[{queue.index}]."
        said[f"{record}num"] = queue.num if kept else None
        said[f"{record}desc"] = queue.desc if kept else None
        said[f"{record}last_avail_idx"] = queue.last_avail if kept else None
        if not kept:
            said[f"{record}vector"] = None
    return said
