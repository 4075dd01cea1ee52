"""Where a BAR is worth putting, by its size and by what else lies in the same space.

What goes wrong with a BAR goes wrong at edges: of the space itself, whose last byte ends some computations and wraps
others; of RAM; of another BAR, behind it, in front of it, or where it is. A guest can only set the bits above the size,
so all places are multiples of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fuzz.mutate.layout import Span
    from fuzz.mutate.places import Places

_MEMORY: Final = (0xE8000, 0xFEC00000, 0xA0000, 0x80000000, 0xFEE00000, 0xFFF00000, 0x100000)
_PORTS: Final = (0xC000, 0xCF8, 0x600, 0x20000, 0xFFFFFFFF)
_ALL_PORTS: Final = 1 << 16
_BELOW_4G: Final = 1 << 32
_U64: Final = (1 << 64) - 1
UPPER: Final = (1, 0xFFFFFFFF, 0x80)
"""Upper halves of a BAR of 64 bits."""


def memory_places(size: int, places: Places, own: Iterable[Span], others: Iterable[Span]) -> tuple[int, ...]:
    """Addresses for a memory BAR below 4 GiB; `own` are the function's other BARs, `others` those of all others."""
    ends = (_BELOW_4G - size, places.below_4g - size, places.below_4g)
    found = (ends[0], *_onto(own), _MEMORY[0], 0, *ends[1:], *_beside(size, own), *_onto(others), *_MEMORY[1:])
    return _whole(size, _BELOW_4G, (*found, *_beside(size, others), *(at for at in places.known if at >= _ALL_PORTS)))


def port_places(size: int, places: Places, own: Iterable[Span], others: Iterable[Span]) -> tuple[int, ...]:
    """The same for a BAR of ports. Beyond 64 Ki there are none, but registers have the bits."""
    found = (_ALL_PORTS - size, *_onto(own), _ALL_PORTS, 0, *_onto(others), *_PORTS, *_beside(size, own))
    return _whole(size, _BELOW_4G, (*found, *_beside(size, others), *(at for at in places.known if at < _ALL_PORTS)))


def _onto(spans: Iterable[Span]) -> Iterator[int]:
    yield from (base for base, _ in spans)


def _beside(size: int, spans: Iterable[Span]) -> Iterator[int]:
    """Right behind, right in front, over the second half."""
    for base, length in spans:
        yield from (base + length, base - size, base + length // 2)


def _whole(size: int, limit: int, found: Iterable[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(at & -size & _U64 for at in found if 0 <= at < limit))
