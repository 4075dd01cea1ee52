"""Bridges: the windows through which the bus behind is seen, and the power of a root port's slot.

Source: pci.md 3. A bridge's windows are identity aliases: at address B of the parent bus they show address B of the
secondary one. Every config load takes them all away and puts them back in one transaction, which is always pending,
because even a closed window is an enabled alias of size zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from model.devices.pci import BAR_PRIORITY, COMMAND, COMMAND_IO, COMMAND_MEMORY, U64

if TYPE_CHECKING:
    from collections.abc import Iterable

    from model.devices.pci import PciFunction
    from model.memory import Memory, Region

BRIDGE_CONTROL: Final = 0x3E
VGA_ENABLE: Final = 0x08
VGA_ALIASES: Final = {"mem": 0xA0000, "io_lo": 0x3B0, "io_hi": 0x3C0}
VGA_SIZES: Final = {"mem": 0x20000, "io_lo": 0xC, "io_hi": 0x20}
CAP_EXPRESS: Final = 0x10
SLOT_POWER_CONTROLLER: Final = 0x02
SLOT_POWER_OFF: Final = 0x0400


REGISTERS: Final = slice(0x1C, 0x34)
"""Those of the windows, and some between them."""

MOST_KNOWN: Final = 64
"""Settings of one bridge's windows that are remembered."""

_Windows: TypeAlias = "tuple[tuple[str, int, int], ...]"


def _word(config: bytes, offset: int) -> int:
    return config[offset] | config[offset + 1] << 8


def _dword(config: bytes, offset: int) -> int:
    return int.from_bytes(config[offset : offset + 4], "little")


def io_window(config: bytes) -> tuple[int, int]:
    """Base and limit (inclusive) of the I/O window, in bytes (pci.md 3.2)."""
    base, limit = (config[0x1C] & 0xF0) << 8, (config[0x1D] & 0xF0) << 8
    if config[0x1C] & 1:
        base |= _word(config, 0x30) << 16
    if config[0x1D] & 1:
        limit |= _word(config, 0x32) << 16
    return base, limit | 0xFFF


def memory_window(config: bytes) -> tuple[int, int]:
    """Base and limit (inclusive) of the non-prefetchable memory window."""
    return (_word(config, 0x20) & 0xFFF0) << 16, (_word(config, 0x22) & 0xFFF0) << 16 | 0xFFFFF


def prefetch_window(config: bytes) -> tuple[int, int]:
    """Base and limit (inclusive) of the prefetchable memory window."""
    base, limit = (_word(config, 0x24) & 0xFFF0) << 16, (_word(config, 0x26) & 0xFFF0) << 16
    if config[0x24] & 1:
        base |= _dword(config, 0x28) << 32
    if config[0x26] & 1:
        limit |= _dword(config, 0x2C) << 32
    return base, limit | 0xFFFFF


_SOUND: Final = (io_window, memory_window, prefetch_window)


class Bridge:
    """The aliases of one bridge, in its parent bus and of its secondary one."""

    def __init__(
        self,
        memory: Memory,
        parents: dict[str, Region],
        windows: dict[str, Region],
        vga: dict[str, Region],
        secondary: tuple[Region, Region],
    ) -> None:
        self.memory = memory
        self.parents = parents
        self.windows = windows
        self.vga = vga
        self.secondary = secondary
        self.vga_attached = False
        self._known: dict[tuple[int, bytes], _Windows] = {}

    def reset(self) -> None:
        """The flag only; the regions are put back by the memory's undo journal."""
        self.vga_attached = False

    def rebuild(self, config: bytes) -> None:
        """Windows and VGA aliases from `config`, all in one transaction (pci.md 3.4)."""
        memory = self.memory
        command = config[COMMAND]
        memory.begin()
        asked = command, config[REGISTERS]
        is_sound = memory.remembers and (io_window, memory_window, prefetch_window) == _SOUND
        windows = self._known.get(asked) if is_sound else None
        windows = self._new_windows(asked, config, keep=is_sound) if windows is None else windows
        was_attached = self.vga_attached
        self.vga_attached = bool(_word(config, BRIDGE_CONTROL) & VGA_ENABLE) and bool(self.vga)
        key = self, windows, was_attached, command if self.vga_attached else None
        memory.together(key, lambda: self._replace(windows, command, was_attached=was_attached))
        memory.commit()

    def _new_windows(self, asked: tuple[int, bytes], config: bytes, *, keep: bool) -> _Windows:
        """Name, base and size of each window; kept, for most bridges are asked for the same in each load."""
        found = tuple(
            (name, base, (limit + 1 - base) & U64 if asked[0] & enable and limit >= base else 0)
            for name, (base, limit), enable in (
                ("pref", prefetch_window(config), COMMAND_MEMORY),
                ("mem", memory_window(config), COMMAND_MEMORY),
                ("io", io_window(config), COMMAND_IO),
            )
        )
        if keep:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[asked] = found
        return found

    def _replace(self, windows: Iterable[tuple[str, int, int]], command: int, *, was_attached: bool) -> None:
        memory, parents = self.memory, self.parents
        for name in ("io", "mem", "pref"):
            memory.del_subregion(parents[name], self.windows[name])
        if was_attached:
            for name in VGA_ALIASES:
                memory.del_subregion(parents[name], self.vga[name])
        for name, base, size in windows:
            alias = self.windows[name]
            memory.init_alias(alias, base, size)
            memory.add_subregion(parents[name], base, alias, BAR_PRIORITY)
        if self.vga_attached:
            self._show_vga(command)

    def _show_vga(self, command: int) -> None:
        for name, base in VGA_ALIASES.items():
            alias = self.vga[name]
            self.memory.init_alias(alias, base, VGA_SIZES[name])
            enable = COMMAND_MEMORY if name == "mem" else COMMAND_IO
            self.memory.set_enabled(alias, enabled=bool(command & enable))
            self.memory.add_subregion(self.parents[name], base, alias, BAR_PRIORITY)


def slot_has_power(function: PciFunction) -> bool:
    """Whether a root port's slot control leaves its slot powered (pci.md 3.5): true without a power controller."""
    express = function.capability(CAP_EXPRESS)
    if not express or not function.config[express + 0x14] & SLOT_POWER_CONTROLLER:
        return True
    return not _word(function.config, express + 0x18) & SLOT_POWER_OFF
