"""The reader's main loop: bytes to records, strictly or tolerantly, by one grammar.

A strict reader raises at the first thing that is no record. A tolerant one notes a `Fault` there, keeps what cannot be
a record as a `Gap` and goes on where the next record seems to begin (`resync`); what a loader would complain about, but
a reader need not, it notes as well. Either way the records' bytes are the bytes that were read.

A package in a package stands in the main channel behind the one around it (facts: stream.md 1.7), so nobody knows where
a package's bytes end before its commands have been followed.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vmformat import framing
from vmformat.command import LENGTHS, Cmd, Command, takes_from_main
from vmformat.errors import Fault, StreamError
from vmformat.framing import NAMED, RECORDS, Kind
from vmformat.iterable.payloads import ITERABLE
from vmformat.ram.context import RamContext
from vmformat.reading.extent import Payload, find_end
from vmformat.reading.resync import next_record
from vmformat.records import Eof, Gap
from vmformat.section import Section
from vmformat.source import Cursor, View

if TYPE_CHECKING:
    from vmformat.reading.known import Known
    from vmformat.records import Record
    from vmformat.schema import Schema
    from vmformat.source import Source

_MOST_FAILURES: Final = 64
"""After so many payloads that were not what their schemas say only footers are looked for."""

_MOST_LOST: Final = 64
"""After so many payloads without an end a footer is looked for only up to where the next record seems to begin."""

_MOST_SAID: Final = 1024
"""Faults that are told with numbers: a text of its own for each takes more memory than the bytes are worth."""

_PACKAGE_HEAD: Final = 9
_COMMANDS: Final = frozenset(Cmd) - {Cmd.INVALID}


class _CutError(StreamError):
    """The main channel ends within what a command takes from it."""


class Reading:
    """One main loop being read: the outermost one, or that of a package."""

    __slots__ = (
        "base", "context", "data", "failures", "faults", "footers", "known", "lost", "main", "named", "seen", "stream",
    )  # fmt: skip

    def __init__(
        self,
        data: Source,
        known: Known,
        *,
        footers: bool | None,
        context: RamContext,
        faults: list[Fault] | None = None,
        main: Reading | None = None,
        base: int = 0,
    ) -> None:
        self.data, self.known, self.footers, self.context = data, known, footers, context
        self.stream: io.BytesIO | Cursor = io.BytesIO(data) if isinstance(data, bytes) else Cursor(data)
        self.main = main  # None: this is it
        self.named: dict[int, Section] = {} if main is None else main.named
        self.faults = faults  # None: strict
        self.base = base
        self.failures = self.lost = 0
        self.seen: bool | None = None

    def inside(self, command: Command, faults: list[Fault] | None = None) -> Reading:
        """The loop over a package."""
        return Reading(
            command.package,
            self.known,
            footers=self.footers,
            context=self.context,
            faults=faults,
            main=self.main or self,
            base=command.package_offset,
        )

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
        while not stopped:
            at = self.stream.tell()
            record: Record | None
            try:
                record = self.record()
                if isinstance(record, Command) and record.package:
                    record, stopped = self._follow(record)
            except StreamError as error:
                if self.faults is None:
                    raise
                record = self._gap(at, error)
            if record is None:
                break
            found.append(record)
            stopped = self._ends(record) or (stopped and self.main is not None)
        return tuple(found), self.stream.tell()

    def step(self, at: int) -> tuple[Record, int]:
        """One record of the outermost loop, strictly: the one at an offset, and the offset behind it."""
        self.stream.seek(at)
        record = self.record()
        assert record is not None
        if isinstance(record, Command) and record.package:
            record, _ = self._follow(record)
        return record, self.stream.tell()

    def fault(self, fault: Fault) -> None:
        """Note something that a strict reader passes over."""
        if self.faults is not None:
            self.faults.append(fault)

    def _gap(self, at: int, error: StreamError) -> Gap | None:
        """What is left out after an error in the record at an offset: to the next one, or a package's head only."""
        self.fault(error.fault)
        if self.main is not None and isinstance(error, _CutError):
            self.stream.seek(len(self.data))
        if at >= len(self.data):
            return None
        head = self.data[at : at + 5]
        if head == bytes([Kind.COMMAND]) + Cmd.PACKAGED.to_bytes(2, "big") + b"\0\4":
            end = min(at + _PACKAGE_HEAD, len(self.data))  # its records can be read all the same
        else:
            end = next_record(self.data, at + 1)
        self.stream.seek(end)
        return Gap(self.data[at:end], self.base + at)

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
            except _CutError:
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

    def record(self) -> Section | Command | Eof | None:
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
        command = Command(cmd, payload, package, b"", self.base + at, start)
        if cmd == Cmd.POSTCOPY_ADVISE:
            self.context = self.context.after(command)
        if self.faults is not None:
            self._judge(command)
        return command

    def _judge(self, command: Command) -> None:
        """Note what a loader refuses in a command whose bytes are all there."""
        wanted = LENGTHS.get(command.cmd)
        found = len(command.payload)
        if command.cmd not in _COMMANDS:
            self.fault(Fault(command.offset, "command.cmd", "a command's number", str(command.cmd)))
        elif wanted is not None and found != wanted:
            self.fault(Fault(command.offset + 3, f"{command.name}.length", str(wanted), str(found)))

    def take(self, length: int, path: str) -> bytes:
        """The next bytes of this channel."""
        if length > len(self.data) - self.stream.tell():
            error = _CutError if self.main is None else StreamError
            found = f"{max(len(self.data) - self.stream.tell(), 0)} to the end of the stream"
            self.stream.seek(len(self.data))
            raise error(self.base + len(self.data), path, f"{length} bytes", found)
        return self.stream.read(length)

    def _section(self, kind: Kind, at: int) -> Section:
        head = framing.parse(framing.SECTION if kind in NAMED else framing.PART, self.stream, "section")
        section_id = head["section_id"]
        owner: Section | None = None
        if kind in NAMED:
            name, instance, version = head["name"].decode("latin-1"), head["instance"], head["version"]
            schemas = self.known.candidates(name, instance, version)
        else:
            owner = self.named.get(section_id)
            name, instance, version, schemas = "", 0, 0, ()
            if owner is not None:
                name, instance, version = owner.name, owner.instance, owner.version
                schemas = () if owner.schema is None else (owner.schema,)
        start = self.stream.tell()
        what = Payload(start, section_id, name, version, schemas, self.context, self.known.told(name, instance))
        end, told = self._end(what)
        context = told if isinstance(told, RamContext) else None
        schema = None if isinstance(told, RamContext) else told
        payload = self._payload(name, start, end)
        footer = None
        self.stream.seek(end)
        if self.footers is not False and self.data[end : end + 1] == bytes([Kind.FOOTER]):
            footer = framing.parse(framing.FOOTER, self.stream, name)["section_id"]
            if footer == section_id:
                footer = section_id  # one object, not two: small sections come by the million
        if self.seen is None:
            self.seen = footer is not None
        section = Section(kind, section_id, name, instance, version, payload, schema, footer, self.base + at, context)
        if self.faults is not None:
            self._judge_section(section, end, known=kind in NAMED or owner is not None)
        self.remember(section)
        return section

    def _judge_section(self, section: Section, end: int, *, known: bool) -> None:
        """Note what a loader refuses in the frame of a section."""
        if not known:
            many = len(self.faults or ()) > _MOST_SAID
            found = "another id" if many else f"section id {section.section_id}"
            self.fault(Fault(section.offset + 1, "section.section_id", "the id of a section that began", found))
        elif not section.name:
            self.fault(Fault(section.offset + 5, "section.name", "a name", "none"))
        wanted = f"the footer of section {section.section_id}"
        if section.footer is None:
            if self.footers is not False and self.seen and end < len(self.data):
                found = f"byte {self.data[end]:#04x}"
                if not (self.faults and self.faults[-1].expected == wanted):
                    self.fault(Fault(self.base + end, section.name, wanted, found))
        elif section.footer != section.section_id:
            self.fault(Fault(self.base + end + 1, section.name, wanted, f"that of section {section.footer}"))

    def _payload(self, name: str, start: int, end: int) -> bytes | memoryview | View:
        """The payload; of RAM, which is most of a large stream, without a copy."""
        if name not in ITERABLE:
            return self.data[start:end]
        if isinstance(self.data, bytes):
            return memoryview(self.data)[start:end]
        return View(self.data, start, end)

    def _end(self, payload: Payload) -> tuple[int, Schema | RamContext | None]:
        """Where a payload ends, and its schema; of RAM how it is to be read."""
        likely = payload.context if payload.name == "ram" else payload.schemas[0] if payload.schemas else None
        lost = self.lost >= _MOST_LOST
        try:
            extent = find_end(
                self.data,
                payload,
                footers=self.footers,
                seen=self.seen,
                trust=self.failures < _MOST_FAILURES or (self.footers is False and not lost),
                within=next_record(self.data, payload.start) if lost else None,
            )
        except StreamError as error:
            moved = StreamError(self.base + error.offset, error.path, error.expected, error.found)
            if self.faults is None:
                raise moved from None
            self.fault(moved.fault)
            self.lost += 1
            return self._lost_end(payload.start), likely
        self.failures += extent.failed
        return extent.end, extent.told or likely

    def _lost_end(self, start: int) -> int:
        """The end of a payload that nothing tells: where the next record seems to begin, or a footer before it."""
        end = next_record(self.data, start)
        footer = end - framing.FOOTER_SIZE
        return footer if footer >= start and self.data[footer] == Kind.FOOTER else end
