"""Bytes of config space that a reset of the running machine leaves as they were.

A PCI function's reset clears what every function has: command, status, BARs, message interrupts, capabilities. What
lies beyond is the device's own, and several devices do not clear theirs. Learned from QEMU 7.2, by saving after a load
and a `system_reset`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT: Final[Mapping[str, tuple[range, ...]]] = {
    "I440FX": (range(0x59, 0x60), range(0x72, 0x73)),
    "mch": (range(0x90, 0x97),),
    "ICH9LPC": (range(0xA0, 0xA2),),
    "ich9_ahci": (range(0x92, 0x93),),
    "ich9_smb": (range(0x40, 0x41),),
    "ide": (range(0x40, 0x44),),
    "piix4_pm": (range(0x41, 0x42), range(0x90, 0x94), range(0xD2, 0xD3)),
    "uhci": (range(0xC0, 0xC2),),
}
"""By kind of section. Of the PAM registers it shows: shadow RAM outlives a reset."""
