"""Mutations that send a section a second time, altered.

A device that loads twice finds what it has made of the first: caches, mappings, windows, power of a slot. What is kept
where it must be made anew shows only so (bug patterns 9 and 11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.mutate import fields, pci, virtio
from fuzz.mutate.sections import with_records
from vmformat import Section

if TYPE_CHECKING:
    from fuzz.mutate.dice import Dice
    from fuzz.mutate.scene import Arm, Scene
    from vmformat import Stream

_ALTERING: Final[tuple[Arm, ...]] = (
    virtio.indices,
    virtio.indices,
    virtio.head,
    virtio.subsection,
    pci.window,
    pci.window,
    pci.command,
    pci.bar,
    fields.mutate_field,
)
"""Arms that alter sections where they stand."""


def again(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Send a section, and behind it, soon most of the time, the same one altered."""
    changed = dice.pick(_ALTERING)(stream, dice, scene)
    if changed is None:
        return None
    records = list(stream.records)
    at = next((at for at, (old, new) in enumerate(zip(records, changed.records, strict=True)) if old is not new), None)
    if at is None or not isinstance(records[at], Section):
        return None
    room = len(records) - at
    records.insert(at + 1 + (dice.below(room) if dice.chance(3) else min(dice.low(8), room - 1)), changed.records[at])
    return with_records(stream, records)


ARMS: dict[str, tuple[Arm, int]] = {"again": (again, 3)}
"""Arms of this file with their weights."""
