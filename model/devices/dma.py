"""A PCI function's way to guest memory while it loads: through its bus-master space, as the program's devices take it.

The program has one bounce buffer, of a page, for maps of something that is not RAM; whoever needs it while another
holds it maps nothing (memory.md 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memory import address_space_map, try_read, write

if TYPE_CHECKING:
    from model.devices.pci import PciFunction
    from model.machine import Machine
    from model.memory import AddressSpace, Mapping


class Dma:
    """Reads, writes and maps of one function. Without a bus-master space (no PCI) it sees the whole memory."""

    def __init__(self, machine: Machine, function: PciFunction | None) -> None:
        self.machine = machine
        space = None if function is None else function.master_space
        self.space: AddressSpace = space if space is not None else machine.memory_space

    def read(self, address: int, length: int, reader: str) -> tuple[bytes, bool]:
        """Bytes (zeros where nothing answers), and whether everything answered."""
        return try_read(self.machine.memory, self.space, address, length, reader)

    def write(self, address: int, data: bytes, reader: str) -> None:
        """What lands in no RAM is dropped."""
        write(self.machine.memory, self.space, address, data, reader)

    def map(self, address: int, length: int, *, is_write: bool, reader: str) -> Mapping | None:
        """A mapping, which may be shorter than asked for; None where the bounce buffer is taken."""
        machine = self.machine
        mapping = address_space_map(machine.memory, self.space, address, length, is_write, reader)
        if not mapping.direct:
            if machine.bounce_in_use:
                return None
            machine.bounce_in_use = True
        return mapping

    def unmap(self, mapping: Mapping) -> None:
        """Give back a mapping, and with it the bounce buffer.

        Model: the buffer was never written to here, so nothing is written back.
        """
        if not mapping.direct:
            self.machine.bounce_in_use = False

    def read_mapped(self, mapping: Mapping, offset: int, length: int) -> bytes:
        """Bytes of a mapping. Not a use of any flat view.

        Model: a bounce buffer that is mapped to be written to is fresh memory, told as zeros.
        """
        if mapping.direct and mapping.region is not None:
            return self.machine.memory.ram.read(mapping.region.block, mapping.xlat + offset, length)
        return bytes(length)


def shown(mapping: Mapping | None) -> str:
    """Where a mapping points, for the outcome."""
    if mapping is None:
        return "nowhere"
    where = mapping.region.key if mapping.region is not None else "unmapped"
    return f"{where}+{mapping.xlat:#x}:{mapping.length:#x}" + ("" if mapping.direct else " bounced")
