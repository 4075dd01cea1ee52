"""VGA: which part of the video memory the legacy addresses show.

Source: pci.md 5.4; asked of the program. In a chain-4 mode with all planes writable the standard VGA shows its memory
directly at one of four legacy windows, else its handler. When the VBE extension is on it overrides the registers that
decide, without them being saved. The Cirrus card has two banks of 32 KiB in that window and its own linear view of the
memory in its first BAR; a mode that must see every access takes all three away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.handler import Effects, Handler
from model.errors import Abort
from model.memory import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.loader import LoadState
    from model.machine import Machine
    from model.memory import Region
    from vmformat import Refusal

U64: Final = (1 << 64) - 1


def own_region(machine: Machine, handler: Handler, name: str) -> Region | None:
    """The region of that name that belongs to a handler's device: its PCI function, or to none for an ISA device."""
    named = [region for region in machine.regions.values() if region.name == name]
    if handler.function is not None:
        owners = {bar.region.owner for bar in handler.function.bars}
        return next((region for region in named if region.owner in owners), None)
    taken = {bar.region.owner for function in machine.functions.values() for bar in function.bars}
    return next((region for region in named if region.owner not in taken), None)


class Vga(Effects):
    """Standard VGA, of its own or inside of another card."""

    vmsd: ClassVar[str] = "vga"
    fields: ClassVar[frozenset[str]] = frozenset({"vga:sr", "vga:gr", "vga:bank_offset", "vga:vbe_regs"})
    post: ClassVar[frozenset[str]] = frozenset({"vga"})

    PLANE_WRITE, MEMORY_MODE, MISC = 2, 4, 6
    ALL_PLANES, CHAIN_4 = 0x0F, 0x08
    VBE_BPP, VBE_ENABLE = 3, 4
    WINDOWS: ClassVar[tuple[tuple[int, int], ...]] = (
        (0xA0000, 0x20000),
        (0xA0000, 0x10000),
        (0xB0000, 0x8000),
        (0xB8000, 0x8000),
    )
    PRIORITY: Final = 2

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.video = own_region(machine, handler, "vga.vram")
        low = own_region(machine, handler, "vga-lowmem")
        self.container = low.container if low is not None else None
        self.alias: Region | None = None

    def reset(self) -> None:
        """No alias."""
        super().reset()
        self.alias = None

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Only the inner vmsd `vga` has the registers and the hook; an ISA card has no outer one."""
        if not path and self.handler.function is not None:
            return None
        if self.video is None or self.container is None:
            return None
        memory = self.machine.memory
        if self.alias is not None:
            memory.del_subregion(self.container, self.alias)
            self.alias = None
        values = {key.rsplit(".", 1)[-1]: value for key, value in self.loaded.items()}
        sequencer, graphics = values.get("sr"), values.get("gr")
        if not isinstance(sequencer, bytes) or not isinstance(graphics, bytes):
            return None
        planes, mode, misc = sequencer[self.PLANE_WRITE], sequencer[self.MEMORY_MODE], graphics[self.MISC]
        if planes & self.ALL_PLANES == self.ALL_PLANES and mode & self.CHAIN_4:
            window = misc >> 2 & 3
            base, size = self.WINDOWS[window]
            bank = values.get("bank_offset", 0)
            offset = bank & U64 if window == 1 and isinstance(bank, int) else 0
            if (offset + size) & U64 > self.video.size:
                raise Abort("vga_update_memory_access: Assertion `offset + size <= s->vram_size' failed.")
            self.alias = memory.create("vga.chain4", Kind.ALIAS, size, alias=self.video, alias_offset=offset)
            memory.add_subregion(self.container, base, self.alias, self.PRIORITY)
        return None


class CirrusVga(Effects):
    """The Cirrus card: two banks and the linear view, in one transaction.

    The program loads an ISA card's section into the wrong place and dies when it moves a bank of it that it takes for
    an alias: that is how every stream of such a card ends, unless its registers say that there are no banks.
    """

    vmsd: ClassVar[str] = "cirrus_vga"
    fields: ClassVar[frozenset[str]] = frozenset({"cirrus_vga:vga.sr", "cirrus_vga:vga.gr"})
    post: ClassVar[frozenset[str]] = frozenset({"cirrus_vga"})

    BANK: Final = 0x8000
    SHADOWED: Final = 2
    """The first registers of the graphics controller are saved elsewhere; the array begins behind them."""

    PRIORITY: Final = 1

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.video = own_region(machine, handler, "vga.vram")
        self.bar = own_region(machine, handler, "cirrus-pci-bar0")
        self.banks = [own_region(machine, handler, f"vga.bank{index}") for index in (0, 1)]

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Only the inner vmsd has the registers and the hook; an ISA card has no outer one."""
        if not path and self.handler.function is not None:
            return None
        values = {key.rsplit(".", 1)[-1]: value for key, value in self.loaded.items()}
        sequencer, graphics = values.get("sr"), values.get("gr")
        if not isinstance(sequencer, bytes) or not isinstance(graphics, bytes):
            return None
        self._show(sequencer, lambda register: graphics[register - self.SHADOWED])
        return None

    def _show(self, sequencer: bytes, graphics: Callable[[int], int]) -> None:
        memory = self.machine.memory
        mode, extension = graphics(5) & 7, graphics(0x0B)
        through_handlers = sequencer[0x17] & 0x44 == 0x44 or extension & 0x14 == 0x14 or bool(extension & 0x02)
        through_handlers |= mode in {4, 5} and bool(extension & 0x04)
        if self.handler.function is None:
            if not through_handlers:
                raise Abort("memory_region_set_alias_offset: Assertion `mr->alias' failed.")
            return
        memory.begin()
        if through_handlers:
            self._linear(shown=False)
        else:
            self._linear(shown=True)
        for index, bank in enumerate(self.banks):
            if bank is None:
                continue
            memory.set_enabled(bank, enabled=not through_handlers and bool(sequencer[7] & 1))
            if not through_handlers:
                memory.set_alias_offset(bank, self._bank_base(graphics, index))
        memory.commit()

    def _linear(self, *, shown: bool) -> None:
        bar, video = self.bar, self.video
        if bar is None or video is None or shown == (video.container is bar):
            return
        if shown:
            self.machine.memory.add_subregion(bar, 0, video, self.PRIORITY)
        else:
            self.machine.memory.del_subregion(bar, video)

    def _bank_base(self, graphics: Callable[[int], int], index: int) -> int:
        """Where in the video memory a bank begins; 0 beyond its end."""
        extension = graphics(0x0B)
        dual = bool(extension & 0x01)
        offset = graphics(9 + index if dual else 9) << (14 if extension & 0x20 else 12)
        limit = max((self.video.size if self.video is not None else 0) - offset, 0)
        if not dual and index:
            offset, limit = (offset + self.BANK, limit - self.BANK) if limit > self.BANK else (0, 0)
        return offset if limit > 0 else 0
