"""intel-iommu: what it complains of, and the registers in which it records faults. Held against the program.

One fault is recorded at most (there is one recording register); those that follow only set an overflow bit, if they
come from another requester. Each complaint is printed once in the life of a process.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.load_state import LoadState

STATUS, CONTROL, RECORD = 0x34, 0x38, 0x220
OVERFLOW, PENDING, QUEUE_ERROR = 1 << 0, 1 << 1, 1 << 4
MASKED, INTERRUPT_PENDING = 1 << 31, 1 << 30
FULL, IS_READ = 1 << 63, 1 << 62
SOURCE: Final = 0xFFFF
PAGE: Final = 4096


class Fault(IntEnum):
    """Reasons, with the specification's numbers."""

    ROOT_ABSENT = 1
    CONTEXT_ABSENT = 2
    CONTEXT_INVALID = 3
    BEYOND_WIDTH = 4
    NOT_WRITABLE = 5
    NOT_READABLE = 6
    TABLE_UNREADABLE = 7
    ROOT_UNREADABLE = 8
    CONTEXT_UNREADABLE = 9
    ROOT_RESERVED = 10
    CONTEXT_RESERVED = 11
    TABLE_RESERVED = 12


QUALIFIED: Final = frozenset({
    Fault.CONTEXT_ABSENT, Fault.CONTEXT_INVALID, Fault.BEYOND_WIDTH, Fault.NOT_WRITABLE, Fault.NOT_READABLE,
    Fault.TABLE_UNREADABLE, Fault.TABLE_RESERVED,
})  # fmt: skip
"""Faults that a context entry may ask not to be told of."""

NO_PASID: Final = 0xFFFF << 40


class Faults:
    """The fault registers of one load."""

    def __init__(self) -> None:
        self.said: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Nothing was said."""
        self.registers = bytearray()
        self.loaded = b""
        self.said.clear()
        self.load: LoadState | None = None

    def begin(self, load: LoadState, registers: bytes) -> None:
        """The registers are as the section brought them."""
        self.load = load
        self.loaded = registers
        self.registers = bytearray(registers)

    def say(self, what: str, where: str = "") -> None:
        """Complain of something once, whatever the details."""
        if what not in self.said and self.load is not None:
            self.said.add(what)
            self.load.messages.append(what + where)

    def report(self, fault: Fault, source: int, address: int, *, write: bool, deep: bool) -> None:
        """A request of `source` (bus and devfn) for an address was blocked; `deep`: behind its context entry.

        Model: an interrupt that the guest wants of it is not delivered.
        """
        if len(self.registers) < RECORD + 16:
            return
        status, _ = self._words(STATUS)
        if status & OVERFLOW:
            self.say("New fault is not recorded due to Primary Fault Overflow")
            return
        low, high = struct.unpack_from("<QQ", self.registers, RECORD)
        if high & FULL and high & SOURCE == source:
            self.say("New fault is not recorded due to compression of faults")
            return
        if high & FULL:
            self.say("Next Fault Recording Reg is used, new fault is not recorded, set PFO field")
            self._set(STATUS, status | OVERFLOW)
            return
        low, high = address & -PAGE, source | fault << 32 | (0 if write else IS_READ) | FULL
        if deep:
            high |= NO_PASID
        struct.pack_into("<QQ", self.registers, RECORD, low, high)
        if status & PENDING:
            self.say("There are pending faults already, fault event is not generated")
            return
        self._set(STATUS, status & ~0xFF00 | PENDING)
        self._event(status)

    def _event(self, before: int) -> None:
        if before & QUEUE_ERROR:
            self.say("There are previous interrupt conditions to be serviced by software, fault event is not generated")
            return
        control, _ = self._words(CONTROL)
        if control & MASKED:
            self._set(CONTROL, control | INTERRUPT_PENDING)
            self.say("Interrupt Mask set, irq is not generated")
        else:
            self._set(CONTROL, control & ~INTERRUPT_PENDING)

    def _words(self, offset: int) -> tuple[int, int]:
        low, high = struct.unpack_from("<II", self.registers, offset)
        return low, high

    def _set(self, offset: int, value: int) -> None:
        struct.pack_into("<I", self.registers, offset, value)

    def derived(self) -> tuple[tuple[str, str], ...]:
        """The recorded fault and the status register, if a load has changed any register."""
        if self.registers == self.loaded:
            return ()
        low, high = struct.unpack_from("<QQ", self.registers, RECORD)
        status, control = self._words(STATUS)
        return (("fault record", f"{high:#x} {low:#x}"), ("fault status", f"{status:#x}, control {control:#x}"))

    def saved(self) -> Mapping[str, int | bytes | None]:
        """The registers that are not as they were loaded."""
        pairs = enumerate(zip(self.loaded, self.registers, strict=True))
        return {f"csr[{index}]": now for index, (was, now) in pairs if was != now}
