"""Trials of what rings say: the indices in guest memory and the one in the section, as far apart as they can be.

How many requests a driver has put into a ring and how many of those are under way are differences of three numbers, one
in the section and two in memory, and what is wrong about them is wrong at their bounds: none, one, as many as the ring
has entries, one more; and where one of the three has wrapped and the others have not. So all three are set, in a ring
of their own for each virtio device.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz.mutate import ram
from fuzz.mutate.index import index_of, read_leaf, write_leaf
from fuzz.mutate.rings import AVAIL, DESC, LAST, NUM, USED
from fuzz.mutate.sections import kind_of, replace_record
from fuzz.mutate.virtio import virtio_at
from vmformat import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fuzz.mutate.scene import Scene
    from vmformat import Stream

_PAGE: Final = 0x1000
_ROOM: Final = 0x10000
"""Bytes from one device's ring to the next one's."""
_MOST: Final = 6
"""Devices that get a ring."""
_USUAL: Final = 256
_WRAPPED: Final = 3
"""Where an index stands that has just wrapped."""

_BOUNDS: Final = (
    # heads, requests under way: as parts of the ring's size, and what is added to it; where the device's index stands
    ((1, 0), (0, 0), 0x1000),
    ((0, 0), (1, 0), 0x1000),
    ((0, 1), (0, 1), _WRAPPED - 1),
    ((0, 0), (1, 1), 0x1000),
    ((1, 1), (0, 0), 0x1000),
    ((0, 2), (0, 5), _WRAPPED),
    ((1, 0), (1, 0), 0x1000),
    ((1, -1), (1, -1), 0x1000),
    ((0, 0), (0, 0), 0),
    ((0, 5), (0, 0), 0xFFFE),
    ((0, 1), (0, 0x8000), 0x1000),
    ((0, 0x8000), (0, 0), 0x1000),
    ((0, 0), (0, 0xFFFF), 0x1000),
    ((0, 0xFFFF), (0, 0), 0x1000),
    ((1, 0), (0, 0), 0xFFF0),
    ((0, 0), (1, 0), 0x10),
)


def trials_of_planted(stream: Stream, scene: Scene) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    """(name, what is done); nothing for a stream without virtio devices."""
    found: dict[str, int] = {}
    for at in virtio_at(stream):
        section = stream.records[at]
        assert isinstance(section, Section)
        found.setdefault(kind_of(section), at)
    places = tuple(found.values())[:_MOST]
    for number, (heads, under_way, last) in enumerate(_BOUNDS if places else ()):
        yield f"planted:{number}", partial(_planted, places, scene, heads, under_way, last)


def _planted(
    places: tuple[int, ...], scene: Scene, heads: tuple[int, int], under_way: tuple[int, int], last: int, stream: Stream
) -> Stream | None:
    base, contents = scene.places.below_4g // 2, dict[int, bytes]()
    for number, at in enumerate(places):
        section = stream.records[at]
        assert isinstance(section, Section)
        index = index_of(section)
        desc, num, seen = (index.nth(pattern, 0) if index is not None else None for pattern in (DESC, NUM, LAST))
        if index is None or desc is None or num is None or seen is None:
            continue
        size = read_leaf(section, num)
        size = size if 0 < size <= 1024 else _USUAL
        ring = base + number * _ROOM
        avail = ring + 16 * size
        used = -(-(avail + 6 + 2 * size) // _PAGE) * _PAGE
        for leaf, value in ((num, size), (desc, ring), (seen, last)):
            section = write_leaf(section, leaf, value)
        for pattern, address in ((AVAIL, avail), (USED, used)):
            leaf_ = index.nth(pattern, 0)
            section = section if leaf_ is None else write_leaf(section, leaf_, address)
        stream = replace_record(stream, at, section)
        for address, value in (
            (avail, last + heads[0] * size + heads[1]),
            (used, last - under_way[0] * size - under_way[1]),
        ):
            contents[address + 2] = (value & 0xFFFF).to_bytes(2, "little")
    return ram.plant(stream, scene, contents) if contents else None
