"""How large a generated machine is, and where in it everything lies.

The machine is a q35 as `seed-24` is: root ports on the root bus, virtio functions behind them, net and blk by turns,
all initialised, rings in RAM. A port leads to `per_port` functions. More than 232 ports do not fit on the root bus
(slots 2 to 30, eight functions each), so that more devices than that need two behind each port.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind: TypeAlias = Literal["net", "blk"]

MAX_PORTS: Final = 29 * 8
MAX_QUEUES: Final = 1024
"""Of a virtio device; a net device also has a control queue and whole pairs."""

PORT_BARS: Final = 0xE000_0000
WINDOWS: Final = 0xC000_0000
PREFETCHABLE: Final = 0xD000_0000
WINDOW: Final = 1 << 20
"""Bytes of a port's window, the least a bridge has; there is one for each of memory and prefetchable memory."""

RINGS: Final = 16 << 20
RINGS_END: Final = 60 << 20
RING: Final = 0x2000
"""Bytes for one ring of 256: descriptors at 0, available ring at 0x1000, used ring at 0x1400."""

_PAIRS: Final = 2


class ShapeError(Exception):
    """A machine that cannot be, in one line that says what and why."""


@dataclass(frozen=True, slots=True)
class Port:
    """A root port: number 0.. and its addresses."""

    index: int

    @property
    def id(self) -> str:
        """Its name on the command line."""
        return f"rp{self.index}"

    @property
    def function(self) -> str:
        """As in the names of sections: the place on the root bus."""
        return f"0000:00:{2 + self.index // 8:02x}.{self.index % 8}"

    @property
    def memory(self) -> int:
        """Where its memory window is."""
        return WINDOWS + self.index * WINDOW

    @property
    def prefetchable(self) -> int:
        """Where its window of prefetchable memory is."""
        return PREFETCHABLE + self.index * WINDOW

    @property
    def bar(self) -> int:
        """Where its own BAR 0 is."""
        return PORT_BARS + self.index * 0x1000


@dataclass(frozen=True, slots=True)
class Device:
    """A virtio function: `index` among all, `own` among those of its kind, `slot` among those behind its port."""

    index: int
    kind: Kind
    own: int
    port: Port
    slot: int

    @property
    def id(self) -> str:
        """Its name on the command line."""
        return f"{self.kind}{self.own}"

    @property
    def function(self) -> str:
        """As in the names of sections."""
        return f"{self.port.function}:00.{self.slot}"

    @property
    def bars(self) -> tuple[int, int]:
        """Where BAR 1 (4 KiB) and BAR 4 (16 KiB, prefetchable) are."""
        return self.port.memory + self.slot * 0x1000, self.port.prefetchable + self.slot * 0x4000


@dataclass(frozen=True, slots=True)
class Shape:
    """`devices` virtio functions, each with `queues` active queues, `per_port` (1..8) of them behind a root port.

    A net device sets up its queues in order: pairs, and the control queue last, so that with one queue it has only
    received so far, and with an odd number the control queue is among them. Raises ShapeError if it cannot be.
    """

    devices: int
    queues: int = 1
    per_port: int = 1

    def __post_init__(self) -> None:
        if self.devices < 1 or self.queues < 1 or not 1 <= self.per_port <= 8:
            msg = f"at least 1 device, 1 queue and 1 to 8 devices behind a port: {self}"
            raise ShapeError(msg)
        if self.queues > MAX_QUEUES:
            msg = f"{self.queues} queues: a virtio device has at most {MAX_QUEUES}"
            raise ShapeError(msg)
        if len(self.ports) > MAX_PORTS:
            msg = f"{self.devices} devices: at most {MAX_PORTS * self.per_port} with {self.per_port} behind a root port"
            raise ShapeError(msg)
        most = (RINGS_END - RINGS) // RING
        if self.devices * self.queues > most:
            msg = f"{self.devices} devices of {self.queues} queues: RAM holds {most} rings"
            raise ShapeError(msg)

    def __str__(self) -> str:
        return f"{self.devices} x {self.queues} queues, {self.per_port} a port"

    @property
    def name(self) -> str:
        """The machine's name."""
        return f"generated-{self.devices}x{self.queues}" + (f"-{self.per_port}" if self.per_port > 1 else "")

    @property
    def ports(self) -> list[Port]:
        """The root ports."""
        return [Port(i) for i in range(-(-self.devices // self.per_port))]

    @property
    def functions(self) -> list[Device]:
        """The virtio functions, a net before a blk."""
        return [self._device(i) for i in range(self.devices)]

    @property
    def pairs(self) -> int:
        """Queue pairs of a net device."""
        return max(1, self.queues // 2)

    def sizes(self, kind: Kind) -> tuple[int, ...]:
        """Ring sizes of all queues that a device of that kind has."""
        return (256,) * self.queues if kind == "blk" else (256, 256) * self.pairs + (64,)

    def ring(self, device: Device, queue: int) -> int:
        """Where the ring of an active queue is, in guest RAM."""
        return RINGS + (device.index * self.queues + queue) * RING

    def _device(self, index: int) -> Device:
        kind: Kind = "blk" if index % 2 else "net"
        return Device(index, kind, index // 2, Port(index // self.per_port), index % self.per_port)


def smallest_per_port(devices: Iterable[int]) -> int:
    """How many functions behind each port the largest of some machines needs: the same for all of a curve."""
    return min(8, max(1, -(-max(devices) // MAX_PORTS)))
