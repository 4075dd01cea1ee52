"""PCI config spaces of a stopped machine: through its ports 0xcf8 and 0xcfc, or through its memory-mapped window.

Where the window is, the machine says: a generic host has it in its memory tree, q35's is put at a free place by its
register. Only through a window one reaches the bytes from 0x100 on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.capture.errors import CaptureError
from model.memory.mtree import parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fuzz.capture.objects import Objects
    from fuzz.capture.qtest import Accessible

_WINDOW: Final = "pcie-mmcfg-mmio"
_PORTS: Final = "pci-conf-data"
_MCH: Final = "mch"
_PCIEXBAR: Final = 0x60
_Q35_WINDOW: Final = 0xB000_0000
"""Where firmware puts it too, below what `mapping` gives to BARs."""

SIZE: Final = 256


class ConfigSpace:
    """Reads and writes dwords of config space. A place is (bus, devfn, offset), a multiple of 4."""

    def __init__(self, access: Accessible, objects: Objects, tree: str) -> None:
        """`tree` is the text of `info mtree -D`. Raises CaptureError if the machine has no way to config space."""
        self._access = access
        self.window = _window(tree)
        """The address of the memory-mapped window, None where there are only ports."""
        if self.window is None:
            if not any(region.name == _PORTS for region in objects.regions.values()):
                raise CaptureError("PCI devices, but neither ports nor a window to their config space")
            if any(device.type == _MCH for device in objects.devices):
                self.write([(0, 0, _PCIEXBAR + 4, 0), (0, 0, _PCIEXBAR, _Q35_WINDOW | 1)])
                self.window = _Q35_WINDOW

    def read(self, places: Iterable[tuple[int, int, int]]) -> list[int]:
        """The dwords at these places."""
        if self.window is not None:
            return self._access.ask([f"readl {self.window + _offset(*place):#x}" for place in places])
        lines = [line for place in places for line in (_select(*place), "inl 0xcfc")]
        return self._access.ask(lines)[1::2]

    def write(self, writes: Iterable[tuple[int, int, int, int]]) -> None:
        """Write dwords: (bus, devfn, offset, value)."""
        if self.window is not None:
            lines = [
                f"writel {self.window + _offset(bus, devfn, offset):#x} {value:#x}"
                for bus, devfn, offset, value in writes
            ]
        else:
            lines = [
                line
                for bus, devfn, offset, value in writes
                for line in (_select(bus, devfn, offset), f"outl 0xcfc {value:#x}")
            ]
        self._access.ask(lines)

    def whole(self, bus: int, devfn: int, size: int = SIZE) -> bytes:
        """A function's first `size` bytes, at most 256 through ports."""
        values = self.read((bus, devfn, offset) for offset in range(0, size, 4))
        return b"".join(value.to_bytes(4, "little") for value in values)


def _window(tree: str) -> int | None:
    for section in parse_tree(tree):
        if "memory" in section.spaces:
            for node in section.root.walk():
                if not node.disabled and _WINDOW in {node.name, node.alias}:
                    return node.start
    return None


def _offset(bus: int, devfn: int, offset: int) -> int:
    return bus << 20 | devfn << 12 | offset


def _select(bus: int, devfn: int, offset: int) -> str:
    return f"outl 0xcf8 {1 << 31 | bus << 16 | devfn << 8 | offset:#x}"
