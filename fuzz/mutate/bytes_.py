"""The fallback: mutations that know nothing of the format, for inputs that do not parse and a few of those that do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.mutate import values

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.mutate.dice import Dice


def truncate(dice: Dice, data: bytes) -> bytes:
    """Cut the end off, anywhere; near the end half of the time."""
    if not data:
        return data
    if dice.chance(2):
        return data[: -1 - dice.low(min(len(data), 256))]
    return data[: dice.below(len(data))]


def havoc(dice: Dice, data: bytes, max_size: int, engine: Callable[[bytes, int], bytes] | None) -> bytes:
    """A few byte-level edits; libFuzzer's own mutations where the engine offers them."""
    if engine is not None and dice.chance(2):
        return engine(data, max_size)
    out = bytearray(data)
    for _ in range(dice.few(4)):
        _edit(dice, out)
    return bytes(out[:max_size])


def _edit(dice: Dice, out: bytearray) -> None:
    at = dice.below(len(out) + 1)
    way = dice.below(5)
    if way == 0:
        out[at:at] = bytes([dice.word(8)]) * (1 + dice.low(32))
    elif way == 1:
        del out[at : at + 1 + dice.low(64)]
    elif way == 2:
        size = dice.pick((1, 2, 4, 8))
        if at + size <= len(out):
            old = int.from_bytes(out[at : at + size], "big")
            out[at : at + size] = values.integer(dice, old, size).to_bytes(size, "big")
    elif way == 3 and at < len(out):
        out[at] ^= 1 << dice.below(8)
    else:
        run = bytes(out[at : at + 1 + dice.low(64)])
        put = dice.below(len(out) + 1)
        out[put : put + (len(run) if dice.chance(2) else 0)] = run
