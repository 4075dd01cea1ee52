"""PCI functions: the check of a loaded config space, BARs, bus-master address spaces, power.

Source: pci.md 1.2 (the check), 2 (BARs), 3.6 (bus master). A load of config space replaces it whole, then remaps what
changed, each BAR in transactions of its own; the bridge's windows (`model.devices.bridge`) come between BARs and bus
master.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vmformat import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from model.description import BarEntry, FunctionEntry
    from model.devices.bridge import Bridge
    from model.memory import AddressSpace, Memory, Region

COMMAND: Final = 0x04
COMMAND_IO: Final = 0x1
COMMAND_MEMORY: Final = 0x2
COMMAND_MASTER: Final = 0x4
HEADER_TYPE: Final = 0x0E
WINDOW_TYPES: Final = frozenset({0x1C, 0x1D, 0x24, 0x26})
ROM_SLOT: Final = 6
U32: Final = 0xFFFF_FFFF
U64: Final = 0xFFFF_FFFF_FFFF_FFFF
EINVAL: Final = 22
BAR_PRIORITY: Final = 1
STATE_VERSION: Final = 2
"""The version of a function's state that the program writes; a loaded one may be lower and then replaces it."""


@lru_cache(maxsize=512)
def _number(config: bytes) -> int:
    """A config space as one integer, in which all of its bytes are compared at once."""
    return int.from_bytes(config, "little")


class Bar:
    """One BAR: where its register is, which region it maps into which container, and where it is mapped now."""

    __slots__ = ("container", "is_io", "is_rom", "is_wide", "mapped_at", "offset", "region", "size", "slot")

    def __init__(self, entry: BarEntry, region: Region, container: Region, header_type: int) -> None:
        self.slot = entry.slot
        self.size = entry.size
        self.is_io = entry.space == "io"
        self.is_wide = entry.space == "memory64"
        self.is_rom = entry.slot == ROM_SLOT
        self.offset = 0x10 + 4 * entry.slot
        if self.is_rom:
            self.offset = 0x38 if header_type & 0x7F == 1 else 0x30
        self.region = region
        self.container = container
        self.mapped_at: int | None = None

    def wanted(self, config: bytes) -> int | None:
        """The address that `config` asks for, None for unmapped (pci.md 2)."""
        command = config[COMMAND]
        if not command & (COMMAND_IO if self.is_io else COMMAND_MEMORY):
            return None
        value = int.from_bytes(config[self.offset : self.offset + (8 if self.is_wide else 4)], "little")
        if self.is_rom and not value & 1:
            return None
        address = value & ~(self.size - 1)
        last = (address + self.size - 1) & U64
        if last <= address or address == 0 or last == U64:
            return None
        if last >= U32 and not self.is_wide:
            return None
        return address


class PciFunction:
    """A PCI function of the destination: config space and what follows from it."""

    def __init__(self, entry: FunctionEntry, memory: Memory) -> None:
        self.entry = entry
        self.memory = memory
        self.bars: list[Bar] = []
        self.bridge: Bridge | None = None
        self.children: list[PciFunction] = []
        self.master_alias: Region | None = None
        self.master_space: AddressSpace | None = None
        self.config = entry.config
        self.has_power = True
        self.state_version = STATE_VERSION
        self.on_reset: Callable[[], None] | None = None
        self._compare = int.from_bytes(entry.compare, "little")
        self._passed = b"", b""
        """The bytes that passed the check last, and what they were held against."""

    def reset(self) -> None:
        """Back to the state at reset; the memory map is put back by the memory's own undo journal."""
        self.config = self.entry.config
        self.has_power = True
        self.state_version = STATE_VERSION
        for bar in self.bars:
            bar.mapped_at = None
        if self.bridge is not None:
            self.bridge.reset()

    def system_reset(self, kept: Iterable[range]) -> None:
        """A reset of the running machine: config space as at reset but for the bytes in `kept`, and no BAR mapped.

        The alias of the bus master and the windows of a bridge stay as they are until the next change of config space
        (asked of QEMU 7.2): the bit and the registers say otherwise meanwhile.
        """
        config = bytearray(self.entry.config)
        for bytes_ in kept:
            config[bytes_.start : bytes_.stop] = self.config[bytes_.start : bytes_.stop]
        self.config = bytes(config)
        self.remap_bars()

    def check(self, new: bytes) -> Refusal | None:
        """The byte check: the first byte that differs where it must not, or None (pci.md 1.2).

        `new` has the length of the function's config space.
        """
        passed, before = self._passed
        is_known = new is passed and self.config is before
        difference = 0 if is_known else (_number(new) ^ _number(self.config)) & self._compare
        if not difference:
            self._passed = new, self.config
            return None
        index = ((difference & -difference).bit_length() - 1) // 8
        writable, clearable = self.entry.writable[index], self.entry.w1c[index]
        compared = self.entry.compare[index] | writable | clearable
        if index in WINDOW_TYPES and self.config[HEADER_TYPE] & 0x7F == 1:
            compared = self.entry.compare[index]  # a bridge compares the type of its windows alone
        text = (
            f"get_pci_config_device: Bad config data: i=0x{index:x} read: {new[index]:x} "
            f"device: {self.config[index]:x} cmask: {compared:x} wmask: {writable:x} w1cmask:{clearable:x}"
        )
        return Refusal(EINVAL, (text,), 0, "config")

    def load(self, new: bytes) -> None:
        """Take a checked config space: BARs, then windows, then bus master (pci.md 1.2)."""
        self.config = new
        self.remap_bars()
        if self.bridge is not None:
            self.bridge.rebuild(new)
        self.set_master(bool(new[COMMAND] & COMMAND_MASTER))

    def remap_bars(self) -> None:
        """Bring every BAR to where the config asks for it, one transaction for each removal and each addition."""
        memory, config = self.memory, self.config
        for bar in self.bars:
            address = bar.wanted(config) if self.has_power else None
            if address == bar.mapped_at:
                continue
            if bar.mapped_at is not None:
                memory.del_subregion(bar.container, bar.region)
            bar.mapped_at = address
            if address is not None:
                memory.add_subregion(bar.container, address, bar.region, BAR_PRIORITY)

    def set_master(self, enabled: bool) -> None:
        """Enable or disable the alias through which the function reaches memory; power is not consulted here."""
        if self.master_alias is not None:
            self.memory.set_enabled(self.master_alias, enabled=enabled)

    def set_power(self, on: bool) -> None:
        """A slot's power: off unmaps the BARs, takes the bus master away and resets the function (pci.md 3.5)."""
        if self.has_power == on:
            return
        self.has_power = on
        self.remap_bars()
        self.set_master(on and bool(self.config[COMMAND] & COMMAND_MASTER))
        if not on:
            self.config = self.entry.config
            self.remap_bars()
            if self.on_reset is not None:
                self.on_reset()

    def capability(self, wanted: int) -> int:
        """The offset of the first capability with id `wanted` in config space, 0 if there is none."""
        config = self.config
        offset, seen = config[0x34] & 0xFC, 0
        while offset >= 0x40 and seen < 48:
            if config[offset] == wanted:
                return offset
            offset, seen = config[offset + 1] & 0xFC, seen + 1
        return 0
