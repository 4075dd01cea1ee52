"""What register handlers answer when something that should be RAM is read from them: a ring that a chipset has covered.

Known are the holes of q35's system-management memory, its config-space window, a VGA card's window where it shows
nothing, and the registers of modern virtio functions that hold something where a ring's index would be: interrupt
status and device config. Every other handler answers zeros.

Model: registers of other devices (a ring inside an APIC, a BAR) read as zeros, which is what most of them hold; a ring
index read from one that holds something else is told wrong. A device config is that at reset, as the backend has it,
also where a device puts something of its state into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.devices.vga import Vga
from model.devices.virtio import Virtio

if TYPE_CHECKING:
    from model.devices.pci import PciFunction
    from model.machine import Machine
    from model.memory import Region

HOLES: Final = frozenset({"tseg-blackhole", "smbase-blackhole"})
CONFIG_WINDOW: Final = "pcie-mmcfg-mmio"
VGA_WINDOW: Final = "vga-lowmem"
VGA_BASE: Final = 0xA0000
VGA_MISC: Final = 6
VIRTIO_ISR: Final = "virtio-pci-isr-"
VIRTIO_DEVICE: Final = "virtio-pci-device-"
SECONDARY_BUS: Final = 0x19
FUNCTION_SIZE: Final = 4096


class Mmio:
    """Reads of a machine's register handlers."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._virtio: dict[str, Virtio] | None = None

    def __call__(self, region: Region, offset: int, length: int) -> bytes:
        """The bytes at an offset of a region that is not RAM."""
        if region.name in HOLES:
            return b"\xff" * length
        if region.name == CONFIG_WINDOW:
            return self._config(offset, length)
        if region.name == VGA_WINDOW:
            return bytes(length) if self._vga_shows(offset) else b"\xff" * length
        if region.name.startswith(VIRTIO_ISR):
            return self._isr(region, length)
        if region.name.startswith(VIRTIO_DEVICE):
            device = self._device(region)
            config = device.entry.config or device.config_space if device is not None else b""
            return config[offset : offset + length] if offset + length <= len(config) else b"\xff" * length
        return bytes(length)

    def _vga_shows(self, offset: int) -> bool:
        """Whether the graphics registers, as loaded, show memory at that place of the window; all of it at reset."""
        for handler in self.machine.handlers:
            if isinstance(handler.effects, Vga):
                found = next((v for k, v in handler.effects.loaded.items() if k.rsplit(".", 1)[-1] == "gr"), b"")
                mode = found[VGA_MISC] >> 2 & 3 if isinstance(found, bytes) and len(found) > VGA_MISC else 0
                base, size = Vga.WINDOWS[mode]
                return base <= VGA_BASE + offset < base + size
        return True

    def _isr(self, region: Region, length: int) -> bytes:
        """Reading the interrupt status clears it."""
        device = self._device(region)
        if device is None:
            return bytes(length)
        value, device.isr = device.isr, 0
        self.machine.touched.add(device.handler)
        return bytes([value]).ljust(length, b"\0")

    def _device(self, region: Region) -> Virtio | None:
        """The virtio device that a region belongs to."""
        if self._virtio is None:
            self._virtio = {
                handler.function.entry.id: handler.effects
                for handler in self.machine.handlers
                if handler.function is not None and isinstance(handler.effects, Virtio)
            }
        return self._virtio.get(region.owner)

    def _config(self, offset: int, length: int) -> bytes:
        """One MiB for a bus, 4 KiB for a function; all ones where there is none, or its config space has ended."""
        register = offset % FUNCTION_SIZE
        function = self._function(offset >> 20, offset >> 15 & 31, offset >> 12 & 7)
        if function is None or not function.has_power or register + length > len(function.config):
            return b"\xff" * length
        return function.config[register : register + length]

    def _function(self, bus: int, slot: int, number: int) -> PciFunction | None:
        suffix = f"{slot:02x}.{number:x}"
        for function in self.machine.functions.values():
            parent = self.machine.functions.get(function.entry.parent or "")
            on = 0 if parent is None else parent.config[SECONDARY_BUS]
            if on == bus and function.entry.function.endswith(f":{suffix}"):
                return function
        return None
