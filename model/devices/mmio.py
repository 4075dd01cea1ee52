"""What register handlers answer when something that should be RAM is read from them: a ring that a chipset has covered.

Known are the holes of q35's system-management memory and its config-space window. Every other handler answers zeros.

Model: registers of devices (a ring inside an APIC, a BAR) read as zeros, which is what most of them hold; a ring index
read from one that holds something else is told wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from model.devices.pci import PciFunction
    from model.machine import Machine
    from model.memory import Region

HOLES: Final = frozenset({"tseg-blackhole", "smbase-blackhole"})
CONFIG_WINDOW: Final = "pcie-mmcfg-mmio"
SECONDARY_BUS: Final = 0x19
FUNCTION_SIZE: Final = 4096


class Mmio:
    """Reads of a machine's register handlers."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def __call__(self, region: Region, offset: int, length: int) -> bytes:
        """The bytes at an offset of a region that is not RAM."""
        if region.name in HOLES:
            return b"\xff" * length
        if region.name == CONFIG_WINDOW:
            return self._config(offset, length)
        return bytes(length)

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
