"""The patterns behind loaders that went wrong, each as an arm: those that are about values.

A loader's mistake is rarely a wrong number as such. It is a number that another field, another section or a capacity
was trusted to agree with. So these arms change fields by what they mean (`meaning`), to values that such a mistake
would let through. Their names begin with the number of the pattern in the list of thirteen that past bugs were sorted
into; those about structure are in `structures`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.mutate.index import INTEGERS, forget, index_of, moves_others, read_leaf, write_leaf
from fuzz.mutate.limits import limits_of, masks_of
from fuzz.mutate.meaning import Meaning, capacities, leaf_meaning, means
from fuzz.mutate.sections import devices_at, drawn, replace_record
from fuzz.mutate.values import candidates

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.mutate.dice import Dice
    from fuzz.mutate.index import Index
    from fuzz.mutate.scene import Arm, Scene
    from vmformat import Leaf, Section, Stream

_TRIES: Final = 6
_UNITS: Final = (2, 4, 6, 8, 12, 16, 512, 4096)
"""Bytes of an entry, in one device or another."""
_MARKERS: Final = (0xFFFF, 0xFF, 0x7F, 0xFFFFFFFF, 0xFE, 0xFFFE, 0)
_WIDTHS: Final = (8, 16, 32)


def _fields(stream: Stream, dice: Dice, wanted: tuple[Meaning, ...]) -> tuple[int, Section, Index, list[str]] | None:
    """A device section that has fields of these meanings, and their patterns."""
    places = devices_at(stream)
    for _ in range(_TRIES):
        found = drawn(stream, dice, places)
        if found is None:
            return None
        at, section = found
        index = index_of(section)
        if index is None:
            continue
        by_meaning = means(index)
        patterns = [pattern for meaning in wanted for pattern in by_meaning.get(meaning, ())]
        if patterns:
            return at, section, index, patterns
    return None


def _set(section: Section, leaf: Leaf, value: int) -> Section:
    made = write_leaf(section, leaf, value)
    return forget(made) if moves_others(leaf.path) else made


def _alter(
    stream: Stream, dice: Dice, wanted: tuple[Meaning, ...], value: Callable[[str, Index, int, int, Dice], int]
) -> Stream | None:
    """One field of these meanings, or a few of one section, given another value: of its pattern, index, value, size."""
    found = _fields(stream, dice, wanted)
    if found is None:
        return None
    at, section, index, patterns = found
    for _ in range(dice.few(2)):
        pattern = dice.pick(patterns)
        leaf = index.pick(pattern, dice)
        if leaf.size in INTEGERS and leaf.offset + leaf.size <= len(section.buffer):
            section = _set(section, leaf, value(pattern, index, read_leaf(section, leaf), leaf.size, dice))
    return replace_record(stream, at, section)


def units(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Pattern 2, entries against bytes: a count or a length times or divided by the bytes of an entry."""

    def value(_pattern: str, _index: Index, old: int, _size: int, dice: Dice) -> int:
        unit = dice.pick(_UNITS)
        return max(old, 1) * unit if dice.chance(2) else old // unit

    return _alter(stream, dice, ("count", "index"), value)


def capacity(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Pattern 3, off by one at capacity: a count or an index at, one below and one above what there is room for."""

    def value(pattern: str, index: Index, old: int, _size: int, dice: Dice) -> int:
        room = (*limits_of(pattern), *capacities(index).get(pattern, ())) or (old, 16, 32, 64, 128, 256, 1024)
        return dice.pick(room) + dice.pick((1, 0, -1))

    return _alter(stream, dice, ("count", "index"), value)


def modular(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Pattern 4, indices after a wrap: the indices of one section, one just behind the wrap and others before it."""

    def value(pattern: str, index: Index, old: int, size: int, dice: Dice) -> int:
        rings = (*capacities(index).get(pattern, ()), 1 << 8 * size, 1 << 16)
        ring = dice.pick(rings)
        return dice.pick((ring - 1 - dice.low(4), dice.low(4), old + ring, old - ring, ring // 2))

    return _alter(stream, dice, ("index",), value)


def mode(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Pattern 5, valid in one mode only: a flag or mode turned and a number of the same section put out of range."""
    found = _fields(stream, dice, ("flags", "switch"))
    if found is None:
        return None
    at, section, index, patterns = found
    leaf = index.pick(dice.pick(patterns), dice)
    if leaf.size in INTEGERS:
        section = _set(section, leaf, read_leaf(section, leaf) ^ 1 << dice.low(8 * leaf.size))
    numbers = [pattern for meaning in _NUMBERS for pattern in means(index).get(meaning, ())]
    if numbers:
        leaf = index.pick(dice.pick(numbers), dice)
        if leaf.size in INTEGERS and leaf.offset + leaf.size <= len(section.buffer):
            section = _set(section, leaf, dice.pick(_MARKERS) if dice.chance(2) else read_leaf(section, leaf) + 1)
    return replace_record(stream, at, section)


_NUMBERS: Final[tuple[Meaning, ...]] = ("count", "index", "vector", "number")


def marker(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Pattern 5, a marker used as a number, or bits above what a narrower copy of the field keeps."""

    def value(_pattern: str, _index: Index, old: int, size: int, dice: Dice) -> int:
        if dice.chance(2):
            return dice.pick(_MARKERS)
        narrow = dice.pick(_WIDTHS)
        return old | 1 << narrow if narrow < 8 * size else old | 1 << 8 * size - 1

    return _alter(stream, dice, ("vector", "count", "index", "number"), value)


def unwritten(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Pattern 6, checked where a guest writes and not after a load: values that no register write leaves behind."""

    def value(_pattern: str, _index: Index, old: int, size: int, dice: Dice) -> int:
        bits = 8 * size
        return dice.pick((old | 1 << bits - 1, old + 1, old ^ 3, old | (1 << bits) - 1, old * 3 + 1, ~old))

    return _alter(stream, dice, ("flags", "index", "address", "vector", "switch"), value)


def writable(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Pattern 7, a guest can cause it and a load refuses: what a driver may leave, at its extremes."""

    def value(_pattern: str, _index: Index, _old: int, size: int, dice: Dice) -> int:
        return dice.pick((0, (1 << 8 * size) - 1, 0xFF, 0xFFFF, 1, 0x8000))

    return _alter(stream, dice, ("index", "number", "switch", "flags"), value)


def signed(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Pattern 13, signed in one comparison and not in the next: counts and indices with their highest bit set."""

    def value(_pattern: str, _index: Index, old: int, size: int, dice: Dice) -> int:
        top = 1 << 8 * size
        return dice.pick((top - 1, top // 2, top // 2 | old, top // 2 - 1, top - 1 - dice.low(64), -old % top))

    return _alter(stream, dice, ("count", "index"), value)


def same_meaning(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """A value taken from a field of the same meaning anywhere in the stream: an address, a count, a vector."""
    found = _fields(stream, dice, (dice.pick(_TRADED),))
    if found is None:
        return None
    at, section, index, patterns = found
    pattern = dice.pick(patterns)
    to = index.pick(pattern, dice)
    meaning = next(meaning for meaning, those in means(index).items() if pattern in those)
    for _ in range(_TRIES):
        theirs = _fields(stream, dice, (meaning,))
        if theirs is None:
            return None
        leaf = theirs[2].pick(dice.pick(theirs[3]), dice)
        value = read_leaf(theirs[1], leaf)
        if to.size in INTEGERS and value != read_leaf(section, to):
            return replace_record(stream, at, _set(section, to, value + dice.pick((0, 0, 1, -1))))
    return None


def together(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Two or three fields of one section that stand near each other, each at a value that is worth trying.

    A place and a length, a number and a size, a mode and what is valid in it: what a loader holds against each other
    is mostly declared together.
    """
    found = _fields(stream, dice, _RELATED)
    if found is None:
        return None
    at, section, index, patterns = found
    first = dice.pick(patterns)
    near = _neighbours(index, patterns, first)
    number = None
    for pattern in (first, *(dice.pick(near) for _ in range(dice.few(2)) if near)):
        count = index.count(pattern)
        number = dice.low(count) if number is None else min(number, count - 1)
        leaf = index.value(pattern, number)
        if leaf is not None and leaf.size in INTEGERS and leaf.offset + leaf.size <= len(section.buffer):
            values_ = candidates(
                leaf_meaning(leaf, pattern),
                read_leaf(section, leaf),
                leaf.size,
                signed=leaf.type.startswith("int"),
                limits=(*limits_of(pattern), *capacities(index).get(pattern, ())),
                masks=masks_of(pattern),
            )
            section = _set(section, leaf, values_[dice.low(len(values_))])
    return replace_record(stream, at, section)


_RELATED: Final[tuple[Meaning, ...]] = ("count", "index", "address", "flags", "number", "switch")
_NEAR: Final = 4


def _neighbours(index: Index, patterns: list[str], first: str) -> list[str]:
    """Patterns near one, in wire order."""
    place = index.patterns.index(first)
    near = index.patterns[max(0, place - _NEAR) : place + _NEAR + 1]
    return [pattern for pattern in near if pattern != first and pattern in patterns]


_TRADED: Final[tuple[Meaning, ...]] = ("address", "count", "index", "vector", "flags")

ARMS: dict[str, tuple[Arm, int]] = {
    "2-units": (units, 1),
    "3-capacity": (capacity, 2),
    "4-modular": (modular, 2),
    "5-mode": (mode, 2),
    "5-marker": (marker, 1),
    "6-unwritten": (unwritten, 2),
    "7-writable": (writable, 1),
    "13-signed": (signed, 2),
    "same-meaning": (same_meaning, 2),
    "together": (together, 4),
}
"""Arms of this file with their weights."""
