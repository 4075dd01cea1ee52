"""Faults in how PCI functions take a config space: the check, BARs, bus mastering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.devices.pci import BAR_PRIORITY, COMMAND, COMMAND_IO, COMMAND_MEMORY
from model.seeded.bug import SeededBug

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.devices.pci import Bar, PciFunction
    from vmformat import Refusal

HEADER_END: Final = 0x40


class BarAtZero(SeededBug):
    """A BAR with address 0 is mapped there, over the ports or the memory that every machine has."""

    source = "pci.md 2: address 0 is refused"
    budget = 2_000

    def bar_address(self, sound: Callable[..., Any], bar: Bar, config: bytes) -> int | None:
        """As anywhere else."""
        address: int | None = sound(bar, config)
        if address is None and config[COMMAND] & (COMMAND_IO if bar.is_io else COMMAND_MEMORY) and not bar.is_rom:
            value = int.from_bytes(config[bar.offset : bar.offset + (8 if bar.is_wide else 4)], "little")
            if not value & ~(bar.size - 1):
                return 0
        return address


class WideBarLowHalf(SeededBug):
    """Of the address of a 64-bit BAR the upper half is dropped."""

    source = "pci.md 2"
    machine = "q35-modern"
    budget = 5_000

    def bar_address(self, sound: Callable[..., Any], bar: Bar, config: bytes) -> int | None:
        """The register behind is read as zero."""
        if bar.is_wide:
            config = config[: bar.offset + 4] + bytes(4) + config[bar.offset + 8 :]
        address: int | None = sound(bar, config)
        return address


class IoBarByEitherBit(SeededBug):
    """An I/O BAR is mapped as soon as the function decodes anything, memory or I/O."""

    source = "pci.md 2"
    budget = 3_000

    def bar_address(self, sound: Callable[..., Any], bar: Bar, config: bytes) -> int | None:
        """Either bit will do."""
        if bar.is_io and config[COMMAND] & (COMMAND_IO | COMMAND_MEMORY):
            config = config[:COMMAND] + bytes([config[COMMAND] | COMMAND_IO]) + config[COMMAND + 1 :]
        address: int | None = sound(bar, config)
        return address


class RemapStopsAtTheFirstThatStays(SeededBug):
    """BARs behind the first one that stays as it was are not looked at."""

    source = "pci.md 2"
    budget = 3_000

    def remap_bars(self, _sound: Callable[..., Any], function: PciFunction) -> None:
        """`break` where `continue` was meant."""
        memory = function.memory
        for bar in function.bars:
            address = bar.wanted(function.config) if function.has_power else None
            if address == bar.mapped_at:
                break
            if bar.mapped_at is not None:
                memory.del_subregion(bar.container, bar.region)
            bar.mapped_at = address
            if address is not None:
                memory.add_subregion(bar.container, address, bar.region, BAR_PRIORITY)


class MasterOnlyWithMemory(SeededBug):
    """A function that does not decode memory cannot reach memory either, whatever its bus-master bit says."""

    source = "pci.md 3.6"
    budget = 2_000

    def set_master(self, sound: Callable[..., Any], function: PciFunction, enabled: bool) -> None:
        """Asks for a second bit."""
        sound(function, enabled and bool(function.config[COMMAND] & COMMAND_MEMORY))


class CapabilitiesUnchecked(SeededBug):
    """The check of a config space ends with its header: other capabilities than the destination's are taken."""

    source = "pci.md 1.3"
    budget = 5_000

    def check_config(self, sound: Callable[..., Any], function: PciFunction, new: bytes) -> Refusal | None:
        """The rest is taken as read."""
        refusal: Refusal | None = sound(function, new[:HEADER_END] + function.config[HEADER_END:])
        return refusal


class RevisionUnchecked(SeededBug):
    """The check of a config space skips the revision."""

    source = "pci.md 1.3"
    budget = 2_000

    def check_config(self, sound: Callable[..., Any], function: PciFunction, new: bytes) -> Refusal | None:
        """A byte that looks harmless."""
        refusal: Refusal | None = sound(function, new[:8] + function.config[8:9] + new[9:])
        return refusal


BUGS: Final = (
    BarAtZero,
    WideBarLowHalf,
    IoBarByEitherBit,
    RemapStopsAtTheFirstThatStays,
    MasterOnlyWithMemory,
    CapabilitiesUnchecked,
    RevisionUnchecked,
)
