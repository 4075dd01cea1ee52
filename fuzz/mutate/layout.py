"""Addresses that mean something in the layout that a stream makes: where BARs, windows, rings and ROMs begin and end.

What goes wrong with addresses goes wrong at edges: one byte more, one page less, the neighbour. So an address is drawn
as a span of the stream or of the machine, and an edge of it. What a section says of the layout is kept with the
section, since most sections of a mutant are its parent's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.mutate.index import index_of, read_leaf
from fuzz.mutate.places import PAM
from fuzz.mutate.registers import BARS, HEADER, config_of, get
from fuzz.mutate.rings import AVAIL, DESC, NUM, USED
from fuzz.mutate.sections import devices_at
from vmformat import Section

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice
    from fuzz.mutate.scene import Scene
    from vmformat import Stream

Span = tuple[int, int]
"""First address and size, bytes."""

_KEPT: Final = "_mutator_spans"
_RINGS: Final = (
    # pattern of the ring's address; bytes for each of its entries
    (DESC, 16),
    (AVAIL, 2),
    (USED, 8),
)
_FIRST: Final = 4
"""Queues of a device whose rings are looked at."""
_ROM: Final = 0x30
_U64: Final = (1 << 64) - 1
_STEPS: Final = (0, 0, 0, -0x1000, 0x1000, -1, 1, -16, 16, -4)
"""How far from an edge."""


def spans(stream: Stream, scene: Scene) -> tuple[Span, ...]:
    """The spans that a stream's devices say they take of the address space."""
    bars, rings = _spans(stream, scene)
    return bars + rings


def bar_spans(stream: Stream, scene: Scene) -> tuple[Span, ...]:
    """Those of BARs, ROMs and windows."""
    return _spans(stream, scene)[0]


def ring_spans(stream: Stream, scene: Scene) -> tuple[Span, ...]:
    """Those of rings: of the first queues of each device."""
    return _spans(stream, scene)[1]


def _spans(stream: Stream, scene: Scene) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    kept: tuple[tuple[Span, ...], tuple[Span, ...]] | None = stream.__dict__.get(_KEPT)
    if kept is None:
        bars: dict[Span, None] = {}
        rings: dict[Span, None] = {}
        for at in devices_at(stream):
            section = stream.records[at]
            assert isinstance(section, Section)
            of_config, of_rings = _of_section(section, scene)
            bars.update(dict.fromkeys(of_config))
            rings.update(dict.fromkeys(of_rings))
        kept = stream.__dict__[_KEPT] = tuple(bars), tuple(rings)
    return kept


def _of_section(section: Section, scene: Scene) -> tuple[list[Span], list[Span]]:
    kept: tuple[list[Span], list[Span]] | None = section.__dict__.get(_KEPT)
    if kept is None:
        kept = section.__dict__[_KEPT] = _of_config(section, scene), _of_rings(section)
    return kept


def _of_config(section: Section, scene: Scene) -> list[Span]:
    config = config_of(section)
    if config is None:
        return []
    found = []
    sizes = scene.bars.get(section.name.rpartition("/")[0], {})
    is_bridge = get(section, config, HEADER, 1) & 0x7F == 1
    for slot in range(2 if is_bridge else 6):
        value = get(section, config, BARS + 4 * slot, 4)
        if value & 1 == 0 and value > 0xFFF:
            if value & 6 == 4 and slot < 5:
                value |= get(section, config, BARS + 4 * slot + 4, 4) << 32
            found.append((value & ~0xF, sizes.get(slot, 0x1000)))
    if is_bridge:
        for first in (0x20, 0x24):
            base, limit = get(section, config, first, 2), get(section, config, first + 2, 2)
            low, high = (base & 0xFFF0) << 16, (limit & 0xFFF0) << 16 | 0xFFFFF
            if low < high:
                found.append((low, high + 1 - low))
    elif rom := get(section, config, _ROM, 4) & ~0x7FF:
        found.append((rom, sizes.get(6, 0x10000)))
    return found


def _of_rings(section: Section) -> list[Span]:
    index = index_of(section)
    if index is None or not index.shape.find(DESC):
        return []
    found = []
    for queue in range(_FIRST):
        num = index.nth(NUM, queue)
        size = read_leaf(section, num) & 0xFFFF if num is not None else 0
        for pattern, each in _RINGS:
            leaf = index.nth(pattern, queue)
            address = read_leaf(section, leaf) if leaf is not None else 0
            if address:
                found.append((address, each * size + 6 * (each != 16)))
    return found


def address(stream: Stream, dice: Dice, scene: Scene) -> int:
    """An address: an edge of what the stream's devices take, or of the machine's memory; one off now and then."""
    if dice.chance(2):
        return scene.places.address(dice, tuple(base for base, _ in spans(stream, scene)))
    found = spans(stream, scene)
    if not found or dice.chance(4):
        places = scene.places
        base, size = dice.pick(
            (
                (dice.pick(PAM), 0x4000),
                (0xA0000, 0x20000),
                (0, places.below_4g),
                (1 << 32, places.above_4g),
                (places.known[dice.below(len(places.known))] if places.known else 0x1000, 0x1000),
            )
        )
    else:
        base, size = dice.pick(found)
    return (base + size * dice.below(2) + dice.pick(_STEPS)) & _U64
