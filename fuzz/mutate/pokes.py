"""Changes that write bytes over a payload in place, so that several on one section are made in one go (`sweep`).

A change made by itself costs two copies of the section, whose payload may have 55 KB.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from fuzz.mutate.index import altered, index_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fuzz.mutate.index import Index
    from vmformat import Leaf, Section

Edit: TypeAlias = tuple[int, bytes]
"""An offset in a payload, and what is written there."""


@dataclass(frozen=True, slots=True)
class Poke:
    """A change of a section that is one edit. `where`: which, None where there is nothing to do."""

    where: Callable[[Section], Edit | None]

    def edit(self, section: Section) -> Edit | None:
        """What it writes; None where there is nothing to do, or no room for it."""
        edit = self.where(section)
        return None if edit is None or edit[0] + len(edit[1]) > len(section.buffer) else edit

    def __call__(self, section: Section) -> Section | None:
        """The section changed; None as of `edit`."""
        edit = self.edit(section)
        return None if edit is None else altered(section, *edit)


def is_apart(one: Edit, others: Iterable[Edit]) -> bool:
    """Whether an edit writes to no byte that others write to."""
    start, end = one[0], one[0] + len(one[1])
    return all(end <= offset or offset + len(data) <= start for offset, data in others)


def setting(pattern: str, number: int, value: int) -> Poke:
    """Write an integer, modulo its size: value `number` of those with a pattern (`index`)."""
    return Poke(partial(_set, pattern, number, value))


def filling(pattern: str, number: int, byte: int) -> Poke:
    """Write the same byte all over a value."""
    return Poke(partial(_fill, pattern, number, byte))


def flipping(offset: int, masks: bytes) -> Poke:
    """Turn bits over, from an offset on, as far as the payload goes."""
    return Poke(partial(_flip, offset, masks))


def all_bits(offset: int, masks: bytes, *, ones: bool) -> Poke:
    """Set bits, or clear them, from an offset on, as far as the payload goes."""
    return Poke(partial(_all_bits, offset, masks, ones))


def leaf_of(index: Index, pattern: str, number: int) -> Leaf | None:
    """As `Index.value`, kept with the index: a seed's section is asked for the same place once for each value."""
    known: dict[tuple[str, int], Leaf | None] = index.facts.setdefault("poked", {})
    where = pattern, number
    if where not in known:
        known[where] = index.value(pattern, number)
    return known[where]


def _leaf(pattern: str, number: int, section: Section) -> Leaf | None:
    index = index_of(section)
    return None if index is None else leaf_of(index, pattern, number)


def _set(pattern: str, number: int, value: int, section: Section) -> Edit | None:
    leaf = _leaf(pattern, number, section)
    if leaf is None:
        return None
    size, offset = leaf.size, leaf.offset
    raw = (value & (1 << 8 * size) - 1).to_bytes(size, "little" if leaf.byteorder == "little" else "big")
    return None if section.buffer[offset : offset + size] == raw else (offset, raw)


def _fill(pattern: str, number: int, byte: int, section: Section) -> Edit | None:
    leaf = _leaf(pattern, number, section)
    return None if leaf is None else (leaf.offset, bytes([byte]) * leaf.size)


def _flip(offset: int, masks: bytes, section: Section) -> Edit | None:
    old = section.payload[offset : offset + len(masks)]
    return (offset, bytes(one ^ mask for one, mask in zip(old, masks, strict=False))) if old else None


def _all_bits(offset: int, masks: bytes, ones: bool, section: Section) -> Edit | None:
    old = section.payload[offset : offset + len(masks)]
    new = bytes(byte | mask if ones else byte & ~mask & 0xFF for byte, mask in zip(old, masks, strict=False))
    return None if new == old else (offset, new)
