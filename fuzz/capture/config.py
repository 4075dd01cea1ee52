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
    """Reads and writes dwords of config space. A place is (bus, devfn, offset), the offset a multiple of 4."""

    def __init__(self, access: Accessible, objects: Objects, tree: str) -> None:
        """`tree` is the text of `info mtree -D`. Raises CaptureError if the machine has no way to config space."""
        self._access = access
        self._ports = any(region.name == _PORTS for region in objects.regions.values())
        self._window = _window(tree)
        if self._window is None and not self._ports:
            raise CaptureError("PCI devices, but neither ports nor a window to their config space")
        if self._window is None and any(device.type == _MCH for device in objects.devices):
            self.open_window()

    @property
    def has_window(self) -> bool:
        """Whether the bytes from 0x100 on can be reached."""
        return self._window is not None

    def open_window(self) -> None:
        """Put q35's window where it is looked for."""
        self._window = _Q35_WINDOW
        self.write([(0, 0, _PCIEXBAR + 4, 0), (0, 0, _PCIEXBAR, _Q35_WINDOW | 1)])

    def read(self, places: Iterable[tuple[int, int, int]]) -> list[int]:
        """The dwords at these places."""
        return self.exchange([(place, None) for place in places])

    def write(self, writes: Iterable[tuple[int, int, int, int]]) -> None:
        """Write dwords: (bus, devfn, offset, value)."""
        self.exchange([((bus, devfn, offset), value) for bus, devfn, offset, value in writes])

    def exchange(self, accesses: Iterable[tuple[tuple[int, int, int], int | None]]) -> list[int]:
        """Reads (None) and writes (a value) in this order: what was read."""
        lines: list[str] = []
        answers: list[int] = []
        for (bus, devfn, offset), value in accesses:
            if self._ports and offset < SIZE:
                lines.append(f"outl 0xcf8 {1 << 31 | bus << 16 | devfn << 8 | offset:#x}")
                lines.append("inl 0xcfc" if value is None else f"outl 0xcfc {value:#x}")
            elif self._window is not None:
                at = self._window + (bus << 20 | devfn << 12 | offset)
                lines.append(f"readl {at:#x}" if value is None else f"writel {at:#x} {value:#x}")
            else:
                raise CaptureError(f"config offset {offset:#x}: out of reach without a window to config space")
            if value is None:
                answers.append(len(lines) - 1)
        values = self._access.ask(lines)
        return [values[index] for index in answers]

    def whole(self, bus: int, devfn: int, size: int = SIZE) -> bytes:
        """A function's first `size` bytes, at most 256 without a window."""
        values = self.read((bus, devfn, offset) for offset in range(0, size, 4))
        return b"".join(value.to_bytes(4, "little") for value in values)


def _window(tree: str) -> int | None:
    for section in parse_tree(tree):
        if "memory" in section.spaces:
            for node in section.root.walk():
                if not node.disabled and _WINDOW in {node.name, node.alias}:
                    return node.start
    return None
