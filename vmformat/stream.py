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
from vmformat.command import Cmd, Command
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
    reading = _Reading(data, _Known(describe(data), schemas or {}), footers)
    reading.shared = config is not None and "x-ignore-shared" in config.capabilities
    records, end = reading.records(start)
    return Stream(Header(head["version"]), config, records, data[end:])


def package_records(stream: Stream, command: Command, schemas: Schemas | None = None) -> tuple[Record, ...]:
    """The records in a PACKAGED command of `stream`; offsets count from the stream's start.

    A package ends by an EOF, by RUN, or (which loaders refuse) by its last byte.
    """
    trailing = stream.trailing
    reading = _Reading(command.package, _Known(describe(trailing), schemas or {}), None)
    for section in stream.sections:
        if section.offset >= command.offset:
            break
        reading.remember(section)
    reading.base = command.offset + 1 + 4 + len(command.payload)
    reading.package = True
    return reading.records(0)[0]


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


class _Reading:
    """One main loop being read."""

    def __init__(self, data: bytes, known: _Known, footers: bool | None) -> None:
        self.data, self.known, self.footers = data, known, footers
        self.stream = io.BytesIO(data)
        self.named: dict[int, Section] = {}
        self.shared = False
        self.package = False
        self.base = 0
        self.failures = 0
        self.seen: bool | None = None

    def remember(self, section: Section) -> None:
        """Later PART and END records of that id belong to it."""
        if section.kind in NAMED:
            self.named[section.section_id] = section

    def records(self, start: int) -> tuple[tuple[Record, ...], int]:
        """The records from `start` to the end of this loop, and the offset behind it."""
        found: list[Record] = []
        self.stream.seek(start)
        while True:
            at = self.stream.tell()
            byte = self.stream.read(1)
            if not byte:
                if self.package:
                    return tuple(found), at
                raise StreamError(self.base + at, "", "a record or the end-of-stream byte", "the end of the stream")
            if byte[0] not in RECORDS:
                raise StreamError(self.base + at, "", "a record's type byte", f"{byte[0]:#04x}")
            kind = Kind(byte[0])
            if kind is Kind.EOF:
                found.append(Eof(self.base + at))
                return tuple(found), at + 1
            if kind is Kind.COMMAND:
                command = self._command(at)
                found.append(command)
                if self.package and command.cmd == Cmd.POSTCOPY_RUN:
                    return tuple(found), self.stream.tell()
            else:
                found.append(self._section(kind, at))

    def _command(self, at: int) -> Command:
        head = framing.parse(framing.COMMAND, self.stream, "command")
        package = b""
        if head["cmd"] == Cmd.PACKAGED and len(head["payload"]) == 4:
            length = int.from_bytes(head["payload"], "big")
            package = self.stream.read(length)
            if len(package) != length:
                found = f"{len(package)} to the end of the stream"
                raise StreamError(self.base + self.stream.tell(), "PACKAGED", f"{length} bytes", found)
        return Command(head["cmd"], head["payload"], package, self.base + at)

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
