"""A stream as text (see `vmformat.text`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from vmformat.command import Cmd, Command
from vmformat.errors import StreamError
from vmformat.framing import MAGIC, NAMED, Kind
from vmformat.ram.context import RamContext
from vmformat.ram.walk import fitting
from vmformat.records import Eof
from vmformat.section import Section
from vmformat.stream import package_records
from vmformat.text.fields import field_lines, raw_lines
from vmformat.text.ram_lines import ram_lines
from vmformat.text.values import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.records import Record
    from vmformat.schema import Schemas
    from vmformat.stream import Stream

FIRST_LINE: Final = "vmfuzz stream text 1"
"""What a text begins with; the number is that of the form."""

_DEEPEST: Final = 16
_BREAK: Final = re.compile(rb'(?<=,)(?= \{"(?:name|vmsd_name)": )')
_PRINTABLE: Final = re.compile(rb"[ -~]*")
_HEAD: Final = 5


def text_lines(stream: Stream, schemas: Schemas | None = None) -> Iterator[str]:
    """The lines of the text, without their ends. `schemas`: for what stands in packages.

    A stretch of a file that was opened and not read yet is read here. Raises StreamError if that fails.
    """
    stream = stream.whole()
    yield FIRST_LINE
    yield from _bytes_lines(stream.leading, "")
    header = stream.header
    if header.magic:
        magic = "" if header.magic == MAGIC else f" magic {header.magic.hex()}"
        yield f"HEADER version {header.version}{magic}"
    if stream.configuration is not None:
        yield "CONFIGURATION"
        try:
            found = field_lines(stream.configuration.tree, stream.configuration.payload)
        except StreamError:
            found = raw_lines("payload", stream.configuration.payload)
        yield from (f"  {line}" for line in found)
    writer = _Writer(stream, schemas)
    for record in stream.records:
        yield from writer.record(record, "", 0)
    yield from _trailing_lines(stream.trailing)


def to_text(stream: Stream, schemas: Schemas | None = None) -> str:
    """The whole text."""
    return "".join(f"{line}\n" for line in text_lines(stream, schemas))


def record_lines(stream: Stream, record: Record, schemas: Schemas | None = None) -> Iterator[str]:
    """The lines of one record of a stream."""
    yield from _Writer(stream, schemas).record(record, "", 0)


class _Writer:
    def __init__(self, stream: Stream, schemas: Schemas | None) -> None:
        self.stream, self.schemas = stream, schemas
        self.context: RamContext | None = None  # for sections that were made, not read

    def record(self, record: Record, indent: str, depth: int) -> Iterator[str]:
        if isinstance(record, Eof):
            yield f"{indent}EOF"
        elif isinstance(record, Section):
            yield indent + _section_head(record)
            inner = self._ram(record) if record.is_ram else _payload_lines(record)
            yield from (f"{indent}  {line}" for line in inner)
        elif isinstance(record, Command):
            yield from self._command(record, indent, depth)
        else:
            yield from _bytes_lines(record.to_bytes(), indent)

    def _ram(self, section: Section) -> Iterator[str]:
        payload = section.payload
        if section.context is not None:
            return ram_lines(payload, section.context)
        if self.context is None or section.kind in NAMED:
            self.context = fitting(payload, 0, RamContext.of(self.stream.configuration))
        return ram_lines(payload, self.context)

    def _command(self, command: Command, indent: str, depth: int) -> Iterator[str]:
        packs = command.cmd == Cmd.PACKAGED and command.payload == len(command.package).to_bytes(4, "big")
        named = command.name.isidentifier() and (packs or command.cmd != Cmd.PACKAGED)
        yield f"{indent}COMMAND {command.name if named else command.cmd}"
        if packs:
            yield from self._package(command, f"{indent}  ", depth)
        elif command.payload:
            yield from (f"{indent}  {line}" for line in field_lines(command.tree, command.payload))

    def _package(self, command: Command, indent: str, depth: int) -> Iterator[str]:
        inner: tuple[Record, ...] = ()
        if depth < _DEEPEST and command.package:
            try:
                inner = package_records(self.stream, command, self.schemas)
            except StreamError:
                inner = ()
        here, there = _halves(inner)
        if not command.package.startswith(here) or not command.outside.startswith(there):
            inner, here, there = (), b"", b""
        for record in inner:
            yield from self.record(record, indent, depth + 1)
        yield from _bytes_lines(command.package[len(here) :], indent)
        yield from _bytes_lines(command.outside[len(there) :], indent, "OUTSIDE")


def _payload_lines(section: Section) -> Iterator[str]:
    tree, fault = section.read_payload()
    yield from field_lines(tree, section.payload)
    if fault is not None:
        yield f"# {fault}"


def _halves(records: tuple[Record, ...]) -> tuple[bytes, bytes]:
    """What records take of their package and of the main channel."""
    pairs = [record.halves() if isinstance(record, Command) else (record.to_bytes(), b"") for record in records]
    return b"".join(here for here, _ in pairs), b"".join(there for _, there in pairs)


def _section_head(section: Section) -> str:
    foot = "" if section.footer == section.section_id else f" footer {section.footer}"
    foot = " footer none" if section.footer is None else foot
    name = quoted(section.name.encode("latin-1", "replace"))
    if section.kind in NAMED:
        head = f"{name} instance {section.instance} version {section.version} id {section.section_id}"
        return f"{section.kind.name} {head}{foot}"
    return f"{section.kind.name} id {section.section_id}{foot}" + (f" of {name}" if section.name else "")


def _bytes_lines(data: bytes, indent: str, word: str = "BYTES") -> Iterator[str]:
    if data:
        yield indent + word
        yield from (f"{indent}  {line}" for line in raw_lines("data", data))


def _trailing_lines(data: bytes) -> Iterator[str]:
    length = int.from_bytes(data[1:_HEAD], "big")
    text = data[_HEAD : _HEAD + length]
    if data[0:1] != bytes([Kind.VMDESCRIPTION]) or len(data) < _HEAD or not _PRINTABLE.fullmatch(text):
        yield from _bytes_lines(data, "")
        return
    yield "VMDESCRIPTION" if len(text) == length else f"VMDESCRIPTION length {length}"
    start = 0
    for cut in _BREAK.finditer(text):
        yield f"  | {text[start : cut.start()].decode()}"
        start = cut.start()
    if start < len(text):
        yield f"  | {text[start:].decode()}"
    yield from _bytes_lines(data[_HEAD + length :], "")
