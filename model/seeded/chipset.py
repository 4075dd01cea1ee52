"""Faults in the chipset's own registers that move memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.seeded.bug import SeededBug

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.devices.chipset import Pam

WRITABLE_ONLY: Final = 2


class WriteOnlySegmentIsPci(SeededBug):
    """A shadow range that takes writes and no reads shows PCI, where the program shows RAM."""

    source = "pci.md 5.2, attribute 2"
    budget = 3_000

    def update_pam(self, sound: Callable[..., Any], pam: Pam, registers: bytes) -> None:
        """Without the bit for reads there is no RAM."""
        sound(pam, bytes(_half(one >> 4) << 4 | _half(one & 0xF) for one in registers))


def _half(attributes: int) -> int:
    return 0 if attributes & 3 == WRITABLE_ONLY else attributes


BUGS: Final = (WriteOnlySegmentIsPci,)
