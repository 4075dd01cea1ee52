"""Devices outside the chipset whose load moves memory, uses guest memory, or decides the verdict.

Source: pci.md 3.5 (slot power), 5.4 (kvm-tpr-opt, vga, fw_cfg), virtio.md 10 (ahci), stream.md 2.2 (globalstate).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.bridge import slot_has_power
from model.devices.handler import Effects, Handler
from model.errors import Abort
from model.memory import Kind, Region, address_space_map, memory_region_find, read, write
from model.messages import c_text
from vmformat import Refusal

if TYPE_CHECKING:
    from model.loader import LoadState
    from model.machine import Machine

EPERM, EINVAL = 1, 22
PAGE: Final = 4096


class RootPort(Effects):
    """A PCI Express port with a slot: its power is recomputed and given to whatever is plugged in."""

    vmsd: ClassVar[str] = "pcie-root-port"
    post: ClassVar[frozenset[str]] = frozenset({
        "pcie-root-port", "ioh-3240-express-root-port", "xio3130-express-downstream-port",
    })  # fmt: skip

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Power for the slot's functions."""
        function = self.handler.function
        if function is not None:
            power = slot_has_power(function)
            for child in function.children:
                self.machine.touched_functions.add(child)
                child.set_power(power)
        return None


class KvmTprOpt(Effects):
    """The TPR optimisation: an alias makes its option ROM writable RAM, then the ROM's calls are patched.

    The ROM's size is a byte of guest RAM, in blocks of 512 bytes; the block of RAM is the one that guest address 0
    shows. Every hypercall that is left in it is then overwritten through guest addresses.

    Model: a call that is patched already is left alone here. Whether the program writes the same bytes over it again
    cannot be seen from outside; if it does, two more writes of a natural stream go uncounted.
    """

    vmsd: ClassVar[str] = "kvm-tpr-opt"
    fields: ClassVar[frozenset[str]] = frozenset({"state", "rom_state_paddr", "vapic_paddr"})
    post: ClassVar[frozenset[str]] = frozenset({"kvm-tpr-opt"})

    BLOCK: Final = 512
    PRIORITY: Final = 1000
    CALL: Final = bytes((0xB8, 1, 0, 0, 0))
    HYPERCALLS: Final = (b"\x0f\x01\xc1", b"\x0f\x01\xd9")
    PORT_ACCESS: Final = b"\x90\xe7\x7e"
    ACTIVE: Final = 1

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.rom: Region | None = None

    def reset(self) -> None:
        """Nothing is mapped; the region itself is put back by the memory's undo journal."""
        super().reset()
        self.rom = None

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Map, then patch."""
        address = self.number("rom_state_paddr")
        if self.number("state") == 0 and address == 0:
            return None
        start = address & ~(self.BLOCK - 1)
        size = self._map(load, start)
        if size is None:
            load.guest_can_cause = True
            return Refusal(EPERM, (), 0, "rom_state_paddr")
        self._patch(start, size)
        if self.number("state") == self.ACTIVE:
            load.not_modelled.add("kvm-tpr-opt: enabling the virtual APIC page of an active guest")
        return None

    def _map(self, load: LoadState, start: int) -> int | None:
        """The writable alias; the ROM's size in bytes, None where the program gives up."""
        machine, memory = self.machine, self.machine.memory
        if self.rom is not None and self.rom.container is not None:
            memory.del_subregion(machine.system, self.rom)
        self.rom = None
        found = memory_region_find(memory, machine.system, 0, 1, "memory_region_find")
        region = found.region if found is not None else None
        if region is None or region.kind not in {Kind.RAM, Kind.ROM, Kind.ROMD, Kind.RAMD}:
            raise Abort("memory_region_get_ram_ptr: Assertion `mr->ram_block' failed.")
        if start + 2 >= region.size:
            return None
        size = memory.ram.read(region.block, start + 2, 1)[0] * self.BLOCK
        if size == 0:
            return None
        page = start & ~(PAGE - 1)
        length = (size + (start - page) + PAGE - 1) & ~(PAGE - 1)
        self.rom = memory.create("kvmvapic-rom", Kind.ALIAS, length, alias=region, alias_offset=page)
        memory.add_subregion(machine.system, page, self.rom, self.PRIORITY)
        load.step()
        return size

    def _patch(self, start: int, size: int) -> None:
        memory, space = self.machine.memory, self.machine.memory_space
        with memory.ram.unnoticed():
            rom = read(memory, space, start, size, "cpu_physical_memory_read")
        block = self.rom.alias.block if self.rom is not None and self.rom.alias is not None else ""
        at = rom.find(self.CALL)
        while 0 <= at < size - 8:
            memory.ram.read(block, start + at, 8)
            if rom[at + 5 : at + 8] in self.HYPERCALLS:
                write(memory, space, start + at + 5, self.PORT_ACCESS, "cpu_physical_memory_write")
            at = rom.find(self.CALL, at + 1)


class Ahci(Effects):
    """AHCI: the command list and the FIS area of every started port are mapped through the bus-master space."""

    vmsd: ClassVar[str] = "ich9_ahci"
    _REGISTERS: ClassVar[tuple[str, ...]] = ("lst_addr", "lst_addr_hi", "fis_addr", "fis_addr_hi", "cmd", "cmd_issue")
    fields: ClassVar[frozenset[str]] = frozenset(f"ahci port:port_regs.{name}" for name in _REGISTERS) | {
        "ahci port:busy_slot",
        "ahci port:ncq_tfs",
    }
    post: ClassVar[frozenset[str]] = frozenset({"ahci"})

    SLOTS: Final = 32
    QUEUED: Final = struct.Struct(">IQBBB??")
    QUEUED_COMMANDS: Final = frozenset({0x60, 0x61, 0x63, 0x64, 0x65})
    START, FIS_RX, FIS_ON, LIST_ON = 1 << 0, 1 << 4, 1 << 14, 1 << 15
    LIST_SIZE: Final = 1024
    FIS_SIZE: Final = 256

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Port after port; the first that cannot start ends the load."""
        for port in sorted(
            {key.rsplit("port_regs.", 1)[0] for key in self.loaded if "port_regs." in key}, key=_natural
        ):
            refusal = self._port(load, port)
            if refusal is not None:
                return refusal
        return None

    def _port(self, load: LoadState, port: str) -> Refusal | None:
        registers = {name: self.number(f"{port}port_regs.{name}") for name in self._REGISTERS}
        command = registers["cmd"]
        if command & self.LIST_ON and not command & self.START:
            return self._fail(port, "DMA engine should be off, but status bit indicates it is still running.")
        if command & self.FIS_ON and not command & self.FIS_RX:
            return self._fail(port, "FIS RX engine should be off, but status bit indicates it is still running.")
        if command & self.START:
            address = registers["lst_addr"] | registers["lst_addr_hi"] << 32
            if not self._engine(load, address, self.LIST_SIZE, "ahci_map_clb_address"):
                return self._fail(port, "Failed to start DMA engine: bad command list buffer address")
            if registers["cmd_issue"]:
                load.not_modelled.add("ahci: commands that were issued and not finished")
        if command & self.FIS_RX:
            address = registers["fis_addr"] | registers["fis_addr_hi"] << 32
            if not self._engine(load, address, self.FIS_SIZE, "ahci_map_fis_address"):
                return self._fail(port, "Failed to start FIS receive engine: bad FIS receive buffer address")
        return self._commands(load, port, listed=bool(command & self.START))

    def _commands(self, load: LoadState, port: str, *, listed: bool) -> Refusal | None:
        """Queued commands that had halted, and the one under way, need their entries in the command list."""
        queued = self.loaded.get(f"{port}ncq_tfs", b"")
        assert isinstance(queued, bytes)
        refused = Refusal(EPERM, (), 0, f"{port}ncq_tfs")
        for _, _, tag, command, slot, used, halted in self.QUEUED.iter_unpack(queued):
            if used != halted:
                return refused
            if halted:
                if command not in self.QUEUED_COMMANDS or slot != tag or slot >= self.SLOTS or not listed:
                    return refused
                load.not_modelled.add("ahci: queued commands that had halted")
        busy = self.number(f"{port}busy_slot")
        if busy != -1 and not 0 <= busy < self.SLOTS:
            return Refusal(EPERM, (), 0, f"{port}busy_slot")
        return None

    def _engine(self, load: LoadState, address: int, size: int, reader: str) -> bool:
        function = self.handler.function
        if function is None or function.master_space is None:
            return True
        mapping = address_space_map(self.machine.memory, function.master_space, address, size, True, reader)
        if not mapping.direct:
            if self.machine.bounce_in_use:
                return False
            self.machine.bounce_in_use = True
        if mapping.length < size:
            self.machine.bounce_in_use = self.machine.bounce_in_use and mapping.direct
            return False
        return True

    @staticmethod
    def _fail(port: str, text: str) -> Refusal:
        return Refusal(EPERM, (f"AHCI: {text}",), 0, f"{port}port_regs.cmd")


def _natural(text: str) -> tuple[int, str]:
    return len(text), text


class Vga(Effects):
    """Standard VGA: a chain-4 mode with all planes shows its memory directly at the legacy addresses."""

    vmsd: ClassVar[str] = "vga"
    fields: ClassVar[frozenset[str]] = frozenset({"vga:sr", "vga:gr", "vga:bank_offset"})
    post: ClassVar[frozenset[str]] = frozenset({"vga"})

    PLANE_WRITE, MEMORY_MODE, MISC = 2, 4, 6
    ALL_PLANES, CHAIN_4 = 0x0F, 0x08
    WINDOWS: ClassVar[tuple[tuple[int, int], ...]] = (
        (0xA0000, 0x20000),
        (0xA0000, 0x10000),
        (0xB0000, 0x8000),
        (0xB8000, 0x8000),
    )
    PRIORITY: Final = 2

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        owner = handler.function.bars if handler.function is not None else []
        self.video = next((bar.region for bar in owner if bar.region.name == "vga.vram"), None)
        low = machine.optional("vga-lowmem")
        self.container = low.container if low is not None else None
        self.alias: Region | None = None

    def reset(self) -> None:
        """No alias."""
        super().reset()
        self.alias = None

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Only the inner vmsd `vga` has the registers and the hook."""
        if not path or self.video is None or self.container is None:
            return None
        memory = self.machine.memory
        if self.alias is not None:
            memory.del_subregion(self.container, self.alias)
            self.alias = None
        values = {key.rsplit(".", 1)[-1]: value for key, value in self.loaded.items()}
        sequencer, graphics = values.get("sr"), values.get("gr")
        if not isinstance(sequencer, bytes) or not isinstance(graphics, bytes):
            return None
        planes = sequencer[self.PLANE_WRITE] & self.ALL_PLANES == self.ALL_PLANES
        if planes and sequencer[self.MEMORY_MODE] & self.CHAIN_4:
            window = graphics[self.MISC] >> 2 & 3
            base, size = self.WINDOWS[window]
            bank = values.get("bank_offset", 0)
            offset = bank if window == 1 and isinstance(bank, int) else 0
            self.alias = memory.create("vga.chain4", Kind.ALIAS, size, alias=self.video, alias_offset=max(offset, 0))
            memory.add_subregion(self.container, base, self.alias, self.PRIORITY)
        return None


class FwCfg(Effects):
    """The firmware configuration device: the ACPI blobs take the size they had on the source."""

    vmsd: ClassVar[str] = "fw_cfg"
    BLOBS: ClassVar[dict[str, str]] = {
        "table_mr_size": "/rom@etc/acpi/tables",
        "linker_mr_size": "/rom@etc/table-loader",
        "rsdp_mr_size": "/rom@etc/acpi/rsdp",
    }
    fields: ClassVar[frozenset[str]] = frozenset(f"fw_cfg/acpi_mr:{name}" for name in BLOBS)
    post: ClassVar[frozenset[str]] = frozenset({"fw_cfg/acpi_mr"})

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Each blob in turn."""
        for key, value in self.loaded.items():
            block = self.BLOBS[key.rsplit(".", 1)[-1]]
            if isinstance(value, int):
                self.machine.resize_block(block, value)
        return None


class GlobalState(Effects):
    """The run state that the source was in."""

    vmsd: ClassVar[str] = "globalstate"
    fields: ClassVar[frozenset[str]] = frozenset({"runstate"})
    post: ClassVar[frozenset[str]] = frozenset({"globalstate"})
    RUN_STATES: ClassVar[frozenset[str]] = frozenset({
        "debug", "inmigrate", "internal-error", "io-error", "paused", "postmigrate", "prelaunch", "finish-migrate",
        "restore-vm", "running", "save-vm", "shutdown", "suspended", "watchdog", "guest-panicked", "colo",
    })  # fmt: skip

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """An unknown name ends the load."""
        value = self.loaded.get("runstate", b"")
        assert isinstance(value, bytes)
        name = c_text(value[:-1])  # the program ends it by force
        if name not in self.RUN_STATES:
            return Refusal(EINVAL, tuple(f"invalid parameter value: {name}".splitlines()), 0, "runstate")
        load.run_state = name
        return None
