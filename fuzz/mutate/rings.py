"""Trials of a virtio queue: its rings and indices put where one number has to fit another.

A ring is an address and a size, in use it is two indices and a third in guest memory: a loader goes wrong where these
meet, at the last byte of RAM, at the end of the address space, at a difference that is exactly the size. So several
numbers are changed at once, to what fits, and to one more.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz.mutate.index import index_of, read_leaf, write_leaf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fuzz.mutate.index import Index
    from fuzz.mutate.places import Places
    from vmformat import Section

DESC: Final = re.compile(r"queues\.queue\[\]\.desc$")
LAST: Final = re.compile(r"queues\.queue\[\]\.last_avail_idx$")
NUM: Final = re.compile(r"queues\.queue\[\]\.num$")
AVAIL: Final = re.compile(r"virtio/virtqueues\..*\.avail$")
USED: Final = re.compile(r"virtio/virtqueues\..*\.used$")

_FIRST: Final = 3
"""Queues of a device that are tried."""
_USUAL: Final = 256
_MOST: Final = 1024
"""Entries of the largest ring: its used ring takes a few bytes more than whole pages."""
_PAGE: Final = 0x1000
_ROOM: Final = 0x10000
"""Bytes from one queue's rings to the next one's."""
_T64: Final = 1 << 64
_U16: Final = 0xFFFF
_EDGES: Final = (0x100000, 0xF0000, 0xC0000, 0xE0000)
"""Where memory may change its kind in the middle of a ring: the end of what firmware switches, and its parts."""
_LARGE: Final = 1024
_SHOWN: Final = (0xE8000, 0xFEE00000, 0xC0000, 0xA0000, 0xFFFC0000, 0xF0000, 1 << 32)
"""Where memory changes its kind: ROM or RAM, a device's registers, nothing."""


def trials_of_rings(
    section: Section, index: Index, places: Places
) -> Iterator[tuple[int, str, Callable[[Section], Section | None]]]:
    """(place in order, name, what is done) for the first queues of a section; none if it has no queues."""
    queues = [queue for queue in range(_FIRST) if index.nth(DESC, queue) is not None]
    for queue in queues:
        for turn, (name, values) in enumerate(_of_queue(section, index, queue, places)):
            yield turn, f"ring:{queue}:{name}", partial(_put, values)
    if len(queues) > 1:
        same = {(DESC, queue): places.below_4g // 2 for queue in queues[:2]}
        yield 0, "ring:same:place", partial(_put, same)
        for turn, (name, values) in enumerate(_of_all(queues, places, has_places=index.nth(AVAIL, 0) is not None)):
            yield turn, f"ring:all:{name}", partial(_put, values)


_Values = dict[tuple[re.Pattern[str], int], int]


def _of_all(queues: list[int], places: Places, *, has_places: bool) -> Iterator[tuple[str, _Values]]:
    """Every queue has rings of its own, of another size than its neighbours'; and all but the first.

    Who takes one queue for another, or stops at one that is not there, is right as long as there is one, or all are
    alike. `has_places`: the section says where each ring is.
    """
    made: dict[str, _Values] = {}
    for name, sizes in {"smaller": (256, 64, 128), "larger": (64, 256, 128)}.items():
        values = made[name] = {}
        for turn, (queue, size) in enumerate(zip(queues, sizes, strict=False)):
            desc = places.below_4g // 2 + turn * _ROOM
            values |= {(DESC, queue): desc, (NUM, queue): size, (LAST, queue): 0}
            if has_places:
                available = desc + 16 * size
                values |= {(AVAIL, queue): available, (USED, queue): available + _PAGE}
        yield name, values
    first = queues[0]
    yield "first of none", made["larger"] | {(NUM, first): 0}
    yield "first is not there", made["larger"] | {(DESC, first): 0}


def _of_queue(section: Section, index: Index, queue: int, places: Places) -> Iterator[tuple[str, _Values]]:
    num, desc, last = (_read(section, index, pattern, queue) for pattern in (NUM, DESC, LAST))
    size = num if 0 < num <= 1024 else _USUAL
    table, available, used = 16 * size, 6 + 2 * size, 6 + 8 * size
    whole = -(-(table + available - 2) // _PAGE) * _PAGE + used - 2
    if desc:
        for count in (2 * size, size // 2):
            yield f"of {count}", {(NUM, queue): count}
        for name, seen in _seen(size, last):
            yield f"last {name}", {(LAST, queue): seen}
    ram = places.below_4g
    at: dict[str, int] = {
        "ends with RAM": (ram - whole) & -16,
        "across": 0xE8000 - table // 2,
        "table ends with RAM": ram - table,
        "wraps": _T64 - table,
        "beyond RAM": ram - 16,
        "odd": (desc or ram // 2) + 1,
        "mid-page": (desc or ram // 2) + 0x810,
        "wraps behind the table": _T64 - table - 8,
        "no RAM": ram,
        **{f"{shown:#x}": shown for shown in _SHOWN},
        "before ROM": 0xC0000 - table,
        "low": 16,
    }
    for name, address in at.items():
        yield name, {(DESC, queue): address, (NUM, queue): size}
    if index.nth(AVAIL, queue) is None:
        yield from _legacy(queue, desc or ram // 2, size, ram)
    else:
        yield from _modern(queue, desc or ram // 2, size, ram)
    for edge in _EDGES:
        yield from _across(queue, edge)
    if desc:
        for count in (0, 3, 1, 1024, 1025):
            yield f"of {count}", {(NUM, queue): count, (LAST, queue): 0}


def _across(queue: int, edge: int) -> Iterator[tuple[str, _Values]]:
    """The rings of an old driver, as large as can be, each in turn on both sides of an edge."""
    available = 16 * _LARGE
    used = available + -(-(4 + 2 * _LARGE) // _PAGE) * _PAGE
    for name, begins, before in (("table", 0, _PAGE), ("used", used, _PAGE), ("available", available, 16)):
        yield f"{name} across {edge:#x}", {(DESC, queue): edge - begins - before, (NUM, queue): _LARGE}


def _seen(size: int, last: int) -> Iterator[tuple[str, int]]:
    """Indices seen last, by how far they are ahead of what they are, or behind."""
    for name, step in {
        "all": size, "one more": size + 1, "behind": -size, "one less": -size - 1, "next": 1, "before": -1
    }.items():  # fmt: skip
        yield name, (last + step) & _U16


def _legacy(queue: int, desc: int, size: int, ram: int) -> Iterator[tuple[str, _Values]]:
    """Rings whose places follow from one number: at the end of a page, one of them across the end of RAM."""
    behind = 16 * size + 4 + 2 * size
    for name, short in {"ends a page": 0, "ends a page but for a word": -2}.items():
        yield name, {(DESC, queue): (desc & -_PAGE) + (short - behind) % _PAGE, (NUM, queue): size}
    yield "available across the end of RAM", {(DESC, queue): ram - 16 * size - 16, (NUM, queue): size}
    large = -(-(16 * _MOST + 4 + 2 * _MOST) // _PAGE) * _PAGE
    yield "used across the end of RAM", {(DESC, queue): ram - large - 8 * _MOST, (NUM, queue): _MOST}


def _modern(queue: int, desc: int, size: int, ram: int) -> Iterator[tuple[str, _Values]]:
    """Rings whose places are three numbers: over each other, behind the end, at the last byte."""
    table, available, used = 16 * size, 6 + 2 * size, 6 + 8 * size
    for name, one, other in (
        ("available in table", desc + 16, desc + table + available + 16),
        ("used in table", desc + table, desc + 16),
        ("one for both", desc + table, desc + table),
        ("used ends with RAM", desc + table, ram - used),
        ("used beyond RAM", desc + table, ram - used + 4),
        ("available ends with RAM", ram - available, desc + table),
        ("available wraps", _T64 - 2, desc + table),
        ("used wraps", desc + table, _T64 - 4),
        ("nowhere", 0, 0),
    ):
        yield name, {(DESC, queue): desc, (NUM, queue): size, (AVAIL, queue): one, (USED, queue): other}


def _read(section: Section, index: Index, pattern: re.Pattern[str], queue: int) -> int:
    leaf = index.nth(pattern, queue)
    return 0 if leaf is None else read_leaf(section, leaf)


def _put(values: Mapping[tuple[re.Pattern[str], int], int], section: Section) -> Section | None:
    index = index_of(section)
    made = section
    for (pattern, queue), value in values.items():
        leaf = index.nth(pattern, queue) if index is not None else None
        if leaf is None:
            return None
        made = write_leaf(made, leaf, value)
    return None if made.payload == section.payload else made
