"""Values worth trying in a field, by its size and by what it holds now.

From the patterns of past loader bugs: signed against unsigned, off by one at a capacity, modular indices after a
wrap, a marker value used as a number, the high half of a narrow field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat.interesting import SPECIAL

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice
    from fuzz.mutate.meaning import Meaning

_BITS: Final = {1: 8, 2: 16, 4: 32, 8: 64}


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
        value = dice.pick(SPECIAL[size])
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


_ALWAYS: Final = (
    16, 17, 32, 64, 65, 256, 257, 1024, 1025, 4097, 8, 9, 33, 128, 129, 512, 513, 2048, 2049, 4096, 0xFFFF
)  # fmt: skip
"""Capacities that are usual, and one more: one of them may be this field's."""


_EACH: Final = (16, 8, 6, 4096, 4, 12)
"""Bytes of an element, usually: times such a size some counts are small again."""


def candidates(
    meaning: Meaning,
    old: int,
    size: int,
    *,
    signed: bool = False,
    limits: tuple[int, ...] = (),
    masks: tuple[int, ...] = (),
) -> tuple[int, ...]:
    """Values for an unsigned integer of `size` bytes that are worth one execution each, the most promising first.

    `limits`: what it may be compared with: it is tried at, one above, one below. Never `old` itself.
    """
    bits = _BITS[size]
    top = 1 << bits
    sign = top >> 1
    near = [limit + step for limit in limits for step in (1, 0, -1)]
    match meaning:
        case "count":
            found = [
                *near[:1],
                sign | sign >> 7,  # negative, and times the size of an element it is large and positive
                *near[1:2],
                0,
                old + 1,
                sign - 1,
                top - 1,
                *near[3:4],
                sign,
                old - 1,
                1,
                *near,
                *_ALWAYS,
                *(top // each + 1 for each in _EACH),
                sign + old,
                0x10000,
            ]
        case "index":
            found = [
                *near[1:2],
                top - 1,
                *near[:3],
                sign,
                old + 1,
                *near[3:],
                old - 1,
                0,
                1,
                *_ALWAYS,
                sign - 1,
                0x8000,
            ]
        case "address":
            found = [0, old + 0x1000, old + 1, top - 0x1000, old - 0x1000, top - 1, 0xE8000, sign, 0xFEC00000, 1 << 32]
        case "vector":
            found = [*near[1:2], top - 1, *near[2:3], old + 1, *near[:1], 0, 1, 2, 0x7FFF, 24, 255, 256, sign]
            found += [1 << bit for bit in range(min(bits, 16))]
        case "flags" | "switch" | "register":
            found = [*(old ^ mask for mask in masks), old ^ 1, old ^ top - 1, old ^ sign, 2, *near, 0, old ^ 4, top - 1]
            found += [old ^ 1 << bit for bit in range(1, bits)]
        case "version":
            found = [old + 1, old - 1, 0, top - 1]
        case "end":
            found = [1, 2, 0xFF]
        case "time":
            found = [top - 1, 0, sign, 1]
        case _:
            found = [
                *near,
                top - 1,
                0,
                old + 1,
                sign,
                1,
                *(old ^ mask for mask in masks),
                old - 1,
                sign - 1,
                2,
                *_ALWAYS,
            ]
    if signed:
        found.insert(min(3, len(found)), top - 1)
    return tuple(value for value in dict.fromkeys(value % top for value in found) if value != old)
