"""AHCI: command lists and FIS areas of started ports are mapped again, and commands that wait are looked at.

Source: virtio.md 9.1 row 7 and 10; asked of the program. For each port in turn: a status bit of an engine that is not
started refuses the load; then the engines that are started map their area (1 KiB for the command list, 256 bytes for
received FISes) through the bus-master space; then queued commands that had halted find their scatter list in guest
memory again; at last the port goes on with commands that were issued, if none is under way.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.dma import Dma, shown
from model.devices.handler import Effects, Handler
from model.outcome import DeviceState
from vmformat import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping as Map

    from model.load_state import LoadState
    from model.machine import Machine
    from model.memory import Mapping

EPERM: Final = 1
U64: Final = (1 << 64) - 1
SLOTS: Final = 32
START, FIS_RX, FIS_ON, LIST_ON = 1 << 0, 1 << 4, 1 << 14, 1 << 15
LIST_SIZE: Final = 1024
FIS_SIZE: Final = 256
HEADER: Final = struct.Struct("<HHIQ")
HEADER_SIZE: Final = 32
TABLE_SIZE: Final = 0x80
"""A command table's head, with the FIS; the scatter list follows."""

SECTOR: Final = 512
BUSY_OR_DATA: Final = 0x88
HOST_BUS_ERROR: Final = 1 << 29
NO_DRIVE: Final = 0xFFFF_FFFF
FROM_HOST: Final = 0x27
QUEUED: Final = struct.Struct(">IQBBB??")
QUEUED_COMMANDS: Final = frozenset({0x60, 0x61, 0x63, 0x64, 0x65})
SCATTER: Final = struct.Struct("<QII")
SCATTER_MASK: Final = 0x3FFFFF


@dataclass(slots=True)
class Port:
    """What a port has mapped."""

    commands: Mapping | None = None
    received: Mapping | None = None
    command: int = 0
    status: int | None = None
    """The interrupt status, if the load has changed it."""


class Ahci(Effects):
    """ich9-ahci, on the board or as a card."""

    vmsd: ClassVar[str] = "ich9_ahci"
    _REGISTERS: ClassVar[tuple[str, ...]] = (
        "lst_addr", "lst_addr_hi", "fis_addr", "fis_addr_hi", "cmd", "cmd_issue", "sig", "irq_stat",
    )  # fmt: skip
    fields: ClassVar[frozenset[str]] = frozenset(f"ahci port:port_regs.{name}" for name in _REGISTERS) | {
        "ahci port:busy_slot", "ahci port:ncq_tfs", "ide_drive:status",
    }  # fmt: skip
    post: ClassVar[frozenset[str]] = frozenset({"ahci"})

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.dma = Dma(machine, handler.function)
        self.ports: dict[str, Port] = {}

    def reset(self) -> None:
        """Nothing is mapped."""
        super().reset()
        self.ports = {}

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Port after port; the first that cannot start ends the load."""
        names = {key.partition("port_regs.")[0] for key in self.loaded if key.endswith("port_regs.cmd")}
        for name in sorted(names, key=_natural):
            refusal = self._port(load, name, self.ports.setdefault(name, Port()))
            if refusal is not None:
                return refusal
        return None

    def _port(self, load: LoadState, name: str, port: Port) -> Refusal | None:
        registers = {key: self.number(f"{name}port_regs.{key}") for key in self._REGISTERS}
        command = registers["cmd"]
        if command & LIST_ON and not command & START:
            return _fail(name, "DMA engine should be off, but status bit indicates it is still running.")
        if command & FIS_ON and not command & FIS_RX:
            return _fail(name, "FIS RX engine should be off, but status bit indicates it is still running.")
        port.command, port.status = command & ~(LIST_ON | FIS_ON), None
        if command & START:
            address = registers["lst_addr"] | registers["lst_addr_hi"] << 32
            port.commands = self._engine(load, port.commands, address, LIST_SIZE, "ahci_map_clb_address")
            if port.commands is None:
                return _fail(name, "Failed to start DMA engine: bad command list buffer address")
            port.command |= LIST_ON
        if command & FIS_RX:
            address = registers["fis_addr"] | registers["fis_addr_hi"] << 32
            port.received = self._engine(load, port.received, address, FIS_SIZE, "ahci_map_fis_address")
            if port.received is None:
                return _fail(name, "Failed to start FIS receive engine: bad FIS receive buffer address")
            port.command |= FIS_ON
        refusal = self._queued(load, name, port)
        if refusal is not None:
            return refusal
        busy = self.number(f"{name}busy_slot")
        if busy == -1:
            self._waiting(load, name, port, registers)
        elif not 0 <= busy < SLOTS:
            return Refusal(EPERM, (), 0, f"{name}busy_slot")
        return None

    def _engine(self, load: LoadState, old: Mapping | None, address: int, size: int, reader: str) -> Mapping | None:
        if old is not None:
            self.dma.unmap(old)
        load.step()
        mapping = self.dma.map(address, size, is_write=True, reader=reader)
        if mapping is not None and mapping.length >= size:
            return mapping
        if mapping is not None:
            self.dma.unmap(mapping)
        load.guest_can_cause = True
        return None

    # Commands that a guest has given before

    def _queued(self, load: LoadState, name: str, port: Port) -> Refusal | None:
        """A queued command is either unused or halted; a halted one needs its header, and as much room as it moves."""
        queued = self.loaded.get(f"{name}ncq_tfs", b"")
        assert isinstance(queued, bytes)
        refused = Refusal(EPERM, (), 0, f"{name}ncq_tfs")
        for sectors, _, tag, command, slot, used, halted in QUEUED.iter_unpack(queued):
            if used != halted:
                return refused
            if not halted:
                continue
            if command not in QUEUED_COMMANDS or slot != tag or slot >= SLOTS or port.commands is None:
                return refused
            if self._room(load, port.commands, slot, sectors * SECTOR) // SECTOR & 0xFFFF_FFFF_FFFF != sectors:
                return refused
        return None

    def _room(self, load: LoadState, commands: Mapping, slot: int, limit: int) -> int:
        """How many bytes, at most `limit`, a command's scatter list gives; 0 if it cannot be read."""
        _, entries, _, table = HEADER.unpack(self.dma.read_mapped(commands, HEADER_SIZE * slot, HEADER.size))
        if not entries:
            return 0
        size = entries * SCATTER.size
        mapping = self.dma.map(table + TABLE_SIZE & U64, size, is_write=False, reader="ahci_populate_sglist")
        if mapping is None:
            return 0
        room = 0
        if mapping.length >= size:
            load.step(entries)
            for _, _, length in SCATTER.iter_unpack(self.dma.read_mapped(mapping, 0, size)):
                room += min((length & SCATTER_MASK) + 1, limit - room)
                if room >= limit:
                    break
        self.dma.unmap(mapping)
        return room

    def _waiting(self, load: LoadState, name: str, port: Port, registers: Map[str, int]) -> None:
        """Issued commands are carried out, in order, as long as the drive is not busy.

        Model: what a command does (it moves data, in its own time, and interrupts) is not followed.
        """
        if not registers["cmd"] & START or port.commands is None:
            return
        if self.number(f"{name}port.ifs[0].status") & BUSY_OR_DATA:
            return
        for slot in range(SLOTS):
            if not registers["cmd_issue"] >> slot & 1:
                continue
            _, _, _, table = HEADER.unpack(self.dma.read_mapped(port.commands, HEADER_SIZE * slot, HEADER.size))
            if registers["sig"] == NO_DRIVE:
                continue
            mapping = self.dma.map(table, TABLE_SIZE, is_write=False, reader="handle_cmd")
            if mapping is None:
                continue
            if mapping.length < TABLE_SIZE:
                port.status = registers["irq_stat"] | HOST_BUS_ERROR
            elif self.dma.read_mapped(mapping, 0, TABLE_SIZE)[0] == FROM_HOST:
                load.not_modelled.add("ich9_ahci: what an issued command does, which is carried out at once")
            self.dma.unmap(mapping)

    def state(self) -> DeviceState | None:
        """What each port has mapped."""
        told: list[tuple[str, str]] = []
        for name, port in self.ports.items():
            if port.commands is not None:
                told.append((f"{name}command list", shown(port.commands)))
            if port.received is not None:
                told.append((f"{name}FIS area", shown(port.received)))
        return DeviceState(self.handler.name, self.handler.kind, derived=tuple(told)) if told else None

    def saved(self) -> Map[str, int | bytes | None]:
        """The status bits of the engines that were started."""
        changed: dict[str, int | bytes | None] = {}
        for name, port in self.ports.items():
            changed[f"{name}port_regs.cmd"] = port.command
            if port.status is not None:
                changed[f"{name}port_regs.irq_stat"] = port.status
        return changed


def _fail(port: str, text: str) -> Refusal:
    return Refusal(EPERM, (f"AHCI: {text}",), 0, f"{port}port_regs.cmd")


def _natural(text: str) -> tuple[int, str]:
    return len(text), text
