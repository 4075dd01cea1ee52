"""Streams: bytes to records and back, with the law `write(read(b)) == b` for every `b` that `read` takes.

`read` is a reader's reader: it takes what can be written again byte by byte, whether or not a QEMU would load it, and
leaves everything inside payloads for later. A stream that the loader would refuse (a wrong footer, a version from the
future) is often the interesting one. With `tolerant` it takes any bytes at all. The loader of the model does not come
through here.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vmformat import vmdescription
from vmformat.command import Command
from vmformat.errors import Fault, StreamError
from vmformat.framing import NAMED
from vmformat.of_input import kept
from vmformat.ram.context import RamContext
from vmformat.reading.front import SIZE, front
from vmformat.reading.known import Known
from vmformat.reading.loop import Reading
from vmformat.reading.trailing import judge
from vmformat.records import HEADER, Gap, Header, Record, Span
from vmformat.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmformat.configuration import Configuration
    from vmformat.node import Node
    from vmformat.paths import Match
    from vmformat.schema import Schemas
    from vmformat.source import Source


@dataclass(frozen=True)
class Stream:
    """A whole stream. `records` ends with the outermost `Eof`; `trailing` is what stands behind it, unread by loaders
    but for one VMDESCRIPTION.

    A tolerant reader also gives `faults`, in the order in which it met them, and `leading`: bytes before the header.
    """

    header: Header = HEADER
    configuration: Configuration | None = None
    records: tuple[Record, ...] = ()
    trailing: bytes = b""
    leading: bytes = b""
    faults: tuple[Fault, ...] = dataclass_field(default=(), compare=False, repr=False)

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections of the outermost level, in order."""
        return tuple(record for record in self.records if isinstance(record, Section))

    @cached_property
    def _before(self) -> _Before:
        return _Before(self)

    @property
    def vmdescription(self) -> bytes | None:
        """The JSON text, if the stream has it."""
        found = vmdescription.find(self.trailing)
        return None if found is None else self.trailing[found[0] : found[1]]

    def section(self, name: str, instance: int = 0) -> Section | None:
        """The first section of that name and instance."""
        return next((s for s in self.sections if s.name == name and s.instance == instance), None)

    def find(self, pattern: str, schemas: Schemas | None = None) -> list[Match]:
        """The records and fields that a pattern means (`virtio-net*/queue[2].desc`; see `paths`), in stream order.

        `schemas`: for what stands in packages. Raises StreamError for a pattern that cannot be one.
        """
        from vmformat import paths  # noqa: PLC0415 - patterns know streams

        return paths.find(self, pattern, schemas)

    def __getitem__(self, pattern: str) -> Node:
        """The node that a pattern means, the first one of several. Raises StreamError if there is none."""
        found = self.find(pattern)
        if not found:
            raise StreamError(0, pattern, "a record or field of that name", "none")
        return found[0].node

    def replace_record(self, index: int, *records: Record) -> Stream:
        """The same with record number `index` replaced by none, one or more."""
        return replace(self, records=self.records[:index] + records + self.records[index + 1 :])

    def with_records(self, records: Iterable[Record]) -> Stream:
        """The same with other records."""
        # Field by field: a mutator does this several times an input, and `replace` takes three times as long.
        return Stream(self.header, self.configuration, tuple(records), self.trailing, self.leading, self.faults)

    def whole(self) -> Stream:
        """The same with every `Span` replaced by its records. Raises StreamError if one cannot be read."""
        if not any(isinstance(record, Span) for record in self.records):
            return self
        found: list[Record] = []
        for record in self.records:
            found += record.records() if isinstance(record, Span) else (record,)
        return self.with_records(found)

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The bytes in pieces, RAM without a copy."""
        if self.leading:
            yield self.leading
        yield self.header.to_bytes()
        if self.configuration is not None:
            yield self.configuration.to_bytes()
        for record in self.records:
            if isinstance(record, Section):
                yield record.head()
                yield from record.chunks()
                yield record.foot()
            elif isinstance(record, Span):
                yield from record.chunks()
            else:
                yield record.to_bytes()
        yield self.trailing


def write(stream: Stream) -> bytes:
    """The bytes of a stream. Raises StreamError if a value does not fit its place in a record."""
    return b"".join(stream.pieces())


def read(
    data: bytes,
    schemas: Schemas | None = None,
    *,
    configuration: bool | None = None,
    footers: bool | None = None,
    tolerant: bool = False,
) -> Stream:
    """The records of a stream.

    Schemas come from the VMDESCRIPTION at its end, then from `schemas`; a section with neither ends where its footer
    does. `configuration` and `footers` tell whether the machine types have them (2.3 and older do not); None: as the
    bytes show. Raises StreamError, and nothing else, if the bytes are no stream or end before the outermost EOF.

    `tolerant`: never raises. What cannot be read stands in `Gap` records, `Stream.faults` tells what is wrong with the
    frames of records, and each section's `faults` what is wrong inside; `write` gives the same bytes again.
    """
    return read_source(data, schemas, configuration=configuration, footers=footers, tolerant=tolerant)


def read_source(
    data: Source,
    schemas: Schemas | None = None,
    *,
    configuration: bool | None = None,
    footers: bool | None = None,
    tolerant: bool = False,
) -> Stream:
    """As `read`, from a source of bytes that need not be in memory; the payloads of ram sections stay in it."""
    faults: list[Fault] | None = [] if tolerant else None
    start, leading, head, config = front(data, configuration=configuration, faults=faults)
    known = Known(describe(data), schemas or {})
    reading = Reading(data, known, footers=footers, context=context_of(config, data), faults=faults)
    if head.to_bytes() or len(data) >= SIZE:
        records, end = reading.records(start)
    else:
        records, end = ((Gap(data[:]),) if len(data) else ()), len(data)
    trailing = data[end:]
    if faults is not None:
        faults += judge(trailing, end, records)
    return Stream(head, config, records, trailing, leading, tuple(faults or ()))


def read_some(
    data: bytes, schemas: Schemas | None = None, *, configuration: bool | None = None, footers: bool | None = None
) -> tuple[Stream, bool]:
    """As `read`, but only as far as the bytes can be read: what came before, and whether that is all of it.

    Raises StreamError if header or configuration cannot be read.
    """
    start, _, head, config = front(data, configuration=configuration)
    reading = Reading(data, Known(describe(data), schemas or {}), footers=footers, context=context_of(config, data))
    found: list[Record] = []
    try:
        _, end = reading.records(start, found)
    except StreamError:
        return Stream(head, config, tuple(found)), False
    return Stream(head, config, tuple(found), data[end:]), True


def context_of(configuration: Configuration | None, data: Source) -> RamContext:
    """How the RAM of a stream is to be read, before any command has changed that."""
    found = vmdescription.find(data)
    size = None if found is None else vmdescription.page_size(data[found[0] : found[1]])
    return RamContext.of(configuration, page_size=size)


def package_records(
    stream: Stream, command: Command, schemas: Schemas | None = None, *, faults: list[Fault] | None = None
) -> tuple[Record, ...]:
    """The records in a PACKAGED command of `stream`, or of a package in it; offsets count from the stream's start.

    A package ends by an EOF, by RUN, or (which loaders refuse) by its last byte, or with a package in it that cannot be
    read. Raises StreamError if this one cannot; with a list for `faults` it is read tolerantly instead.
    """
    before = stream._before  # noqa: SLF001 - kept with the stream, a matter of this file
    known = Known(before.schemas, schemas or {})
    base = command.package_offset + len(command.package)
    main = Reading(command.outside, known, footers=None, context=before.context(command.offset), base=base)
    main.named = _NamedBefore(before, command.offset)
    return main.inside(command, faults).records(0)[0]


class _Before:
    """What stands before any place of a stream: made once, since a stream may have packages by the million."""

    def __init__(self, stream: Stream) -> None:
        self.schemas = describe(stream.trailing)
        self.contexts = [context_of(stream.configuration, stream.trailing)]
        self.commands: list[int] = []
        self.sections: dict[int, tuple[list[int], list[Section]]] = {}
        for record in stream.records:
            if isinstance(record, Section) and record.kind in NAMED:
                offsets, sections = self.sections.setdefault(record.section_id, ([], []))
                offsets.append(record.offset)
                sections.append(record)
            elif isinstance(record, Command):
                after = self.contexts[-1].after(record)
                if after is not self.contexts[-1]:
                    self.commands.append(record.offset)
                    self.contexts.append(after)

    def context(self, offset: int) -> RamContext:
        """How RAM is to be read there."""
        return self.contexts[bisect_left(self.commands, offset)]


class _NamedBefore(dict[int, Section]):
    """The sections by their ids as a package finds them, and those that it begins itself."""

    def __init__(self, before: _Before, offset: int) -> None:
        super().__init__()
        self.before, self.offset = before, offset

    def get(self, section_id: int, default: Any = None) -> Any:
        """The last section of that id."""
        own = super().get(section_id)
        if own is not None:
            return own
        offsets, sections = self.before.sections.get(section_id, ([], []))
        at = bisect_left(offsets, self.offset)
        return sections[at - 1] if at else default


def pack(records: Iterable[Record]) -> Command:
    """A PACKAGED command with these records in it: the inverse of `package_records`."""
    inside, outside = [], []
    for record in records:
        here, there = record.halves() if isinstance(record, Command) else (record.to_bytes(), b"")
        inside.append(here)
        outside.append(there)
    return Command.packaged(b"".join(inside), b"".join(outside))


def describe(data: Source) -> Schemas:
    """The schemas of the VMDESCRIPTION at the end of `data`; none if there is none that can be read."""
    found = vmdescription.find(data)
    return {} if found is None else _described(data[found[0] : found[1]])


@kept(8)
def _described(text: bytes) -> Schemas:
    try:
        return vmdescription.parse(text)
    except StreamError:
        return {}
