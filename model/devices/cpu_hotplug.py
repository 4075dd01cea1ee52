"""The ports by which a guest hears of processors that come and go: wide at reset, narrow once a guest has said so.

Firmware finds the old ports, 32 bytes of bitmap. An operating system that knows the new interface writes to them once,
and the program takes them away and puts twelve bytes of registers in their place. A stream of such a machine has a
subsection for it, and a destination does the same, two commits, before it reads that subsection's fields; a second
subsection finds it done (tried on QEMU 7.2, both boards).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.memory import Kind, Region

if TYPE_CHECKING:
    from model.machine import Machine

NAME: Final = "acpi-cpu-hotplug"
NARROW: Final = 12


class CpuHotplug:
    """The ports of one board."""

    def __init__(self, machine: Machine) -> None:
        self.memory = machine.memory
        self.wide = machine.optional(NAME)
        self.narrow = Region(NAME, Kind.IO, NARROW)

    def switch(self) -> None:
        """Take the wide ports away and put the narrow ones there, if they are not there already."""
        wide = self.wide
        if wide is None or wide.container is None or wide.size <= NARROW:
            return
        container, address = wide.container, wide.addr
        self.memory.del_subregion(container, wide)
        self.memory.add_subregion(container, address, self.narrow)
