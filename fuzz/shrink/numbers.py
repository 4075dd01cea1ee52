"""Numbers and bytes made simpler, against a predicate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.shrink.ddmin import ddmin

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BYTES: Final = 64
"""Bytes of a buffer that are lowered one by one; where more are left they stay as they are."""


def lower(value: int, holds: Callable[[int], bool]) -> int:
    """The number that clearing bits of `value` (not negative) leads to, as long as it `holds`.

    Zero and one are tried first, then bits from the highest down, so that what is left is the least on that way.
    """
    for small in (0, 1):
        if value > small and holds(small):
            return small
    for bit in reversed(range(value.bit_length())):
        fewer = value & ~(1 << bit)
        if fewer != value and holds(fewer):
            value = fewer
    return value


def toward(old: bytes, target: bytes, holds: Callable[[bytes], bool]) -> bytes:
    """The bytes with as many of `target` (of the same length) as can be, of the others as many zeros as can be.

    Which ones can be neither is 1-minimal; each of these, if they are few, is then lowered as a number.
    """
    best = _mixed(old, target, [i for i in range(len(old)) if old[i] != target[i]], holds)
    best = _mixed(best, bytes(len(old)), [i for i in range(len(old)) if best[i] and best[i] != target[i]], holds)
    left = [i for i in range(len(old)) if best[i] and best[i] != target[i]]
    for i in left if len(left) <= MOST_BYTES else ():
        best = _lowered(best, i, holds)
    return best


def _mixed(old: bytes, target: bytes, differing: list[int], holds: Callable[[bytes], bool]) -> bytes:
    """As many of the differing bytes from `target` as can be."""

    def mixed(kept: tuple[int, ...]) -> bytes:
        new = bytearray(old)
        for i in differing:
            new[i] = target[i]
        for i in kept:
            new[i] = old[i]
        return bytes(new)

    return mixed(ddmin(differing, lambda kept: holds(mixed(kept))))


def _lowered(data: bytes, at: int, holds: Callable[[bytes], bool]) -> bytes:
    def put(byte: int) -> bytes:
        return data[:at] + bytes([byte]) + data[at + 1 :]

    return put(lower(data[at], lambda byte: holds(put(byte))))
