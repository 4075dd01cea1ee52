"""The standard hot-plug controller of a conventional bridge: its interrupt is made anew as soon as it is loaded.

The controller's registers are one field with a loader of its own, and are taken as they are. An event that is latched
and not masked, of a slot or of the last command, is noted in one of them and raises the interrupt: a message where MSI
is on, else the bridge's line, which is driven (down, mostly) at every load and must be one of four. Found by mutants
loaded into QEMU 7.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.dma import Dma
from model.devices.handler import Effects, Handler
from model.devices.interrupt import has_messages, send_message, set_line
from vmformat import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.load_state import LoadState
    from model.machine import Machine
    from vmformat import Field, Reader

EINVAL: Final = 22
LOCATOR: Final = slice(0x18, 0x1C)
STATUS: Final = slice(0x20, 0x24)
NO_INTERRUPTS, NO_COMMAND_INTERRUPTS, COMMAND_DONE = 1 << 0, 1 << 2, 1 << 16
SLOTS: Final = 0x24
SLOT_SIZE: Final = 4
LATCHED, MASKED = 2, 3


class Shpc(Effects):
    """A bridge with such a controller; the section of one without has no such field."""

    vmsd: ClassVar[str] = "pci_bridge"
    fields: ClassVar[frozenset[str]] = frozenset({"type:shpc"})

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.dma = Dma(machine, handler.function)

    def opaque(self, load: LoadState, reader: Reader, field: Field, path: str) -> Refusal | None:
        """The registers; cut off by the end of the stream they are refused."""
        registers = reader.take(field.width)
        if len(registers) < field.width:
            return Refusal(EINVAL, (), reader.offset, path)
        located = events(registers)
        self.loaded[path] = registers[: LOCATOR.start] + located.to_bytes(4, "little") + registers[LOCATOR.stop :]
        function = self.handler.function
        if function is not None:
            raised = located and not int.from_bytes(registers[STATUS], "little") & NO_INTERRUPTS
            if raised and has_messages(function):
                send_message(function, self.dma)
            else:
                set_line(function)
        return None

    def saved(self) -> Mapping[str, int | bytes | None]:
        """The registers, the noted events among them."""
        return {path: value for path, value in self.loaded.items() if isinstance(value, bytes)}


def events(registers: bytes) -> int:
    """What is latched and not masked: bit 0 for the command, the others for slots."""
    status = int.from_bytes(registers[STATUS], "little")
    found = 1 if status & COMMAND_DONE and not status & NO_COMMAND_INTERRUPTS else 0
    for index, at in enumerate(range(SLOTS, len(registers), SLOT_SIZE), 1):
        if registers[at + LATCHED] & ~registers[at + MASKED] & 0xFF:
            found |= 1 << index
    return found
