"""The ram section's handler: pages go to RAM blocks, whatever the memory map says (stream.md 4)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from model.messages import c_text
from vmformat import BlockEntry, RamFlag, RamRecord, RamState, Refusal, iter_records, xbzrle, zero_run

if TYPE_CHECKING:
    from model.devices.handler import Effects
    from model.devices.pci import PciFunction
    from model.load_state import LoadState
    from model.machine import Machine
    from model.postcopy import Postcopy
    from vmformat import Reader

EINVAL: Final = 22
VERSION: Final = 4
PAGE: Final = 4096
LISTENING: Final = 3
YIELDS: Final = 32768
"""Records of one section after which the loader lets the main loop run again (stream.md 2.8)."""
_OF_A_PAGE: Final = RamFlag.ZERO | RamFlag.PAGE | RamFlag.COMPRESS
U64: Final = (1 << 64) - 1
_ZERO_RECORD: Final = struct.Struct(">QB")
BLOBS: Final = frozenset({"/rom@etc/acpi/tables", "/rom@etc/table-loader", "/rom@etc/acpi/rsdp"})
"""Blocks that can be resized even when they have their largest size already."""


def _pages(length: int) -> int:
    """A length in bytes as the program keeps a block's: whole pages."""
    return (length + PAGE - 1) & ~(PAGE - 1) & U64


class RamHandler:
    """The iterable handler `ram`. Its interface is that of `model.devices.handler.Handler`."""

    iterable = True
    kind = "ram"
    function: PciFunction | None = None
    effects: Effects | None = None

    def __init__(self, machine: Machine, name: str, instance: int) -> None:
        self.machine = machine
        self.name = name
        self.instance = instance
        self.version = VERSION
        self.load_section_id = 0
        self.load_version = 0
        self.state = RamState()

    def reset(self) -> None:
        """No block has been named; contents are put back by the memory's undo journal."""
        self.load_section_id = self.load_version = 0
        self.state = RamState()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of sections that may be meant for this handler."""
        return (self.name,)

    def matches(self, name: str, instance: int) -> bool:
        """By name and instance only: the wildcard instance does not name it (stream.md 1.4)."""
        return name == self.name and instance == self.instance

    def load(self, load: LoadState, reader: Reader, version: int) -> Refusal | None:
        """Take one payload's records."""
        if version != VERSION:
            return Refusal(EINVAL, (), reader.offset, "version")
        if load.postcopy >= LISTENING:
            return self._while_listening(load, reader) if load.pages is None else self._on_demand(load.pages, reader)
        load.turns.at("ram")
        self.machine.memory.ram.changes()
        taken = 0
        for record in iter_records(reader, self.state, self.machine.block_lengths):
            if isinstance(record, Refusal):
                return record
            load.step()
            refusal = self._block(record) if isinstance(record, BlockEntry) else self._page(record)
            if refusal is not None:
                return refusal
            if load.pages is not None and isinstance(record, RamRecord) and record.block is not None:
                load.pages.came(record.block, record.address)
            elif isinstance(record, RamRecord) and record.block is not None and record.flags & RamFlag.ZERO:
                taken += self._zeros(load, reader, record.block)
            taken += 1
            while taken >= YIELDS:
                taken -= YIELDS
                load.turns.at("ram")
        return None

    def _zeros(self, load: LoadState, reader: Reader, name: str) -> int:
        """The run of zero pages that follows one, as if each were a record of its own; up to one that is refused.

        How many there were.
        """
        length = zero_run(reader.data, reader.pos)
        if not length:
            return 0
        block, limit = self.machine.memory.ram.blocks[name], self.machine.block_lengths[name]
        count = 0
        for word, _ in _ZERO_RECORD.iter_unpack(reader.data[reader.pos : reader.pos + length]):
            address = word & ~(PAGE - 1)
            if address >= limit:
                break
            if block.is_present(address):
                block.fill(address, 0)
            count += 1
        reader.skip(count * _ZERO_RECORD.size)
        load.step(count)
        return count

    def _while_listening(self, load: LoadState, reader: Reader) -> Refusal | None:
        """Pages on demand: without the capability there is no page to put one together in, so none is taken.

        Their block is looked for first. Asked of QEMU 7.2, kind of record by kind.
        """
        offset = reader.offset
        word = reader.u64()
        if reader.error:
            return Refusal(reader.error, (), offset, "ram")
        flags, address = word & (PAGE - 1), word & ~(PAGE - 1)
        if flags & _OF_A_PAGE:
            text = self._no_block(reader, flags) or f"Illegal RAM offset {address:x}"
        elif flags & ~RamFlag.CONTINUE == RamFlag.EOS:
            return None
        else:
            text = f"Unknown combination of migration flags: 0x{flags:x} (postcopy mode)"
        return Refusal(EINVAL, (text,), offset, "ram")

    def _on_demand(self, pages: Postcopy, reader: Reader) -> Refusal | None:
        """Pages behind the package: each is whole, and takes its place at once."""
        while True:
            offset = reader.offset
            word = reader.u64()
            if reader.error:
                return Refusal(reader.error, (), offset, "ram")
            flags, address = word & (PAGE - 1), word & ~(PAGE - 1)
            kind = flags & ~RamFlag.CONTINUE
            if kind == RamFlag.EOS:
                return None
            if kind not in {RamFlag.ZERO, RamFlag.PAGE}:
                text = f"Unknown combination of migration flags: 0x{flags:x} (postcopy mode)"
                return Refusal(EINVAL, (text,), offset, "ram")
            text = self._no_block(reader, flags)
            name = self.state.last or ""
            if text or address >= self.machine.block_lengths[name]:
                return Refusal(EINVAL, (text or f"Illegal RAM offset {address:x}",), offset, "ram")
            block = self.machine.memory.ram.blocks[name]
            if kind == RamFlag.PAGE:
                block.write(address, reader.take(PAGE))
            else:
                block.fill(address, reader.u8())
            pages.came(name, address)

    def _no_block(self, reader: Reader, flags: int) -> str:
        """What is said of a page whose block is not known; empty if it is."""
        if flags & RamFlag.CONTINUE:
            return "" if self.state.last is not None else "Ack, bad migration stream!"
        name = c_text(reader.take(reader.u8()))
        if name not in self.machine.block_lengths:
            return f"Can't find block {name}"
        self.state.last = name
        return ""

    def _block(self, entry: BlockEntry) -> Refusal | None:
        machine = self.machine
        local = _pages(machine.block_lengths[entry.name])
        if entry.length == local:
            return None
        most, length = machine.block_limits[entry.name], _pages(entry.length)
        resizeable = entry.name in BLOBS or most > machine.pristine_lengths[entry.name]
        if length != local and not resizeable:
            text = f"Size mismatch: {entry.name}: {length:#x} != {local:#x}: Invalid argument"
            return Refusal(EINVAL, (text,), entry.offset, "ram")
        if length > most:
            text = f"Size too large: {entry.name}: {length:#x} > {most:#x}: Invalid argument"
            return Refusal(EINVAL, (text,), entry.offset, "ram")
        machine.resize_block(entry.name, entry.length)
        return None

    def _page(self, record: RamRecord) -> Refusal | None:
        if record.block is None or record.kind in {RamFlag.MEM_SIZE, RamFlag.EOS}:
            return None
        block = self.machine.memory.ram.blocks[record.block]
        if record.kind is RamFlag.PAGE:
            block.write(record.address, record.data)
        elif record.kind is RamFlag.ZERO:
            if record.data != b"\0" or block.is_present(record.address):
                block.fill(record.address, record.data[0] if record.data else 0)
        elif record.kind is RamFlag.XBZRLE:
            page = bytearray(block.read(record.address, PAGE))
            problem = xbzrle(record.data, page)
            if problem is not None:
                lines = (problem, f"Failed to decompress XBZRLE page at {record.address:x}")
                return Refusal(EINVAL, lines, record.offset, "ram")
            block.write(record.address, bytes(page))
        return None
