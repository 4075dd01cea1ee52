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
    from vmformat import Record, Stream

_ALTERING: Final[tuple[Arm, ...]] = (
    virtio.indices,
    virtio.resize,
    virtio.head,
    virtio.subsection,
    pci.window,
    pci.power,
    pci.power,
    pci.command,
    pci.bar,
    fields.mutate_field,
)
"""Arms that alter sections where they stand."""

_TRIES: Final = 3
"""Arms that are asked: some machines have neither bridge nor slot."""


def again(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Send a section, and behind it the same one altered."""
    tries = (dice.pick(_ALTERING)(stream, dice, scene) for _ in range(_TRIES))
    changed = next((made for made in tries if made is not None), None)
    if changed is None:
        return None
    records = list(stream.records)
    at = next((at for at, (old, new) in enumerate(zip(records, changed.records, strict=True)) if old is not new), None)
    if at is None or not isinstance(records[at], Section):
        return None
    records.insert(_place(dice, at + 1, records), changed.records[at])
    return with_records(stream, records)


def _place(dice: Dice, first: int, records: list[Record]) -> int:
    """Soon behind the first, anywhere behind it, or where all others have loaded."""
    way = dice.below(3)
    if way == 0:
        return min(first + dice.low(8), len(records))
    if way == 1:
        return first + dice.below(len(records) + 1 - first)
    return 1 + max(at for at, record in enumerate(records) if isinstance(record, Section))


ARMS: dict[str, tuple[Arm, int]] = {"again": (again, 3)}
"""Arms of this file with their weights."""
