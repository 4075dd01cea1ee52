"""The queues of a network device: pairs and a control queue behind them, as many as a section or the features say.

The program takes the number from a section before it reads the queues, and again when features are set, then from the
rings' sizes as they were loaded. It trusts both. With fewer than a pair it dies; with more pairs than the device has it
writes behind its own arrays, which a few pairs survive and more do not (tried on QEMU 7.2.22 from Debian, both boards).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.devices.virtio.queue import PCI_ALIGN
from model.errors import Abort, Killed

if TYPE_CHECKING:
    from model.devices.virtio.device import Virtio
    from model.devices.virtio.queue import Queue
    from model.load_state import LoadState

FEATURES: Final = 1 << 22 | 1 << 60
"""MQ and RSS: with either, all pairs of the device are in use."""

SURVIVED: Final = 2
"""Pairs beyond the device's own that can be made and taken away again. What the memory there holds is chance.

On PCI, that is: behind the arrays of a device on MMIO stands something that the first such pair destroys.
"""

CONTROL_SIZE: Final = 64


class QueuePairs:
    """The queue pairs of one network device."""

    def __init__(self, device: Virtio) -> None:
        self.device = device
        self.reset()

    def reset(self) -> None:
        """All of the device's pairs are there."""
        self.present = set(range(self.device.entry.max_queue_pairs))
        self._free = 0
        """No queue before this one can be made anew, while they are changed."""

    def set_features(self, load: LoadState, features: int) -> None:
        """Features have been set. Raises Abort."""
        pairs = self.device.entry.max_queue_pairs if features & FEATURES else 1
        self.change(load, 2 * pairs + 1)

    def change(self, load: LoadState, wanted: int) -> None:
        """Make and take away pairs, and the control queue anew, until there are `wanted` queues. Raises Abort.

        Half a pair at the end counts as one; with no queue at all the first pair is taken away twice.
        """
        queues = self.device.queues
        present = next((queue.index for queue in queues if not queue.num), len(queues))
        if present < 3:
            raise Abort("virtio_net_change_num_queues: Assertion `old_num_queues >= 3' failed.")
        if present % 2 == 0:
            raise Abort("virtio_net_change_num_queues: Assertion `old_num_queues % 2 == 1' failed.")
        if present == wanted:
            return
        _delete(queues[present - 1])
        self._free = present - 1
        for first in range(wanted - 1, present - 1, 2):
            self._remove(max(first, 0) // 2)
        for first in range(present - 1, wanted - 1, 2):
            self._add(load, first // 2)
        self._create(CONTROL_SIZE)

    def _remove(self, pair: int) -> None:
        if pair not in self.present or pair >= self.device.entry.max_queue_pairs + SURVIVED:
            raise Killed("SIGSEGV: the queues of virtio-net are resized")
        self.present.discard(pair)
        for index in (2 * pair, 2 * pair + 1):
            _delete(self.device.queues[index])
        self._free = min(self._free, 2 * pair)

    def _add(self, load: LoadState, pair: int) -> None:
        entry = self.device.entry
        if pair >= entry.max_queue_pairs:
            if entry.transport == "mmio":
                raise Killed("SIGSEGV: the queues of virtio-net are resized")
            load.not_modelled.add("virtio-net: queue pairs beyond the device's own are written over other memory")
        self.present.add(pair)
        for size in entry.queues[:2]:
            self._create(size)

    def _create(self, size: int) -> None:
        """The first queue that is not there."""
        queues = self.device.queues
        index = next((index for index in range(self._free, len(queues)) if not queues[index].num), None)
        if index is None:
            raise Abort("Aborted")
        self._free, queue = index + (size != 0), queues[index]
        queue.num = queue.default_num = size
        queue.align = PCI_ALIGN
        self.device.use(queue.index + 1)


def _delete(queue: Queue) -> None:
    queue.num = queue.default_num = 0
    queue.caches = None
