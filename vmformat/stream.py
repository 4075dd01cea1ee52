"""Streams: bytes to records and back, with the law `write(read(b)) == b` for every `b` that `read` takes.

`read` is a reader's reader: it takes what can be written again byte by byte, whether or not a QEMU would load it, and
leaves everything inside payloads for later. A stream that the loader would refuse (a wrong footer, a version from the
future) is often the interesting one. The loader of the model does not come through here.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from vmformat import framing, vmdescription
from vmformat.command import Cmd, Command, takes_from_main
from vmformat.configuration import Configuration
from vmformat.errors import StreamError
from vmformat.extent import find_end
from vmformat.framing import NAMED, RECORDS, Kind
from vmformat.guess import is_opaque
from vmformat.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmformat.schema import Schema, Schemas


@dataclass(frozen=True)
class Header:
    """The first 8 bytes."""

    version: int = framing.VERSION

    def to_bytes(self) -> bytes:
        """Magic and version."""
        return framing.build(framing.HEADER, "header", magic=framing.MAGIC, version=self.version)


@dataclass(frozen=True, slots=True)
class Eof:
    """The byte 0 that ends a stream, or a package."""

    offset: int = dataclass_field(default=0, compare=False)

    def to_bytes(self) -> bytes:
        """One zero."""
        return bytes([Kind.EOF])


Record: TypeAlias = Section | Command | Eof


@dataclass(frozen=True)
class Stream:
    """A whole stream. `records` ends with the outermost `Eof`; `trailing` is what stands behind it, unread by loaders
    but for one VMDESCRIPTION.
    """

    header: Header = Header()
    configuration: Configuration | None = None
    records: tuple[Record, ...] = ()
    trailing: bytes = b""

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections of the outermost level, in order."""
        return tuple(record for record in self.records if isinstance(record, Section))

    @property
    def vmdescription(self) -> bytes | None:
        """The JSON text, if the stream has it."""
        found = vmdescription.find(self.trailing)
        return None if found is None else self.trailing[found[0] : found[1]]

    def section(self, name: str, instance: int = 0) -> Section | None:
        """The first section of that name and instance."""
        return next((s for s in self.sections if s.name == name and s.instance == instance), None)

    def replace_record(self, index: int, *records: Record) -> Stream:
        """The same with record number `index` replaced by none, one or more."""
        return replace(self, records=self.records[:index] + records + self.records[index + 1 :])

    def with_records(self, records: Iterable[Record]) -> Stream:
        """The same with other records."""
        return replace(self, records=tuple(records))

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The bytes in pieces, RAM without a copy."""
        yield self.header.to_bytes()
        if self.configuration is not None:
            yield self.configuration.to_bytes()
        for record in self.records:
            if isinstance(record, Section):
                yield from (record.head(), record.buffer, record.foot())
            else:
                yield record.to_bytes()
        yield self.trailing


def write(stream: Stream) -> bytes:
    """The bytes of a stream. Raises StreamError if a value does not fit its place in a record."""
    return b"".join(stream.pieces())


def read(
    data: bytes, schemas: Schemas | None = None, *, configuration: bool | None = None, footers: bool | None = None
) -> Stream:
    """The records of a stream.

    Schemas come from the VMDESCRIPTION at its end, then from `schemas`; a section with neither ends where its footer
    does. `configuration` and `footers` tell whether the machine types have them (2.3 and older do not); None: as the
    bytes show. Raises StreamError, and nothing else, if the bytes are no stream or end before the outermost EOF.
    """
    start, head, config = _front(data, configuration=configuration)
    reading = _Reading(data, _Known(describe(data), schemas or {}), footers, shared=_shares(config))
    records, end = reading.records(start)
    return Stream(head, config, records, data[end:])


def read_some(
    data: bytes, schemas: Schemas | None = None, *, configuration: bool | None = None, footers: bool | None = None
) -> tuple[Stream, bool]:
    """As `read`, but only as far as the bytes can be read: what came before, and whether that is all of it.

    Raises StreamError if header or configuration cannot be read.
    """
    start, head, config = _front(data, configuration=configuration)
    reading = _Reading(data, _Known(describe(data), schemas or {}), footers, shared=_shares(config))
    found: list[Record] = []
    try:
        _, end = reading.records(start, found)
    except StreamError:
        return Stream(head, config, tuple(found)), False
    return Stream(head, config, tuple(found), data[end:]), True


def _shares(configuration: Configuration | None) -> bool:
    """Whether RAM blocks are listed with an address."""
    return configuration is not None and "x-ignore-shared" in configuration.capabilities


def _front(data: bytes, *, configuration: bool | None) -> tuple[int, Header, Configuration | None]:
    """Where the records begin, the header, the configuration."""
    stream = io.BytesIO(data)
    head = framing.parse(framing.HEADER, stream, "header")
    if head["magic"] != framing.MAGIC:
        raise StreamError(0, "header.magic", "51 45 56 4d", head["magic"].hex(" "))
    if head["version"] != framing.VERSION:
        raise StreamError(4, "header.version", str(framing.VERSION), str(head["version"]))
    start = stream.tell()
    config = None
    if configuration or (configuration is None and data[start : start + 1] == bytes([Kind.CONFIGURATION])):
        if data[start : start + 1] != bytes([Kind.CONFIGURATION]):
            raise StreamError(start, "configuration", "07", data[start : start + 1].hex() or "the end of the stream")
        config = Configuration.read(data, start)
        start += 1 + len(config.payload)
    return start, Header(head["version"]), config


def package_records(stream: Stream, command: Command, schemas: Schemas | None = None) -> tuple[Record, ...]:
    """The records in a PACKAGED command of `stream`, or of a package in it; offsets count from the stream's start.

    A package ends by an EOF, by RUN, or (which loaders refuse) by its last byte, or with a package in it that cannot be
    read. Raises StreamError if this one cannot.
    """
    known = _Known(describe(stream.trailing), schemas or {})
    main = _Reading(command.outside, known, None, shared=_shares(stream.configuration))
    main.base = command.package_offset + len(command.package)
    for section in stream.sections:
        if section.offset >= command.offset:
            break
        main.remember(section)
    return main.inside(command).records(0)[0]


def pack(records: Iterable[Record]) -> Command:
    """A PACKAGED command with these records in it: the inverse of `package_records`."""
    inside, outside = [], []
    for record in records:
        here, there = record.halves() if isinstance(record, Command) else (record.to_bytes(), b"")
        inside.append(here)
        outside.append(there)
    return Command.packaged(b"".join(inside), b"".join(outside))


def describe(data: bytes) -> Schemas:
    """The schemas of the VMDESCRIPTION at the end of `data`; none if there is none that can be read."""
    found = vmdescription.find(data)
    return {} if found is None else _described(data[found[0] : found[1]])


@lru_cache(maxsize=8)
def _described(text: bytes) -> Schemas:
    try:
        return vmdescription.parse(text)
    except StreamError:
        return {}


_MOST_FAILURES = 64


class _Known:
    """Schemas from two sources, the first one first, but an opaque schema last of all."""

    def __init__(self, first: Schemas, second: Schemas) -> None:
        self.first, self.second = first, second

    def get(self, name: str, instance: int) -> Schema | None:
        """The best schema for that section."""
        one = self.first.get((name, instance))
        if one is None or is_opaque(one):
            return self.second.get((name, instance)) or one
        return one


class _Cut(StreamError):
    """The main channel ends within what a command takes from it."""


class _Reading:
    """One main loop being read: the outermost one, or that of a package.

    A package in a package stands in the main channel behind the one around it (facts: stream.md 1.7), so nobody knows
    where a package's bytes end before its commands have been followed.
    """

    __slots__ = ("base", "data", "failures", "footers", "known", "main", "named", "seen", "shared", "stream")

    def __init__(
        self, data: bytes, known: _Known, footers: bool | None, *, shared: bool, main: _Reading | None = None
    ) -> None:
        self.data, self.known, self.footers, self.shared = data, known, footers, shared
        self.stream = io.BytesIO(data)
        self.main = main  # None: this is it
        self.named: dict[int, Section] = {} if main is None else main.named
        self.base = 0
        self.failures = 0
        self.seen: bool | None = None

    def inside(self, command: Command) -> _Reading:
        """The loop over a package."""
        main = self.main or self
        inner = _Reading(command.package, self.known, self.footers, shared=self.shared, main=main)
        inner.base = command.package_offset
        return inner

    def remember(self, section: Section) -> None:
        """Later PART and END records of that id belong to it."""
        if section.kind in NAMED:
            self.named[section.section_id] = section

    def records(self, start: int, found: list[Record] | None = None) -> tuple[tuple[Record, ...], int]:
        """The records from `start` to the end of this loop, and the offset behind it.

        They go into `found` one by one, so that whoever gave it has them if this raises.
        """
        found = [] if found is None else found
        self.stream.seek(start)
        stopped = False
        while not stopped and (record := self.record()) is not None:
            if isinstance(record, Command) and record.package:
                record, stopped = self._follow(record)
            found.append(record)
            stopped = self._ends(record) or (stopped and self.main is not None)
        return tuple(found), self.stream.tell()

    def _follow(self, command: Command) -> tuple[Command, bool]:
        """The command with what its package takes from the main channel; whether every loop in it ends here.

        They do by RUN, or by a package that cannot be read: that is for those to complain who look into it.
        """
        main = self.main or self
        start = main.stream.tell()
        loops = [self.inside(command)]
        while loops:
            try:
                record = loops[-1].record()
            except _Cut:
                raise
            except StreamError:
                break
            if isinstance(record, Command) and record.cmd == Cmd.POSTCOPY_RUN:
                break
            if record is None or isinstance(record, Eof):
                loops.pop()
            elif isinstance(record, Command) and record.package:
                loops.append(self.inside(record))
        return replace(command, outside=main.data[start : main.stream.tell()]), bool(loops)

    def _ends(self, record: Record) -> bool:
        if isinstance(record, Command):
            return record.cmd == Cmd.POSTCOPY_RUN and self.main is not None
        return isinstance(record, Eof)

    def record(self) -> Record | None:
        """The next record, with nothing in `outside`; None behind the last one of a package."""
        at = self.stream.tell()
        byte = self.stream.read(1)
        if not byte:
            if self.main is not None:
                return None
            raise StreamError(self.base + at, "", "a record or the end-of-stream byte", "the end of the stream")
        if byte[0] not in RECORDS:
            raise StreamError(self.base + at, "", "a record's type byte", f"{byte[0]:#04x}")
        kind = Kind(byte[0])
        if kind is Kind.EOF:
            return Eof(self.base + at)
        return self._command(at) if kind is Kind.COMMAND else self._section(kind, at)

    def _command(self, at: int) -> Command:
        head = framing.parse(framing.COMMAND, self.stream, "command")
        cmd, length = head["cmd"], head["length"]
        main = self.main or self
        payload = (main if takes_from_main(cmd, length) else self).take(length, "command.payload")
        package, start = b"", 0
        if cmd == Cmd.PACKAGED and len(payload) == 4:
            start = main.base + main.stream.tell()
            package = main.take(int.from_bytes(payload, "big"), "PACKAGED")
        return Command(cmd, payload, package, b"", self.base + at, start)

    def take(self, length: int, path: str) -> bytes:
        """The next bytes of this channel."""
        taken = self.stream.read(length)
        if len(taken) != length:
            error = _Cut if self.main is None else StreamError
            found = f"{len(taken)} to the end of the stream"
            raise error(self.base + self.stream.tell(), path, f"{length} bytes", found)
        return taken

    def _section(self, kind: Kind, at: int) -> Section:
        if kind in NAMED:
            head = framing.parse(framing.SECTION, self.stream, "section")
            name = head["name"].decode("latin-1")
            instance, version = head["instance"], head["version"]
            schema = self.known.get(name, instance)
        else:
            head = framing.parse(framing.PART, self.stream, "section")
            owner = self.named.get(head["section_id"])
            name, instance, version, schema = "", 0, 0, None
            if owner is not None:
                name, instance, version, schema = owner.name, owner.instance, owner.version, owner.schema
        start = self.stream.tell()
        end = self._end(start, head["section_id"], name, version, schema)
        ram = name == "ram"
        payload = memoryview(self.data)[start:end] if ram else self.data[start:end]
        footer = None
        self.stream.seek(end)
        if self.footers is not False and self.data[end : end + 1] == bytes([Kind.FOOTER]):
            footer = framing.parse(framing.FOOTER, self.stream, name)["section_id"]
            if footer == head["section_id"]:
                footer = head["section_id"]  # one object, not two: small sections come by the million
        if self.seen is None:
            self.seen = footer is not None
        section = Section(kind, head["section_id"], name, instance, version, payload, schema, footer, self.base + at)
        self.remember(section)
        return section

    def _end(self, start: int, section_id: int, name: str, version: int, schema: Schema | None) -> int:
        try:
            end, failed = find_end(
                self.data,
                start,
                section_id=section_id,
                name=name,
                version=version,
                schema=schema,
                footers=self.footers,
                seen=self.seen,
                shared=self.shared,
                trust=self.failures < _MOST_FAILURES,
            )
        except StreamError as error:
            raise StreamError(self.base + error.offset, error.path, error.expected, error.found) from None
        self.failures += failed
        return end
