"""What a flat view does not show yet: the changes since the last rebuild that matter at an address, and who made them.

The memory core keeps the mutations that no rebuild has shown; each is carried up through the tree as it is now to the
addresses where it may show (`model.memory.changes`). By the claim proved there, whatever differs at an address between
the old view and a fresh one was changed by one of those that reach it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.memory import Region, changes, region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.memory import AddressSpace, Memory

Mark = tuple[int, str, int]
"""From the mutation behind this number on, who is at work, and the offset in the stream of what they load."""

MOST: Final = 4
"""Changes told; the later ones, since a later one decides."""


def unseen(memory: Memory, marks: Sequence[Mark], space: AddressSpace, start: int, end: int) -> tuple[str, ...]:
    """The pending changes that may show at start..end-1 of a space, in the order in which they were made.

    `marks`: what was made before the first of them is old. Never empty where the published view and a fresh one differ.
    """
    root = region.view_root(space.root)
    roots = tuple(one for one in dict.fromkeys((space.root, root)) if one is not None)
    first = memory.epoch - len(memory.unseen)
    begun = marks[0][0] if marks else 0
    told: dict[tuple[object, ...], str] = {}
    for index, (key, records) in enumerate(memory.unseen):
        if first + index >= begun and any(changes.touch((records,), one, start, end) for one in roots):
            same = (key[0], key[1]) if key[0] not in {"add", "del"} else key
            told.pop(same, None)  # what is set twice counts as it was set last
            told[same] = f"{named(key)} by {_who(marks, first + index)}"
    lines = list(told.values())
    if not lines and root is not space.resolved:  # the shortcut of 4.1 leads elsewhere, with other attributes (4.3)
        was, now = (mr.name if mr is not None else "nothing" for mr in (space.resolved, root))
        return (f"the space is rendered from {now} instead of {was}",)
    if len(lines) > MOST:
        lines = [f"{len(lines) - MOST} earlier ones", *lines[-MOST:]]
    return tuple(lines)


def named(key: tuple[object, ...]) -> str:
    """A mutation as the call of QEMU's that makes it."""
    match key:
        case ("add", Region() as container, int() as offset, Region() as sub, int() as priority):
            over = f"_overlap({_name(container)}, {offset:#x}, {_bare(sub)}, {priority})"
            plain = f"({_name(container)}, {offset:#x}, {_bare(sub)})"
            return f"memory_region_add_subregion{over if priority else plain}"
        case ("del", Region() as container, Region() as sub):
            return f"memory_region_del_subregion({_name(container)}, {_name(sub)})"
        case ("enabled", Region() as mr, value):
            return f"memory_region_set_enabled({_name(mr)}, {'on' if value else 'off'})"
        case ("size", Region() as mr, int() as size):
            return f"memory_region_set_size({_name(mr)}, {size:#x})"
        case ("address", Region() as mr, int() as address):
            return f"memory_region_set_address({_name(mr)}, {address:#x})"
        case ("alias_offset", Region() as mr, int() as offset):
            return f"memory_region_set_alias_offset({_name(mr)}, {offset:#x})"
        case ("inherit", Region() as mr, int() as flags):
            return f"memory_region_set_readonly({_name(mr)}, {'on' if flags & 1 else 'off'})"
        case ("romd_mode", Region() as mr, value):
            return f"memory_region_rom_device_set_romd({_name(mr)}, {'on' if value else 'off'})"
        case ("init", Region() as mr, int() as offset, int() as size):
            return f"memory_region_init_alias({_bare(mr)}, {offset:#x}, {size:#x})"
    return str(key[0])


def _bare(mr: Region) -> str:
    return mr.name


def _name(mr: Region) -> str:
    """A region's name; where others bear it too, with its place in its container."""
    return mr.name if mr.key == mr.name or mr.container is None else f"{mr.name} at {mr.addr:#x}"


def _who(marks: Sequence[Mark], number: int) -> str:
    """Who made the mutation behind `number`."""
    who, offset = "the loader", -1
    for epoch, name, at in marks:
        if epoch > number:
            break
        who, offset = name, at
    return who if offset < 0 else f"{who} at {offset:#x}"
