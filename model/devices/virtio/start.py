"""What a virtio device does when the guest is started, before the guest has done anything (virtio.md 8).

A device that was running gets a notifier for each queue, all in one transaction, of which no memory listener hears
unless something else is pending; then each is signalled once, so that what the driver had offered is taken up: through
the ring caches, wherever they point by now. What a device takes from a ring is told by queue; a cache that points
elsewhere shows here as another request.

Model: of a split ring the first descriptors of what is offered are read, and the request is not carried out; a packed
ring is not looked at. The vhost memory table is what the listeners have been told. The switch
`virtio-pci-bus-master-bug-migration`, which sets the bus master of an old guest, is not followed.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.devices.virtio.device import Virtio
    from model.devices.virtio.queue import Queue
    from model.load_state import LoadState
    from model.memory import Region

RING_PACKED: Final = 1 << 34
HEAD: Final = 4
DESCRIPTOR: Final = struct.Struct("<QIHH")
SHOWN: Final = 4
"""Offered requests of a queue that are looked at."""


def start(device: Virtio, load: LoadState) -> tuple[tuple[str, str], ...]:
    """Start the device, which nothing holds back: what it takes from its rings, by queue."""
    memory, region = device.memory, _notify_region(device)
    queues = [queue for queue in device.queues if queue.num and queue.desc]
    if region is not None and queues and not device.notifiers:
        memory.begin()
        for _ in queues:
            device.notifiers.append(region)
            memory.add_eventfd(region)
        memory.commit()
    if device.features & RING_PACKED:
        return ()
    found = []
    for queue in queues:
        load.step()
        offered = ", ".join(_offered(queue))
        if offered:
            found.append((f"offered on queue {queue.index}", offered))
    return tuple(found)


def stop(device: Virtio) -> None:
    """Take the notifiers away again."""
    if device.notifiers:
        device.memory.begin()
        for region in device.notifiers:
            device.memory.del_eventfd(region)
        device.memory.commit()
        device.notifiers = []


def _notify_region(device: Virtio) -> Region | None:
    """Where a modern driver's notifications go; a legacy one's are a register of the first BAR."""
    function = device.handler.function
    if function is None or not function.bars:
        return None
    owner = function.bars[0].region.owner
    for region in device.machine.regions.values():
        if region.owner == owner and region.name.startswith("virtio-pci-notify-virtio"):
            return region
    return function.bars[0].region


def _offered(queue: Queue) -> Iterator[str]:
    if queue.caches is None:
        return
    table, _, avail = queue.caches
    index = int.from_bytes(avail.read(2, 2), "little")
    count = (index - queue.last_avail) & 0xFFFF
    if count > queue.num:
        yield f"{count} of {queue.num}"
        return
    for number in range(min(count, SHOWN)):
        at = HEAD + 2 * ((queue.last_avail + number) % queue.num)
        head = int.from_bytes(avail.read(at, 2), "little")
        if head >= queue.num:
            yield f"descriptor {head} of {queue.num}"
            return
        address, length, flags, _ = DESCRIPTOR.unpack(table.read(DESCRIPTOR.size * head, DESCRIPTOR.size))
        yield f"{address:#x}+{length:#x}" + (" to write" if flags & 2 else "")
    if count > SHOWN:
        yield f"{count - SHOWN} more"
