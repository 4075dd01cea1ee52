"""virtio-serial (the section virtio-console): its ports must be those of the destination (virtio.md 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.virtio import EINVAL, Virtio
from model.errors import Abort
from vmformat import Refusal

if TYPE_CHECKING:
    from model.loader import LoadState

PORT_RECORD: Final = 16
"""Bytes that the program takes for each active port that a section announces."""

MEMORY: Final = 32 << 30
"""Model: an allocation of so many bytes fails. Where it really does is a matter of the host's memory."""


class VirtioSerial(Virtio):
    """A controller of serial ports and consoles."""

    fields: ClassVar[frozenset[str]] = Virtio.fields | {
        "virtio.device.ports_map", "virtio.device.nr_active_ports",
        "virtio.device.ports[].id", "virtio.device.ports[].element",
    }  # fmt: skip

    def own_field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """Map, number, ports one by one.

        Model: a port that had not taken all of an element goes on with it once the load is over, stopped machine or
        not, and moves its ring. That is not followed.
        """
        if isinstance(value, bytes):
            self.requests.element(load, value)
            load.not_modelled.add("virtio-console: a port goes on with what it had begun")
            return None
        match path.rsplit(".", 1)[-1]:
            case "ports_map":
                known = value == self.entry.ports_map
            case "nr_active_ports":
                assert isinstance(value, int)
                if value * PORT_RECORD >= MEMORY:
                    raise Abort(f"GLib: failed to allocate {value * PORT_RECORD} bytes")
                known = True
            case _:
                known = value in self.entry.ports
        return None if known else Refusal(EINVAL, (), 0, path)
