"""What records of sections say that are sent while the guest runs on (facts: stream.md 5)."""

from __future__ import annotations

from typing import Final

from vmformat.render.meaning.bits import bits

_DIRTY_BITMAP: Final = {
    0: "EOS",
    1: "ZEROES",
    2: "BITMAP_NAME",
    3: "DEVICE_NAME",
    4: "START",
    5: "COMPLETE",
    6: "BITS",
}
_START: Final = {0: "enabled", 1: "persistent"}

_BLOCK: Final = {0: "DEVICE_BLOCK", 1: "EOS", 2: "PROGRESS", 3: "ZERO_BLOCK"}
_SECTOR_BITS: Final = 9
_PROGRESS: Final = 4


def field(device: str, name: str, value: int) -> str:
    """What a number in a record of such a section says, "" if there is nothing to add."""
    if device == "dirty-bitmap" and name == "flags":
        return bits(value, _DIRTY_BITMAP)
    if device == "dirty-bitmap" and name == "start_flags":
        return bits(value, _START)
    if device == "block" and name == "sector_flags":
        flags = value & (1 << _SECTOR_BITS) - 1
        said = bits(flags, _BLOCK)
        if flags & _PROGRESS:
            return f"{said}, {value >> _SECTOR_BITS} %"
        return f"{said}, sector {value >> _SECTOR_BITS:#x}" if flags & 1 else said
    return ""
