"""Where the stream comes from, and the schemas it is read with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import vmformat
from fuzz.corpus import CorpusError, find_machine, find_stream
from vmformat import Command, Section, Span, read
from vmformat.qcow2 import is_qcow2, vm_state

if TYPE_CHECKING:
    from fuzz.show.options import ShowOptions
    from vmformat import Schemas, Stream
    from vmformat.source import Source

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
    """The schemas of a machine. Raises CorpusError, OSError."""
    if machine is None:
        return None
    from model import DescriptionError, parse, section_schemas  # noqa: PLC0415 - most streams need no model

    try:
        return section_schemas(parse(find_machine(machine).description.read_bytes()))
    except DescriptionError as error:
        raise CorpusError(f"machine {machine}: {error}") from None


def _path(text: str) -> Path:
    """A file, a pipe, or a stream by name. Raises CorpusError."""
    path = Path(text)
    if path.is_dir():
        raise CorpusError(f"stream {text}: is a folder")
    return path if path.exists() else find_stream(text)


def open_stream(options: ShowOptions, schemas: Schemas | None) -> Stream:
    """The stream. Raises CorpusError, OSError; StreamError if it is none, or damaged and must not be."""
    tolerant = not options.strict
    if options.stream == STDIN:
        data: Source = sys.stdin.buffer.read()
        if is_qcow2(data):
            data = vm_state(data, options.snapshot)
        stream = read(data[:], schemas, tolerant=tolerant)
    else:
        stream = vmformat.open(_path(options.stream), schemas, snapshot=options.snapshot, tolerant=tolerant)
    records = any(isinstance(record, Section | Command | Span) for record in stream.records)
    if stream.faults and stream.configuration is None and not records:
        raise stream.faults[0].error  # nothing in it but what any file may hold
    return stream
