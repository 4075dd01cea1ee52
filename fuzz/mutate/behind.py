"""Trials of a BAR behind bridges, moved together with the windows that lead to it.

Where no window is open nobody sees where the BAR has gone, and a window opened where nothing lies shows nothing: what
goes wrong far up in memory, or across its edges, takes both.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz.mutate import bars
from fuzz.mutate.registers import BARS, BRIDGE, COMMAND, config_of, functions, get, header_type, put
from fuzz.mutate.sections import kind_of, replace_record
from fuzz.mutate.windows import MEMORY, PREFETCH
from vmformat import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fuzz.mutate.scene import Scene
    from fuzz.mutate.windows import Window
    from vmformat import Stream

_WIDE: Final = 4
_LAST_BAR: Final = 5
_BELOW_4G: Final = 1 << 32
_PLACES: Final = 6
"""Places below 4 GiB that a BAR is moved to."""


def trials_of_behind(stream: Stream, scene: Scene) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    """Name and change, for the first function of each kind that lies behind a bridge; nothing without bridges."""
    found = functions(stream)
    bridges = {
        section.name.rpartition("/")[0]: at for at, section, config in found if header_type(section, config) == BRIDGE
    }
    kinds: set[str] = set()
    for at, section, config in found:
        path = section.name.rpartition("/")[0]
        above = tuple(place for name, place in bridges.items() if path.startswith(f"{name}:"))
        if not above or kind_of(section) in kinds:
            continue
        kinds.add(kind_of(section))
        for slot, size in scene.bars.get(path, {}).items():
            value = get(section, config, BARS + 4 * slot, 4) if slot <= _LAST_BAR else 1
            if value & 1:
                continue
            wide = bool(value & _WIDE) and slot < _LAST_BAR
            for address in _addresses(size, scene, wide=wide):
                for window in (PREFETCH,) if address >= _BELOW_4G else (PREFETCH, MEMORY):
                    name = f"behind:{kind_of(section)}:{slot}:{address:#x}:{window.name}"
                    yield name, partial(_moved, above, at, slot, address, size, window)


def _addresses(size: int, scene: Scene, *, wide: bool) -> Iterator[int]:
    if wide:
        yield from (_BELOW_4G, (1 << 64) - 2 * size, 1 << 40, (1 << 64) - size, 1 << 63, _BELOW_4G + size)
    yield from bars.memory_places(size, scene.places, (), ())[:_PLACES]


def _moved(
    above: tuple[int, ...], at: int, slot: int, address: int, size: int, window: Window, stream: Stream
) -> Stream | None:
    section = stream.records[at]
    config = config_of(section) if isinstance(section, Section) else None
    if config is None or not isinstance(section, Section):
        return None
    offset = BARS + 4 * slot
    kept = get(section, config, offset, 4) & 0xF
    made = put(section, config, offset, 4, address | kept)
    if kept & _WIDE and slot < _LAST_BAR:
        made = put(made, config, offset + 4, 4, address >> 32)
    made = put(made, config, COMMAND, 1, get(made, config, COMMAND, 1) | 7)
    whole = replace_record(stream, at, made)
    granule = window.granule
    for place in above:
        bridge = whole.records[place]
        assert isinstance(bridge, Section)
        opened = window.put(address & -granule, (address + size - 1) & -granule, bridge)
        if opened is not None:
            whole = replace_record(whole, place, opened)
    return whole
