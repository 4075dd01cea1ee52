"""Faults that readers of the format itself have had: whose data it is, what is there, where something begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.seeded.bug import SeededBug
from vmformat import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.devices.handler import Handler
    from model.load_state import LoadState
    from model.machine import AnyHandler, Machine
    from vmformat import Reader
    from vmformat._steps import Context, Vmsd
    from vmformat._steps.base import Looks

ENOENT: Final = 2
SUBSECTION: Final = 5


class InstanceNotCompared(SeededBug):
    """Entries of one name are not told apart by their instance: what is another's is loaded into the first."""

    source = "S55, detected since caa91b3c44"
    budget = 2_000

    def find_handler(self, sound: Callable[..., Any], machine: Machine, name: str, instance: int) -> AnyHandler | None:
        """Of those that nobody has, the first of that name."""
        found: AnyHandler | None = sound(machine, name, instance)
        if found is None:
            found = next((handler for handler in machine.handlers if name in handler.names), None)
        return found


class IndexPresentByAccident(SeededBug):
    """Whether piix4's ACPI index is there is asked of another structure: where it says no, the footer is missed."""

    source = "S38, fixed by a83c284490"
    budget = 2_000

    def load_payload(
        self, sound: Callable[..., Any], handler: Handler, load: LoadState, reader: Reader, version: int
    ) -> Refusal | None:
        """The index is the last field; the bit that is looked at lets the SMBus be reached."""
        refusal: Refusal | None = sound(handler, load, reader, version)
        if refusal is None and handler.kind == "piix4_pm" and not handler.effects.config[_SMBUS] & 1:
            reader.pos -= _INDEX_SIZE
        return refusal


class ByteFiveIsSubsection(SeededBug):
    """Where a subsection may begin a byte 5 is one, even if no name follows: data are read as one that is unknown."""

    source = "S47, the rule before names were compared"
    budget = 2_000

    def may_hold_subsection(self, _sound: Callable[..., Any], looks: Looks, data: bytes, pos: int) -> bool:
        """The byte is enough."""
        return SUBSECTION in data[pos + looks.start : pos + looks.stop : looks.step]

    def load_subsections(self, sound: Callable[..., Any], vmsd: Vmsd, ctx: Context) -> Refusal | None:
        """What is named like no subsection is an error; one of the vmsd around this one is left to that."""
        reader = ctx.reader
        if reader.peek_u8(0) == SUBSECTION:
            name = reader.peek(2, reader.peek_u8(1))
            if b"/" not in name:
                return Refusal(ENOENT, (), reader.offset, ctx.where(vmsd.path))
        refusal: Refusal | None = sound(vmsd, ctx)
        return refusal


_SMBUS: Final = 0xD2
_INDEX_SIZE: Final = 4

BUGS: Final = (InstanceNotCompared, IndexPresentByAccident, ByteFiveIsSubsection)
