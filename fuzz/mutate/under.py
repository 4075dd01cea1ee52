"""Mutations that change memory under a ring which is in use already.

A ring's caches are made when its section loads, and made anew when memory changes: where they are not, or not all of
them, a device goes on with the old ones. So a section that stands behind the ring's, or is sent again behind all
others, changes what lies there: the chipset shows ROM in place of RAM, another function's BAR is put over it, the
function's own bus master is turned. A ring is a table and two rings, and pages lie between them: each may change
without the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.mutate import pci, rings
from fuzz.mutate.index import index_of, read_leaf, write_leaf
from fuzz.mutate.registers import BARS, COMMAND, functions, get, put
from fuzz.mutate.sections import replace_record, sections_at, with_records
from fuzz.mutate.virtio import device
from vmformat import Section

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice
    from fuzz.mutate.scene import Arm, Scene
    from vmformat import Stream

_PAGE: Final = 0x1000
_FIRST: Final = 4
"""Queues of a device that are looked at."""
_TRIES: Final = 3
_SHADOWED: Final = range(0xC0000, 0x100000)
_SEGMENT: Final = 0x4000


def under(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Change memory under a part of a ring, behind the section that has it."""
    chosen = device(stream, dice)
    if chosen is None:
        return None
    at, section, _ = chosen
    queue = dice.below(_FIRST) if dice.chance(4) else 0
    if dice.chance(2):
        moved = _moved(section, queue, dice)
        if moved is not None:
            section = moved
            stream = replace_record(stream, at, section)
    parts = _parts(section, queue)
    if not parts:
        return None
    address = dice.pick(parts)
    way = dice.below(4)
    if way == 0:
        return _again(stream, at, dice)
    if address in _SHADOWED and way < 3:
        for _ in range(_TRIES):
            made = _last(stream, pci.pam(stream, dice, address))
            if made is not None:
                return made
    return _covered(stream, at, address & -_PAGE, dice, scene)


def _moved(section: Section, queue: int, dice: Dice) -> Section | None:
    """The ring elsewhere: one of its parts on each side of an edge of what firmware switches."""
    index = index_of(section)
    desc, num = (index.nth(pattern, queue) if index is not None else None for pattern in (rings.DESC, rings.NUM))
    if desc is None or num is None:
        return None
    size = read_leaf(section, num)
    if not 0 < size <= 1024:
        size = 256
        section = write_leaf(section, num, size)
    edge = dice.pick(range(_SHADOWED.start, _SHADOWED.stop, _SEGMENT))
    return write_leaf(section, desc, edge - 16 * size * dice.below(2))


def _parts(section: Section, queue: int) -> tuple[int, ...]:
    """Addresses of a queue's table and rings; none if it has none."""
    index = index_of(section)
    if index is None:
        return ()
    found = [
        read_leaf(section, leaf) if (leaf := index.nth(pattern, queue)) is not None else 0
        for pattern in (rings.DESC, rings.NUM, rings.AVAIL, rings.USED)
    ]
    desc, num, avail, used = found
    if not desc:
        return ()
    avail = avail or desc + 16 * (num & 0xFFFF)
    return (desc, avail, used or (avail + 6 + 2 * (num & 0xFFFF) + _PAGE - 1) & -_PAGE)


def _last(old: Stream, new: Stream) -> Stream | None:
    """What `new` has otherwise than `old`, sent behind all others, and what was there before as it was."""
    for before, after in zip(old.records, new.records, strict=True):
        if before != after and isinstance(after, Section):
            return _behind(old, after)
    return None


def _behind(stream: Stream, section: Section) -> Stream:
    records = list(stream.records)
    records.insert(sections_at(stream)[-1] + 1, section)
    return with_records(stream, records)


def _again(stream: Stream, at: int, dice: Dice) -> Stream | None:
    """The function itself once more, with what it decodes turned."""
    found = next(((section, config) for place, section, config in functions(stream) if place == at), None)
    if found is None:
        return None
    section, config = found
    return _behind(stream, put(section, config, COMMAND, 1, get(section, config, COMMAND, 1) ^ dice.pick((4, 4, 6, 2))))


def _covered(stream: Stream, at: int, address: int, dice: Dice, scene: Scene) -> Stream | None:
    """A memory BAR of a function over that page: of one behind the ring's section, or of any that is sent again."""
    found = []
    for place, section, config in functions(stream):
        for slot, size in scene.bars.get(section.name.rpartition("/")[0], {}).items():
            if slot < 6 and not get(section, config, BARS + 4 * slot, 4) & 1:
                found.append((place, section, config, slot, size))
    if not found:
        return None
    place, section, config, slot, size = dice.pick(found)
    offset = BARS + 4 * slot
    made = put(section, config, offset, 4, address & -size | get(section, config, offset, 4) & 0xF)
    made = put(made, config, COMMAND, 1, get(made, config, COMMAND, 1) | 2)
    return replace_record(stream, place, made) if place > at and dice.chance(2) else _behind(stream, made)


ARMS: dict[str, tuple[Arm, int]] = {"under": (under, 5)}
"""Arms of this file with their weights."""
