"""Where the stream comes from, and the schemas it is read with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from fuzz.corpus import CorpusError, find_machine, find_stream
from model import parse, section_schemas
from vmformat import Command, Section, read

if TYPE_CHECKING:
    from fuzz.show.options import ShowOptions
    from vmformat import Schemas, Stream

STDIN: Final = "-"


def machine_of(options: ShowOptions) -> str | None:
    """The machine named, or the one that a stream typed NAME/after belongs to, if there is one."""
    if options.machine is not None:
        return options.machine
    owner, _, moment = options.stream.rpartition("/")
    if not owner or moment not in {"before", "after"}:
        return None
    try:
        find_machine(owner)
    except CorpusError:
        return None
    return owner


def schemas_of(machine: str | None) -> Schemas | None:
    """The schemas of a machine. Raises CorpusError, DescriptionError, OSError."""
    if machine is None:
        return None
    return section_schemas(parse(find_machine(machine).description.read_bytes()))


def open_stream(options: ShowOptions, schemas: Schemas | None) -> Stream:
    """The stream. Raises CorpusError, OSError; StreamError if it is none, or damaged and must not be."""
    data = sys.stdin.buffer.read() if options.stream == STDIN else find_stream(options.stream).read_bytes()
    stream = read(data, schemas, tolerant=not options.strict)
    records = any(isinstance(record, Section | Command) for record in stream.records)
    if stream.faults and stream.configuration is None and not records:
        raise stream.faults[0].error  # nothing in it but what any file may hold
    return stream
