"""Mutations of the framing: which sections there are, in which order, of which kind, under which number.

The loader checks little of it: duplicates, a foreign order, missing sections, a device sent as START or PART all load
(stream.md 2.4, 2.5), so most mutants of this file reach the devices.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vmformat import Eof, Kind, Section, Stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fuzz.mutate.dice import Dice
    from fuzz.mutate.scene import Arm, Scene
    from vmformat import Record


_FIELDS: Final = ("header", "configuration", "trailing", "leading", "faults")
_SECTIONS: Final = "_mutator_sections"
_DEVICES: Final = "_mutator_devices"


def with_records(stream: Stream, records: Iterable[Record]) -> Stream:
    """The stream with other records."""
    inside = stream.__dict__
    copy = object.__new__(Stream)
    copy.__dict__.update({name: inside[name] for name in _FIELDS}, records=tuple(records))
    return copy


def replace_record(stream: Stream, at: int, section: Section) -> Stream:
    """The stream with another section at this position."""
    records = list(stream.records)
    records[at] = section
    copy = with_records(stream, records)
    # The same places hold sections as before.
    copy.__dict__.update({name: stream.__dict__[name] for name in (_SECTIONS, _DEVICES) if name in stream.__dict__})
    return copy


def sections_at(stream: Stream) -> Sequence[int]:
    """Positions of sections among the records."""
    kept: tuple[int, ...] | None = stream.__dict__.get(_SECTIONS)
    if kept is None:
        kept = tuple(i for i, record in enumerate(stream.records) if isinstance(record, Section))
        stream.__dict__[_SECTIONS] = kept
    return kept


def devices_at(stream: Stream) -> Sequence[int]:
    """Positions of sections that belong to devices: all but `ram`."""
    kept: tuple[int, ...] | None = stream.__dict__.get(_DEVICES)
    if kept is None:
        records = stream.records
        kept = tuple(
            i for i in sections_at(stream) if isinstance(section := records[i], Section) and section.name != "ram"
        )
        stream.__dict__[_DEVICES] = kept
    return kept


def drawn(stream: Stream, dice: Dice, places: Sequence[int]) -> tuple[int, Section] | None:
    """One of these places, all alike, and the section there; None where there is no place."""
    if not places:
        return None
    at = dice.pick(places)
    return at, _section(stream, at)


def kind_of(section: Section) -> str:
    """The kind of a section's device: its name without the device's path."""
    return _kind(section.name)


@lru_cache(maxsize=4096)
def _kind(name: str) -> str:
    return name.rpartition("/")[2]


def _section(stream: Stream, at: int) -> Section:
    record = stream.records[at]
    assert isinstance(record, Section)
    return record


def drop(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Leave out a few sections."""
    places = sections_at(stream)
    if not places:
        return None
    gone = {dice.pick(places) for _ in range(dice.few(6))}
    return with_records(stream, (record for i, record in enumerate(stream.records) if i not in gone))


def thin(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Leave out most device sections, or all of them: a stream without a FULL section is legal."""
    places = devices_at(stream)
    if not places:
        return None
    kept = {dice.pick(places) for _ in range(dice.below(8))}
    gone = set(places) - kept
    return with_records(stream, (record for i, record in enumerate(stream.records) if i not in gone))


def duplicate(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Send a section again, later or earlier."""
    places = sections_at(stream)
    if not places:
        return None
    records = list(stream.records)
    at = dice.pick(places)
    put = dice.below(len(records)) if dice.chance(2) else min(at + 1 + dice.low(8), len(records))
    records.insert(put, records[at])
    return with_records(stream, records)


def move(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Send a section at another place, most often a device section among devices."""
    places = devices_at(stream) if not dice.chance(6) else sections_at(stream)
    if len(places) < 2:
        return None
    records = list(stream.records)
    at, put = dice.pick(places), dice.pick(places)
    records.insert(put, records.pop(at))
    return with_records(stream, records)


def shuffle(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Turn a run of device sections round, or rotate it."""
    places = devices_at(stream)
    if len(places) < 2:
        return None
    first = dice.below(len(places) - 1)
    run = places[first : first + 2 + dice.low(16)]
    records = list(stream.records)
    moved = [records[i] for i in run]
    if dice.chance(2):
        moved.reverse()
    else:
        cut = 1 + dice.below(len(moved) - 1) if len(moved) > 1 else 0
        moved = moved[cut:] + moved[:cut]
    for i, record in zip(run, moved, strict=True):
        records[i] = record
    return with_records(stream, records)


def end_of_stream(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Insert, remove, double or move an EOF."""
    ends = [i for i, record in enumerate(stream.records) if isinstance(record, Eof)]
    records = list(stream.records)
    way = dice.below(3)
    if way and ends:
        end = records.pop(dice.pick(ends))
        if way == 1:
            return with_records(stream, records)
    else:
        end = Eof(0)
    records.insert(dice.below(len(records) + 1), end)
    return with_records(stream, records)


def kind(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """START for FULL and back: one and the same to the loader, not to a design that looks at FULL."""
    records = list(stream.records)
    other = {Kind.FULL: Kind.START, Kind.START: Kind.FULL, Kind.PART: Kind.END, Kind.END: Kind.PART}
    places = sections_at(stream)
    if not places:
        return None
    chosen = places if dice.chance(4) else [dice.pick(places) for _ in range(dice.few(4))]
    for at in chosen:
        section = _section(stream, at)
        records[at] = replace(section, kind=other.get(section.kind, section.kind))
    return with_records(stream, records)


def part(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Load a device again by a PART or END of its number."""
    places = devices_at(stream)
    if not places:
        return None
    records = list(stream.records)
    at = dice.pick(places)
    again = replace(_section(stream, at), kind=dice.pick((Kind.PART, Kind.END)))
    records.insert(min(len(records), at + 1 + dice.low(8)), again)
    return with_records(stream, records)


def header(stream: Stream, dice: Dice, _scene: Scene) -> Stream | None:
    """Alter a section's number, instance, version or name; the footer follows the number most of the time."""
    places = sections_at(stream)
    if not places:
        return None
    at = dice.pick(places)
    section = _section(stream, at)
    way = dice.below(6)
    if way == 0:
        number = _section(stream, dice.pick(places)).section_id if dice.chance(2) else dice.below(128)
        footer = section.footer if dice.chance(4) or section.footer is None else number
        section = replace(section, section_id=number, footer=footer)
    elif way == 1:
        section = replace(section, instance=dice.pick((0, 1, 2, 0xFFFFFFFF, 0x80000000)))
    elif way == 2:
        version = dice.pick((0, section.version + 1, max(section.version - 1, 0), 0x8000000C, 0xFFFFFFFF))
        section = replace(section, version=version)
    elif way == 3:
        # The name without its path is accepted as well, with the instance that counts equal devices.
        section = replace(section, name=section.name.rsplit("/", 1)[-1], instance=dice.below(3))
    elif way == 4:
        section = replace(section, name=_section(stream, dice.pick(places)).name)
    else:
        footers = (None, 0, section.section_id + 1)
        section = replace(section, footer=dice.pick(footers))
    return with_records(stream, (section if i == at else record for i, record in enumerate(stream.records)))


def splice(stream: Stream, dice: Dice, scene: Scene) -> Stream | None:
    """Take a section from another seed of this machine: in the place of the one of its name, or beside it."""
    if not scene.donors:
        return None
    return graft(stream, dice.pick(scene.donors), dice)


def graft(stream: Stream, donor: Stream, dice: Dice) -> Stream | None:
    """Take a few sections from `donor`."""
    theirs = [record for record in donor.records if isinstance(record, Section)]
    if not theirs:
        return None
    records = list(stream.records)
    for _ in range(dice.few(4)):
        section = dice.pick(theirs)
        same = [i for i, mine in enumerate(records) if isinstance(mine, Section) and _alike(mine, section)]
        if same and not dice.chance(4):
            records[dice.pick(same)] = section
        else:
            records.insert(dice.below(len(records) + 1), section)
    return with_records(stream, records)


def _alike(one: Section, other: Section) -> bool:
    return one.name == other.name and one.instance == other.instance and one.kind == other.kind


ARMS: dict[str, tuple[Arm, int]] = {
    "drop": (drop, 3),
    "thin": (thin, 2),
    "duplicate": (duplicate, 4),
    "move": (move, 5),
    "shuffle": (shuffle, 2),
    "end-of-stream": (end_of_stream, 3),
    "kind": (kind, 2),
    "part": (part, 2),
    "header": (header, 2),
    "splice": (splice, 4),
}
"""Arms of this file with their weights."""
