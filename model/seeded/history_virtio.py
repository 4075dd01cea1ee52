"""Faults that loaders of virtio devices have had: numbers of a section that were trusted, or judged too strictly.

Model: what is written behind the end of something kills the program at once. There it may go on for a while.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from model.devices.virtio.device import DRIVER_OK, EPERM, QUEUE_MAX
from model.devices.virtio.net import ADDRESSES
from model.devices.virtio.requests import SEGMENTS
from model.errors import Abort, Killed
from model.seeded.bug import SeededBug
from model.seeded.revised import revised, without
from vmformat import Count, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.devices.handler import Handler
    from model.devices.virtio.blk import VirtioBlk
    from model.devices.virtio.device import Virtio
    from model.devices.virtio.gpu import VirtioGpu
    from model.devices.virtio.requests import Requests
    from model.load_state import LoadState
    from vmformat import Schema

SIGNED: Final = 1 << 31
ADDRESS: Final = 6
"""Bytes of a MAC address."""


class QueueCountTrusted(SeededBug):
    """The number of queues is not held to what there can be: queue records are written behind the last one."""

    source = "S04, CVE-2013-4151, fixed by cc45995294"
    budget = 2_000

    def virtio_field(
        self, sound: Callable[..., Any], virtio: Virtio, load: LoadState, path: str, value: object
    ) -> Refusal | None:
        """A number that is too large is gone by."""
        if path == "virtio.queues.num" and isinstance(value, int) and value > QUEUE_MAX:
            raise Killed("SIGSEGV: a queue record is written behind the last queue")
        refusal: Refusal | None = sound(virtio, load, path, value)
        return refusal


class SelectedQueueTrusted(SeededBug):
    """The selected queue may be one that cannot be: accepted, and the guest's next access reads behind the last one."""

    source = "S05, CVE-2013-6399, fixed by 4b53c2c72c"
    budget = 2_000

    def virtio_field(
        self, sound: Callable[..., Any], virtio: Virtio, load: LoadState, path: str, value: object
    ) -> Refusal | None:
        """Any number will do."""
        if path == "virtio.head.queue_sel":
            value = 0
        refusal: Refusal | None = sound(virtio, load, path, value)
        return refusal


class ConfigLengthTrusted(SeededBug):
    """As many bytes of config are stored as a section brings: those beyond the device's own lie on the heap."""

    source = "S06, CVE-2014-0182, fixed by a890a2f913"
    budget = 2_000

    def virtio_field(
        self, sound: Callable[..., Any], virtio: Virtio, load: LoadState, path: str, value: object
    ) -> Refusal | None:
        """More than there is room for."""
        if path == "virtio.head.config" and isinstance(value, bytes) and len(value) > virtio.entry.config_size:
            raise Killed("SIGSEGV: config is written behind its end")
        refusal: Refusal | None = sound(virtio, load, path, value)
        return refusal


class ConfigLengthMustBeEqual(SeededBug):
    """A config that is longer or shorter than the device's own is refused: the first fix, which was too strict."""

    source = "S06, a890a2f913 as it was before it was loosened"
    budget = 2_000

    def virtio_field(
        self, sound: Callable[..., Any], virtio: Virtio, load: LoadState, path: str, value: object
    ) -> Refusal | None:
        """No other length will do."""
        if path == "virtio.head.config" and isinstance(value, bytes) and len(value) != virtio.entry.config_size:
            return Refusal(EPERM, ("Config length mismatch",), 0, path)
        refusal: Refusal | None = sound(virtio, load, path, value)
        return refusal


class MacCountSigned(SeededBug):
    """The number of MAC addresses is signed: a negative one is within the table, and so many bytes are put there."""

    source = "S01, CVE-2013-4148, fixed by 71f7fe48e1"

    def section_schema(self, sound: Callable[..., Any], handler: Handler) -> Schema:
        """Six times the number is what is read, in 32 bits, whether it is signed or surplus."""
        schema = without(sound(handler), "virtio-net-device", "unused")
        return revised(
            schema,
            "virtio-net-device",
            "mac_table.macs",
            size=1,
            count=Count("mac_table.in_use", times=ADDRESS),
            when=None,
        )

    def virtio_field(
        self, sound: Callable[..., Any], virtio: Virtio, load: LoadState, path: str, value: object
    ) -> Refusal | None:
        """Of a negative number that many bytes may still be more than the table has."""
        if path == "virtio.device.mac_table.in_use" and isinstance(value, int) and value >= SIGNED:
            size = value * ADDRESS % (1 << 32)
            if ADDRESS * ADDRESSES < size < SIGNED:
                raise Killed("SIGSEGV: MAC addresses are written behind their table")
        refusal: Refusal | None = sound(virtio, load, path, value)
        return refusal


class SurplusCountedInEntries(SeededBug):
    """Surplus MAC addresses go to a buffer of one byte for each of them: the heap is found spoilt when it is freed."""

    source = "S02, CVE-2013-4149, fixed by 98f93ddd84"
    budget = 2_000

    def virtio_field(
        self, sound: Callable[..., Any], virtio: Virtio, load: LoadState, path: str, value: object
    ) -> Refusal | None:
        """More addresses than the table has."""
        if path == "virtio.device.mac_table.in_use" and isinstance(value, int) and ADDRESSES < value < SIGNED:
            raise Abort("free(): invalid next size (normal)")
        refusal: Refusal | None = sound(virtio, load, path, value)
        return refusal


class ElementCountsTrusted(SeededBug):
    """A request may have more segments than it has room for: what lies behind it is mapped, until that fails."""

    source = "S07, CVE-2013-4535 and -4536, fixed by 36cf2a3713"
    machine = "q35-request"
    budget = 2_000

    def map_element(self, sound: Callable[..., Any], requests: Requests, load: LoadState, data: bytes) -> None:
        """All of its room, then beyond."""
        head = data[:12].ljust(12, b"\0")
        index, *numbers = struct.unpack("<3I", head)
        within = [min(number, SEGMENTS) for number in numbers]
        sound(requests, load, struct.pack("<3I", index, *within) + data[12:])
        if within != numbers:
            raise Killed("SIGSEGV: segments are written behind their array")


class RequestQueueTrusted(SeededBug):
    """A request may be of a queue that the disk has not: accepted, and attached to what lies behind the last one."""

    source = "S31, fixed by 30d8bf6d17"
    machine = "q35-modern"
    budget = 2_000

    def virtio_field(
        self, sound: Callable[..., Any], virtio: VirtioBlk, load: LoadState, path: str, value: object
    ) -> Refusal | None:
        """Any number will do."""
        if path.startswith("virtio.device.requests[") and path.endswith("].queue"):
            value = 0
        refusal: Refusal | None = sound(virtio, load, path, value)
        return refusal


class ResourceTwice(SeededBug):
    """A screen's resource may come twice: accepted, and the first is still in the list when it is freed."""

    source = "S32, fixed by b0ee78ff31"
    machine = "virtio-zoo"

    def virtio_field(
        self, sound: Callable[..., Any], virtio: VirtioGpu, load: LoadState, path: str, value: object
    ) -> Refusal | None:
        """Nobody looks for one of that number."""
        if path == "virtio-gpu.resources" and isinstance(value, int):
            virtio.resources.pop(value, None)
        refusal: Refusal | None = sound(virtio, load, path, value)
        return refusal


class MasterFollowsDriver(SeededBug):
    """A driver that is running is taken to have the bus master on: memory shows where the command register says no."""

    source = "S52, 4d43d3f3c8 and what followed it"
    budget = 3_000

    def virtio_load(
        self, sound: Callable[..., Any], virtio: Virtio, load: LoadState, vmsd: str, path: str
    ) -> Refusal | None:
        """As if the bit had been set."""
        refusal: Refusal | None = sound(virtio, load, vmsd, path)
        function = virtio.handler.function
        if path == "virtio.core" and function is not None and virtio.status & DRIVER_OK:
            function.set_master(True)
        return refusal


BUGS: Final = (
    QueueCountTrusted,
    SelectedQueueTrusted,
    ConfigLengthTrusted,
    ConfigLengthMustBeEqual,
    MacCountSigned,
    SurplusCountedInEntries,
    ElementCountsTrusted,
    RequestQueueTrusted,
    ResourceTwice,
    MasterFollowsDriver,
)
