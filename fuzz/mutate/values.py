"""Values worth trying in a field, by its size and by what it holds now.

From the patterns of past loader bugs: signed against unsigned, off by one at a capacity, modular indices after a
wrap, a marker value used as a number, the high half of a narrow field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice

_BITS: Final = {1: 8, 2: 16, 4: 32, 8: 64}
_COMMON: Final = (0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 63, 64, 65, 127, 128, 255)
_WIDE: Final = (256, 257, 1023, 1024, 1025, 0x1000, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)


def _special(size: int) -> tuple[int, ...]:
    bits = _BITS[size]
    top = 1 << bits
    edges = (top - 1, top - 2, top // 2, top // 2 - 1, top // 2 + 1)
    wide = _WIDE if size > 1 else ()
    large = (0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)[: 4 if size > 4 else 2] if size > 2 else ()
    return tuple(sorted({value % top for value in (*_COMMON, *wide, *large, *edges)}))


_SPECIAL: Final = {size: _special(size) for size in _BITS}


def integer(dice: Dice, old: int, size: int) -> int:
    """Another value for an unsigned integer of 1, 2, 4 or 8 bytes: a neighbour, a flipped bit, an edge, or anything."""
    bits = _BITS[size]
    mask = (1 << bits) - 1
    way = dice.below(8)
    if way < 2:
        value = old + (1 + dice.low(16)) * (1 if dice.chance(2) else -1)
    elif way < 4:
        value = old ^ 1 << dice.below(bits)
    elif way == 4:
        value = -old if dice.chance(2) else old << 1 if dice.chance(2) else old >> 1
    elif way == 7:
        value = dice.word(bits)
    else:
        value = dice.pick(_SPECIAL[size])
    value &= mask
    return value if value != old else old ^ 1


def buffer(dice: Dice, old: bytes) -> bytes:
    """Other bytes of the same length: one altered, a run filled, two swapped."""
    if not old:
        return old
    data = bytearray(old)
    at = dice.below(len(data))
    way = dice.below(4)
    if way < 2:
        data[at] = integer(dice, data[at], 1)
    elif way == 2:
        run = min(len(data) - at, 1 + dice.low(64))
        data[at : at + run] = bytes([dice.pick((0, 0xFF, 1, 0x80))]) * run
    else:
        other = dice.below(len(data))
        data[at], data[other] = data[other], data[at]
    return bytes(data) if data != old else bytes([old[0] ^ 1]) + old[1:]
