"""Trials of a BAR where a chipset shows the bus in place of RAM or ROM (pci.md 5.2).

Firmware leaves the shadow ranges as memory, so a BAR put there by itself is under them, and ranges that show the bus by
themselves show little. What goes wrong with the two takes both: a BAR within a range, across two, at the ends of all.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz.mutate.registers import BARS, COMMAND, functions, get, put
from fuzz.mutate.sections import kind_of, replace_record
from fuzz.mutate.shadows import uncovered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fuzz.mutate.scene import Scene
    from vmformat import Section, Stream

_LAST_BAR: Final = 5
_LARGEST: Final = 0x40000
_ADDRESSES: Final = (0xD5000, 0xF3000, 0xE8000, 0xCF000)
_ON_THE_FIRST_BUS: Final = 2
"""Colons in the path of a function that no bridge leads to."""
_KINDS: Final = 3
"""Kinds of functions that are put there."""


def trials_of_uncovered(stream: Stream, scene: Scene) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    """Name and change, for the first function of a few kinds; nothing without shadow ranges."""
    found = functions(stream)
    host = next(((at, made) for at, section, config in found if (made := uncovered(section, config))), None)
    if host is None:
        return
    kinds: dict[str, tuple[int, int, int]] = {}
    for at, section, config in found:
        path = section.name.rpartition("/")[0]
        for slot, size in scene.bars.get(path, {}).items() if path.count(":") == _ON_THE_FIRST_BUS else ():
            if slot <= _LAST_BAR and size <= _LARGEST and not get(section, config, BARS + 4 * slot, 4) & 1:
                kinds.setdefault(kind_of(section), (at, slot, size))
    for address in _ADDRESSES:
        for kind, (at, slot, size) in [*kinds.items()][:_KINDS]:
            yield f"uncovered:{kind}:{address:#x}", partial(_put_there, *host, at, slot, address & -size)


def _put_there(place: int, host: Section, at: int, slot: int, address: int, stream: Stream) -> Stream:
    section, config = next((section, config) for other, section, config in functions(stream) if other == at)
    offset = BARS + 4 * slot
    made = put(section, config, offset, 4, address | get(section, config, offset, 4) & 0xF)
    made = put(made, config, COMMAND, 1, get(made, config, COMMAND, 1) | 7)
    return replace_record(replace_record(stream, place, host), at, made)
