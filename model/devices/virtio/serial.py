"""virtio-serial (the section virtio-console): its ports must be those of the destination (virtio.md 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.virtio.device import EINVAL, Virtio
from model.errors import Abort
from vmformat import Refusal

if TYPE_CHECKING:
    from model.description import VirtioEntry
    from model.devices.handler import Handler
    from model.devices.virtio.saved import Fields
    from model.load_state import LoadState
    from model.machine import Machine

PORT_RECORD: Final = 16
"""Bytes that the program takes for each active port that a section announces."""

MEMORY: Final = 32 << 30
"""Model: an allocation of so many bytes fails. Where it really does is a matter of the host's memory."""

_PORT: Final = ("id", "guest_connected", "host_connected", "has_element")


class VirtioSerial(Virtio):
    """A controller of serial ports and consoles."""

    fields: ClassVar[frozenset[str]] = Virtio.fields | {
        "virtio.device.ports_map", "virtio.device.nr_active_ports",
        "virtio.device.ports[].id", "virtio.device.ports[].guest_connected",
        "virtio.device.ports[].iov_idx", "virtio.device.ports[].iov_offset", "virtio.device.ports[].element",
    }  # fmt: skip

    def __init__(self, machine: Machine, handler: Handler, entry: VirtioEntry) -> None:
        super().__init__(machine, handler, entry)
        self.open: dict[int, int] = {}
        self.begun: dict[int, bytes] = {}
        self.place: dict[tuple[int, str], int] = {}
        self._announced = self._port = 0

    def reset(self) -> None:
        """Pristine: no port has been loaded."""
        super().reset()
        self.open = {}
        self.begun = {}
        self.place = {}
        self._announced = 0

    def system_reset(self) -> None:
        """As any device; ports are closed."""
        super().system_reset()
        self.open, self.begun, self.place = {}, {}, {}

    def own_field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """Map, number, ports one by one."""
        if isinstance(value, bytes):
            self.requests.element(load, value)
            self.begun[self._port] = value
            return None
        match path.rsplit(".", 1)[-1]:
            case "ports_map":
                known = value == self.entry.ports_map
            case "nr_active_ports":
                assert isinstance(value, int)
                if value * PORT_RECORD >= MEMORY:
                    raise Abort(f"GLib: failed to allocate {value * PORT_RECORD} bytes")
                self._announced = value
                known = True
            case "iov_idx" | "iov_offset" as name:
                assert isinstance(value, int)
                self.place[self._port, name] = value
                known = True
            case "guest_connected":
                self.open[self._port] = int(value != 0)
                known = True
            case _:
                assert isinstance(value, int)
                self._port = value
                known = value in self.entry.ports
        return None if known else Refusal(EINVAL, (), 0, path)

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Then a port that had not taken all of an element goes on with it, if its queue is set up.

        Model: it does so once the load is over, stopped machine or not, and moves its ring. That is not followed.
        """
        refusal = super().post_load(load, vmsd, path)
        if path == "virtio.core" and any(self.queues[_out_queue(port)].avail for port in self.begun):
            load.not_modelled.add("virtio-console: a port goes on with what it had begun")
        return refusal

    def own_saved(self) -> Fields:
        """The ports that there are, in the order in which they were made; the host's side of them is the host's."""
        found: Fields = {"virtio.device.cols": 0, "virtio.device.rows": 0}
        found |= {name: value for name, value in self.entry.local.items() if name.startswith("virtio.device.")}
        found.pop("virtio.device.max_queue_pairs", None)
        ports = self.entry.ports
        found["virtio.device.nr_active_ports"] = len(ports)
        for index, port in enumerate(ports):
            path = f"virtio.device.ports[{index}]."
            found |= {f"{path}id": port, f"{path}has_element": int(port in self.begun)}
            found |= {f"{path}{name}": self.place.get((port, name)) for name in ("iov_idx", "iov_offset")}
            if port in self.begun:
                found |= dict(self.requests.saved(f"{path}element", self.begun[port]))
            if port in self.open:
                found[f"{path}guest_connected"] = self.open[port]
        for index in range(len(ports), self._announced):
            path = f"virtio.device.ports[{index}]."
            found |= dict.fromkeys((path + name for name in _PORT), None)
        return found


def _out_queue(port: int) -> int:
    """The queue from which a port takes; the first two after port 0's are for control."""
    return 1 if port == 0 else 2 * port + 3
