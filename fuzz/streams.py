"""Streams as people name them on a command line, read as far as they can be read."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.corpus import CorpusError, find_machine, find_stream
from model import parse, section_schemas
from vmformat import Command, Section, StreamError, read, write

if TYPE_CHECKING:
    from pathlib import Path

    from vmformat import Fault, Schemas, Stream

STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream, the schemas it was read with, and the file that it came from (None: standard input)."""

    typed: str
    stream: Stream
    schemas: Schemas | None
    path: Path | None

    @property
    def damage(self) -> Fault | None:
        """What a strict reader would complain about; None if it would read the stream."""
        if not self.stream.faults:
            return None
        try:
            read(write(self.stream), self.schemas)
        except StreamError as error:
            return error.fault
        return None


def open_stream(typed: str, machine: str | None = None) -> Opened:
    """The stream in a file, `-`, NAME/before or NAME/after, tolerantly read.

    `machine`: whose schemas to use where the stream has none of its own; not needed for NAME/after. Raises CorpusError,
    DescriptionError, OSError; StreamError if there is nothing of a stream in the file.
    """
    path = None if typed == STDIN else find_stream(typed)
    schemas = schemas_for(typed, machine)
    data = sys.stdin.buffer.read() if path is None else path.read_bytes()
    stream = read(data, schemas, tolerant=True)
    records = any(isinstance(record, Section | Command) for record in stream.records)
    if stream.faults and stream.configuration is None and not records:
        raise stream.faults[0].error  # nothing in it but what any file may hold
    return Opened(typed, stream, schemas, path)


def machine_for(typed: str, machine: str | None = None) -> str | None:
    """The machine named, or the one that a stream typed NAME/after belongs to, if there is one."""
    if machine is not None:
        return machine
    owner, _, moment = typed.rpartition("/")
    if not owner or moment not in {"before", "after"}:
        return None
    try:
        find_machine(owner)
    except CorpusError:
        return None
    return owner


def schemas_for(typed: str, machine: str | None) -> Schemas | None:
    """That machine's schemas. Raises CorpusError, DescriptionError, OSError."""
    name = machine_for(typed, machine)
    return None if name is None else section_schemas(parse(find_machine(name).description.read_bytes()))
