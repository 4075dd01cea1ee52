"""Streams read by sections that are known already: a mutant and its parent differ in few of them.

`vmformat.read` finds out where each payload ends, 30 microseconds a section. A mutator is given the seeds, what it made
and the engine kept, what it read before, or such a one with a few bytes altered. So it keeps records, not streams:
beside each its bytes. Where an input goes on with the bytes of a known record, that record it is, at the price of a
comparison. What is not known is read by the reader's own loop, from there on, and is known then.

A section is known as it was made, even if its payload would be read otherwise: a count that an arm altered still lies
where it was, for the next arm to work on.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from fuzz.mutate.index import WIRE, borrow
from vmformat import Cmd, Command, Eof, Kind, Section, Stream, StreamError, read, vmdescription
from vmformat.framing import FOOTER_SIZE, NAMED
from vmformat.ram.context import RamContext
from vmformat.reading.front import front
from vmformat.reading.known import Known
from vmformat.reading.loop import Reading

if TYPE_CHECKING:
    from vmformat import Record, Schemas
    from vmformat.configuration import Configuration
    from vmformat.records import Header

KEPT_BYTES: Final = 64 << 20
"""Memory that known sections may take, beside those of the seeds."""
SECTION_BYTES: Final = 1024
"""What a section takes beside its bytes, which are there twice: as its payload, and as it stands in a stream."""
_MOST_FRONTS: Final = 16
_MOST_LENGTHS: Final = 8
"""Lengths of a section that are tried, those found last before the others."""
_FIRST_NAME: Final = 14
"""Bytes of a START's head beside its name: type, id, length of the name, instance, version."""
_PART: Final = 5
_FOOTER: Final = bytes([Kind.FOOTER])
_PACKAGED: Final = Cmd.PACKAGED.to_bytes(2, "big") + b"\0\4"
_MOST_FAILURES: Final = 4096
_FAILED_BYTES: Final = 64
"""Bytes by which a place is known again at which no record could be read."""

_KNOWN: Final = "_mutator_known"

_Head = tuple[bytes, str, int, int, int]
_NOBODY: Final = ("", 0, 0, 0)


class _Alike:
    """Known records with one head. `longest`: bytes of the longest that was ever kept beside the seeds'."""

    __slots__ = ("kept", "lengths", "longest", "seeds")

    def __init__(self) -> None:
        self.seeds: list[tuple[bytes, Section | Command]] = []
        self.kept = self.longest = 0
        self.lengths: list[int] = []


class Familiar:
    """Records by their bytes, and the reader that makes use of them. `seeds` are known from the start, for good."""

    def __init__(self, schemas: Schemas, seeds: tuple[Stream, ...] = (), most: int = KEPT_BYTES) -> None:
        self._schemas = schemas
        self._most = most
        self._fronts: list[tuple[bytes, Header, Configuration | None, RamContext]] = []
        self._trailing = {b"", *(stream.trailing for stream in seeds)}
        self._alike: dict[_Head, _Alike] = {}
        self._kept: OrderedDict[tuple[_Head, bytes], Section | Command] = OrderedDict()
        self._begun: dict[bytes, dict[int, Section]] = {}
        """By the bytes of a known command: the sections that begin in its package."""
        self._bytes_kept = 0
        self._failed: OrderedDict[tuple[int, int, bytes], StreamError] = OrderedDict()
        for stream in seeds:
            self._begin_with(stream)

    def _begin_with(self, stream: Stream) -> None:
        named: dict[int, Section] = {}
        for record in stream.records:
            known: Section | Command
            if isinstance(record, Section):
                known = _settled(record)
                known.__dict__[_KNOWN] = self
                wire = wire_of(known)
                if known.kind in NAMED:
                    named[known.section_id] = known
            elif isinstance(record, Command) and not record.package:
                known, wire = record, record.to_bytes()
            else:
                continue
            seeds = self._alike.setdefault(_head(wire, named), _Alike()).seeds
            if all(wire != other for other, _ in seeds):
                seeds.append((wire, known))

    def read(self, data: bytes) -> Stream:
        """As `vmformat.read`, strictly, with known records as they are known. Raises StreamError."""
        at, header, configuration, context = self._front(data)
        records: list[Record] = []
        named: dict[int, Section] = {}
        reading: Reading | None = None
        kind = -1
        while kind != Kind.EOF:
            kind = data[at] if at < len(data) else -1
            record: Record
            found = self._find(data, at, kind, named)
            if kind == Kind.EOF:
                record = Eof(at)
                at += 1
            elif found is not None:
                record = found[1]
                at += len(found[0])
            else:
                place = (at, len(data), data[at : at + _FAILED_BYTES])
                if place in self._failed:
                    raise self._failed[place].with_traceback(None)
                if reading is None:
                    reading = Reading(data, Known({}, self._schemas), footers=None, context=context)
                    reading.named = named
                reading.context = context
                reading.seen = next((one.footer is not None for one in records if isinstance(one, Section)), None)
                before = dict(named)
                try:
                    record, after = reading.step(at)
                except StreamError as error:
                    self._fail(place, error)
                    raise
                if isinstance(record, Section):
                    record = self._learn(record, data[at:after], before)
                    self._liken(record, data[at:after], before)
                elif isinstance(record, Command):
                    self._learn(record, data[at:after], before)
                    if record.package:  # sections begin in it, too
                        begun = {number: one for number, one in named.items() if before.get(number) is not one}
                        self._begun[data[at:after]] = begun
                at = after
            if isinstance(record, Section):
                if record.kind in NAMED:
                    named[record.section_id] = record
            elif isinstance(record, Command):
                if record.package and found is not None:
                    named.update(self._begun.get(found[0], {}))
                context = context.after(record)
            records.append(record)
        trailing = data[at:]
        if trailing not in self._trailing and vmdescription.find(trailing) is not None:
            return read(data, self._schemas)  # with a description of its own
        return Stream(header, configuration, tuple(records), trailing)

    def keep(self, stream: Stream) -> None:
        """Know the records of a stream from now on: its bytes will be given again."""
        named: dict[int, Section] = {}
        for record in stream.records:
            if isinstance(record, Section):
                if record.__dict__.get(_KNOWN) is not self:
                    self._learn(record, wire_of(record), named)
                if record.kind in NAMED:
                    named[record.section_id] = record
            elif isinstance(record, Command) and not record.package:
                self._learn(record, record.to_bytes(), named)

    def _front(self, data: bytes) -> tuple[int, Header, Configuration | None, RamContext]:
        for known in self._fronts:
            if data.startswith(known[0]):
                return len(known[0]), known[1], known[2], known[3]
        start, _, header, configuration = front(data, configuration=None)
        context = RamContext.of(configuration, page_size=None)
        if configuration is not None:  # without one, what begins so may go on with one
            self._fronts.insert(0, (data[:start], header, configuration, context))
            del self._fronts[_MOST_FRONTS:]
        return start, header, configuration, context

    def _find(
        self, data: bytes, at: int, kind: int, named: dict[int, Section]
    ) -> tuple[bytes, Section | Command] | None:
        head: _Head
        if kind in {Kind.START, Kind.FULL}:
            stop = at + _FIRST_NAME
            if stop > len(data):
                return None
            head = (data[at : stop + data[at + 5]], *_NOBODY)
        elif kind in {Kind.PART, Kind.END}:
            head = _part(data[at : at + _PART], named)
        elif kind == Kind.COMMAND:
            head = (data[at : at + _PART], *_NOBODY)
        else:
            return None
        alike = self._alike.get(head)
        if alike is None:
            return None
        for one in alike.seeds:
            if data.startswith(one[0], at):
                return one
        if not alike.kept:
            return None
        wire = data[at : _likely_end(data, at, kind, at + alike.longest)]
        record = self._kept.get((head, wire))
        if record is not None:
            self._kept.move_to_end((head, wire))
            return wire, record
        lengths = alike.lengths
        for number, length in enumerate(lengths):
            wire = data[at : at + length]
            record = self._kept.get((head, wire))
            if record is not None:
                self._kept.move_to_end((head, wire))
                if number:
                    lengths.insert(0, lengths.pop(number))
                return wire, record
        return None

    def _learn(self, record: Section | Command, wire: bytes, named: dict[int, Section]) -> Section | Command:
        """Know a record from now on; the one that was known before if its bytes are the same."""
        head = _head(wire, named)
        known = self._kept.get((head, wire))
        if known is not None:
            return known
        if isinstance(record, Section):
            record = _settled(record)
            record.__dict__[WIRE] = wire
            record.__dict__[_KNOWN] = self
        alike = self._alike.setdefault(head, _Alike())
        if len(wire) not in alike.lengths:
            alike.lengths.insert(0, len(wire))
            del alike.lengths[_MOST_LENGTHS:]
        alike.kept += 1
        alike.longest = max(alike.longest, len(wire))
        self._kept[head, wire] = record
        self._bytes_kept += _weight(wire)
        while self._bytes_kept > self._most and len(self._kept) > 1:
            self._forget_one()
        return record

    def _liken(self, section: Section | Command, wire: bytes, named: dict[int, Section]) -> None:
        """A seed's section with some bytes altered has its values where the seed's has them: to look is to decode."""
        for other, known in self._alike[_head(wire, named)].seeds:
            if len(other) == len(wire) and isinstance(section, Section) and isinstance(known, Section):
                borrow(section, known)
                return

    def _fail(self, place: tuple[int, int, bytes], error: StreamError) -> None:
        """What cannot be read is given again and again, too: taken for the same where it ends the same."""
        self._failed[place] = error.with_traceback(None)
        if len(self._failed) > _MOST_FAILURES:
            self._failed.popitem(last=False)

    def _forget_one(self) -> None:
        (head, wire), _ = self._kept.popitem(last=False)
        self._bytes_kept -= _weight(wire)
        self._begun.pop(wire, None)
        alike = self._alike[head]
        alike.kept -= 1
        if not alike.kept and not alike.seeds:
            del self._alike[head]


def _likely_end(data: bytes, at: int, kind: int, last: int) -> int:
    """Nearly all sections end with the first footer of theirs, and packages where they say. `last`: no later than."""
    if kind != Kind.COMMAND:
        return data.find(_FOOTER + data[at + 1 : at + _PART], at + _PART, last) + FOOTER_SIZE
    if data[at + 1 : at + _PART] != _PACKAGED:
        return at + _PART + int.from_bytes(data[at + 3 : at + _PART], "big")
    return at + _PART + 4 + int.from_bytes(data[at + _PART : at + _PART + 4], "big")


def to_bytes(stream: Stream) -> bytes:
    """As `vmformat.write`, with the bytes of each section kept beside it: most of a mutant's sections are its parent's.

    Raises StreamError like `write`.
    """
    pieces = [stream.leading, stream.header.to_bytes()]
    if stream.configuration is not None:
        pieces.append(stream.configuration.to_bytes())
    for record in stream.records:
        if isinstance(record, Section):
            wire = record.__dict__.get(WIRE)
            pieces.append(wire_of(record) if wire is None else wire)
        else:
            pieces.append(record.to_bytes())
    pieces.append(stream.trailing)
    return b"".join(pieces)


def wire_of(section: Section) -> bytes:
    """The section's bytes, kept with it."""
    wire: bytes | None = section.__dict__.get(WIRE)
    if wire is None:
        wire = section.__dict__[WIRE] = section.to_bytes()
    return wire


def _weight(wire: bytes) -> int:
    return 2 * len(wire) + SECTION_BYTES


def _settled(section: Section) -> Section:
    """The section without a hold on the input that it was read from."""
    if isinstance(section.buffer, bytes):
        return section
    return section.replace_payload(section.payload)


def _head(wire: bytes, named: dict[int, Section]) -> _Head:
    """What tells sections apart before their payload: the bytes in front of it, or whose PART it is."""
    if wire[0] in {Kind.START, Kind.FULL}:
        return (wire[: _FIRST_NAME + wire[5]], *_NOBODY)
    return (wire[:_PART], *_NOBODY) if wire[0] == Kind.COMMAND else _part(wire[:_PART], named)


def _part(head: bytes, named: dict[int, Section]) -> _Head:
    owner = named.get(int.from_bytes(head[1:], "big"))
    if owner is None:
        return (head, *_NOBODY)
    return head, owner.name, owner.instance, owner.version, id(owner.schema)
