"""The passes over records: which are there, which packages are needed, which sections can be one."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from fuzz.shrink.ddmin import ddmin
from fuzz.shrink.work import records as records_of
from model.default_stream import default_stream
from vmformat import Command, Eof, Gap, Kind, RamFlag, Section, StreamError, read, write
from vmformat.edit.records import Slots
from vmformat.iterable.payloads import decode_records, encode_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.shrink.work import Work
    from vmformat import Record, Stream
    from vmformat.paths import Place


FEW: Final = 7
"""Records of which all sets are tried: 2**7 of them."""


SHORTEST: Final = 3
"""Sections that are tried in the place of another."""


def end(work: Work) -> None:
    """A stream that was cut off gets its EOF back, unless the cause needs it gone. The only pass that adds a byte."""
    base = work.stream
    if any(isinstance(record, Eof) for record in base.records):
        return
    without = base.records[:-1]
    for records in (base.records, without):
        ended = base.with_records((*records, Eof()))
        if _reads_back(ended, work) and work.written(ended):
            return


def _reads_back(stream: Stream, work: Work) -> bool:
    """Whether the EOF at its end is one, and no part of something that was cut off."""
    try:
        found = read(write(stream), work.schemas, tolerant=True).records
    except StreamError:
        return False
    return bool(found) and isinstance(found[-1], Eof) and not any(isinstance(record, Gap) for record in found)


def records(work: Work) -> None:
    """Drop sections, commands and what is no record, in the stream and then inside of each package.

    The EOFs stay: a stream without them is another story than the one that is told.
    """
    _level(work, ())
    done = 0
    while True:
        packages = [place for place, record in records_of(work.stream, work.schemas) if _is_package(record)]
        if done >= len(packages):
            return
        _level(work, packages[done])
        _unpack(work, packages[done])
        done += 1


def _is_package(record: Record) -> bool:
    return isinstance(record, Command) and bool(record.package)


def _level(work: Work, around: Place) -> None:
    """The records that stand in one package (`()`: in none)."""
    base = work.stream
    found = records_of(base, work.schemas)
    there = [place for place, record in found if place[:-1] == around and not isinstance(record, Eof)]

    def holds(kept: tuple[Place, ...]) -> bool:
        slots = Slots(base, work.schemas)
        staying = set(kept)
        for slot in [slots.at(place) for place in there if place not in staying]:
            slots.take(slot)
        return work.slots(slots)

    ddmin(there[::-1] if work.from_front else there, holds)


def fewest(work: Work) -> None:
    """Where few records are left, any set of them that is smaller by two or more: dropping one by one cannot see it."""
    base = work.stream
    there = [i for i, record in enumerate(base.records) if not isinstance(record, Eof)]
    if len(there) > FEW:
        return
    for size in range(len(there) - 1):
        for kept in combinations(there, size):
            chosen = [one for i, one in enumerate(base.records) if isinstance(one, Eof) or i in kept]
            if work.written(base.with_records(chosen)):
                return


def swapped(work: Work) -> None:
    """Where any section will do, the machine's shortest one does: a cause may need that there is one, not which."""
    for index in range(len(work.stream.records)):
        base = work.stream
        record = base.records[index] if index < len(base.records) else None
        if not isinstance(record, Section) or record.kind is not Kind.FULL:
            continue
        size = len(record.to_bytes())
        for other in _shortest(work):
            if len(other.to_bytes()) < size and work.written(base.replace_record(index, other)):
                break


def _shortest(work: Work) -> list[Section]:
    """The shortest sections of the machine's devices, as they are at reset."""
    reset = default_stream(work.machine.description).sections
    return sorted((one for one in reset if one.kind is Kind.FULL), key=lambda one: len(one.to_bytes()))[:SHORTEST]


def _unpack(work: Work, place: Place) -> None:
    """What is in a package may stand where the package stands."""
    slots = Slots(work.stream, work.schemas)
    slot = slots.at(place)
    inside = slots.look_into(slot, len(place))
    if inside:
        slots.place([one for one in inside if not isinstance(one.record, Eof)], slot, after=True)
        slots.take(slot)
        work.slots(slots)


def merged(work: Work) -> None:
    """Two RAM sections of one number, as a START and its END, may be one with the records of both."""
    while any(work.written(candidate) for candidate in merges(work.stream)):
        pass


def merges(stream: Stream) -> Iterator[Stream]:
    """The stream with two RAM sections made one, for each two that follow each other and have one number."""
    last: dict[int, int] = {}
    for other, second in enumerate(stream.records):
        if not isinstance(second, Section) or not second.is_ram:
            continue
        at = last.get(second.section_id)
        last[second.section_id] = other
        if at is None:
            continue
        first = stream.records[at]
        assert isinstance(first, Section)
        payload = _joined(first, second)
        if payload is not None:
            rest = list(stream.records)
            rest[at] = first.replace_payload(payload)
            del rest[other]
            yield stream.with_records(rest)


def _joined(first: Section, second: Section) -> bytes | None:
    """The records of both, without the end of the first: its last record. None if it does not end so."""
    rows = decode_records(first.name, first.payload, 0, first.context).values()
    last = rows[-1] if isinstance(rows, list) and rows else None
    if not isinstance(rows, list) or last != {"address_flags": int(RamFlag.EOS)}:
        return None
    try:
        return encode_records(first.name, rows[:-1], first.context) + second.payload
    except StreamError:
        return None
