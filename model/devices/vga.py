"""VGA: which part of the video memory the legacy addresses show.

Source: pci.md 5.4; asked of the program. In a chain-4 mode with all planes writable the standard VGA shows its memory
directly at one of four legacy windows, else its handler. When the VBE extension is on it overrides the registers that
decide, without them being saved. The Cirrus card has two banks of 32 KiB in that window and its own linear view of the
memory in its first BAR; a mode that must see every access takes all three away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.handler import Effects, Handler
from model.errors import Abort, Killed
from model.memory import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from model.load_state import LoadState
    from model.machine import Machine
    from model.memory import Region
    from vmformat import Refusal

U64: Final = (1 << 64) - 1
VBE_WIDTH, VBE_HEIGHT, VBE_BPP, VBE_ENABLE = 1, 2, 3, 4
PLANAR: Final = 4
"""Bits per pixel at which VBE does not switch the planes off."""


def own_region(machine: Machine, handler: Handler, name: str) -> Region | None:
    """The region of that name that belongs to a handler's device: its PCI function, or to none for an ISA device."""
    named = [region for region in machine.regions.values() if region.name == name]
    if handler.function is not None:
        owners = {bar.region.owner for bar in handler.function.bars}
        return next((region for region in named if region.owner in owners), None)
    taken = {bar.region.owner for function in machine.functions.values() for bar in function.bars}
    return next((region for region in named if region.owner not in taken), None)


class Vga(Effects):
    """Standard VGA, of its own or inside of another card.

    The program keeps the ISA card's registers in a wrong place, and dies of it when it must show the memory directly.
    """

    vmsd: ClassVar[str] = "vga"
    fields: ClassVar[frozenset[str]] = frozenset(
        f"vga:{name}" for name in ("sr", "gr", "cr", "bank_offset", "vbe_regs", "vbe_line_offset")
    )
    post: ClassVar[frozenset[str]] = frozenset({"vga"})

    PLANE_WRITE, MEMORY_MODE = 2, 4
    ALL_PLANES, CHAIN_4 = 0x0F, 0x08
    MODE, MISC = 5, 6
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
        self.vbe_shows = False
        self.changed: dict[str, int | bytes | None] = {}

    def reset(self) -> None:
        """No alias; the registers that VBE has of its own are clear."""
        super().reset()
        self.alias = None
        self.vbe_shows = False
        self.changed = {}

    def system_reset(self) -> None:
        """A text mode: nothing is shown directly."""
        self._show(None, 0)
        super().system_reset()

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Only the inner vmsd `vga` has the registers and the hook; an ISA card has no outer one."""
        if not path and self.handler.function is not None:
            return None
        prefix = f"{path}." if path else ""
        sequencer, graphics = self.loaded.get(f"{prefix}sr"), self.loaded.get(f"{prefix}gr")
        vbe, controller = self.loaded.get(f"{prefix}vbe_regs"), self.loaded.get(f"{prefix}cr")
        if not isinstance(sequencer, bytes) or not isinstance(graphics, bytes):
            return None
        self.changed = {}
        shows = sequencer[self.PLANE_WRITE] & self.ALL_PLANES == self.ALL_PLANES
        shows &= bool(sequencer[self.MEMORY_MODE] & self.CHAIN_4)
        if isinstance(vbe, tuple) and isinstance(controller, bytes) and vbe[VBE_ENABLE] & 1:
            self.vbe_shows |= vbe[VBE_BPP] != PLANAR
            shows = self.vbe_shows
            graphics, controller = _by_vbe(graphics, controller, vbe, self.number(f"{prefix}vbe_line_offset"))
            self.changed = {f"{prefix}gr": graphics, f"{prefix}cr": controller}
        self._show(graphics[self.MISC] >> 2 & 3 if shows else None, self.number(f"{prefix}bank_offset"))
        return None

    def _show(self, window: int | None, bank: int) -> None:
        """Show the memory directly in one of the windows, from `bank` on in the second of them."""
        if self.video is None or self.container is None:
            return
        memory = self.machine.memory
        if self.alias is not None:
            memory.del_subregion(self.container, self.alias)
            self.alias = None
        if window is None:
            return
        base, size = self.WINDOWS[window]
        offset = bank & U64 if window == 1 else 0
        if (offset + size) & U64 > self.video.size:
            raise Abort("vga_update_memory_access: Assertion `offset + size <= s->vram_size' failed.")
        if self.handler.function is None:
            raise Killed("SIGSEGV: an ISA card's memory is looked for in a wrong place")
        self.alias = memory.create("vga.chain4", Kind.ALIAS, size, alias=self.video, alias_offset=offset)
        memory.add_subregion(self.container, base, self.alias, self.PRIORITY)

    def saved(self) -> Mapping[str, int | bytes | None]:
        """The registers that VBE overrides."""
        return self.changed


class Qxl(Vga):
    """The QXL card: standard VGA, and modes of its own.

    Model: what a guest's driver has created (surfaces, commands in the card's memory) is not followed.
    """

    vmsd: ClassVar[str] = "qxl"
    fields: ClassVar[frozenset[str]] = Vga.fields | {"mode", "last_release_offset"}
    post: ClassVar[frozenset[str]] = Vga.post | {"qxl"}
    UNDEFINED, LEGACY, COMPATIBLE, NATIVE = 0, 1, 2, 3

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """The card's own hook runs last."""
        if vmsd != self.vmsd:
            return super().post_load(load, vmsd, path)
        if self.video is not None and self.number("last_release_offset") >= self.video.size:
            raise Abort("qxl_post_load: Assertion `d->last_release_offset < d->vga.vram_size' failed.")
        if self.number("mode") in {self.COMPATIBLE, self.NATIVE}:
            load.not_modelled.add("qxl: the surfaces and commands of a guest's driver")
        return None

    def saved(self) -> Mapping[str, int | bytes | None]:
        """A mode that is none becomes none."""
        known = {self.LEGACY, self.COMPATIBLE, self.NATIVE}
        return super().saved() if self.number("mode") in known else {**super().saved(), "mode": self.UNDEFINED}


def _by_vbe(graphics: bytes, controller: bytes, vbe: tuple[int, ...], pitch: int) -> tuple[bytes, bytes]:
    """The registers of the graphics and the CRT controller as VBE sets them; `pitch` in bytes."""
    gr, cr = bytearray(graphics), bytearray(controller)
    width, last = vbe[VBE_WIDTH], vbe[VBE_HEIGHT] - 1
    gr[6] = gr[6] & ~0x0C | 0x05
    gr[5] = gr[5] & ~0x60 | (0 if vbe[VBE_BPP] == PLANAR else 0x40)
    cr[0x17] |= 3
    cr[0x13] = pitch >> 3 & 0xFF
    cr[0x01] = (width >> 3) - 1 & 0xFF
    cr[0x12] = last & 0xFF
    cr[0x07] = cr[0x07] & ~0x42 | last >> 7 & 0x02 | last >> 3 & 0x40 | 0x10
    cr[0x18] = 0xFF
    cr[0x09] = (cr[0x09] | 0x40) & ~0x9F
    return bytes(gr), bytes(cr)


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
            if self.handler.function is None and not through_handlers:  # the program looks for them in a wrong place
                raise Abort("memory_region_set_alias_offset: Assertion `mr->alias' failed.")
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
