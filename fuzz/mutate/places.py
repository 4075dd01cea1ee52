"""Guest-physical addresses worth pointing at, for one machine.

Where a ring or a window lies decides whether a stale view reads the right bytes: memory that firmware switches
between ROM and RAM (PAM: 0xc0000 to 0xfffff), SMRAM, the end of RAM, the hole above it, BARs, and the chipset's own
pages. Sources: virtio.md 9 and 12, pci.md 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice

PAM: Final = tuple(range(0xC0000, 0x100000, 0x4000))
_SMRAM: Final = (0xA0000, 0xB8000, 0x30000)
_CHIPSET: Final = (0xFEC00000, 0xFED00000, 0xFED1C000, 0xFEDA0000, 0xFEE00000, 0xFFFC0000, 0xFFFFF000, 0xB0000000)
_PLAIN: Final = (0x1000, 0x7000, 0x10000, 0x80000, 0x100000, 0x200000)


@dataclass(frozen=True, slots=True)
class Places:
    """What a mutator knows of the destination's address space; sizes in bytes."""

    below_4g: int = 64 << 20
    above_4g: int = 0
    ram_block: str = "pc.ram"
    known: tuple[int, ...] = ()
    """Addresses of regions in the description that are neither 0 nor beyond 64 bits."""

    def address(self, dice: Dice, bars: tuple[int, ...] = ()) -> int:
        """An address, page-aligned most of the time; half of them in or at the edge of the switched area."""
        way = dice.below(12)
        if way < 6:
            base = dice.pick(PAM) - (dice.pick((0, 0, 0, 0x10, 0x800, 0x1000)))
        elif way == 6:
            base = dice.pick(_SMRAM)
        elif way == 7:
            base = self.below_4g - dice.pick((0, 0x10, 0x1000, 0x2000, 0x4000))
        elif way == 8:
            base = dice.pick(_PLAIN)
        elif way == 9 and bars:
            base = dice.pick(bars)
        elif way == 10 and self.known:
            base = dice.pick(self.known)
        else:
            base = dice.pick((*_CHIPSET, 1 << 32, (1 << 32) + self.above_4g, 1 << 40, (1 << 64) - 0x1000))
        base += 0x1000 * dice.low(16) if dice.chance(2) else 0
        base += dice.below(0x1000) & ~0xF if dice.chance(8) else 0
        return base & (1 << 64) - 1

    def block_offset(self, address: int) -> int | None:
        """The offset in the main RAM block that backs this address where RAM is visible; None outside RAM."""
        if 0 <= address < self.below_4g:
            return address
        high = address - (1 << 32)
        return self.below_4g + high if 0 <= high < self.above_4g else None
