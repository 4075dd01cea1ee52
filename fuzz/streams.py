"""Streams as people name them on a command line, read as far as they can be read."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import vmformat
from fuzz.corpus import CorpusError, find_machine, find_stream
from model import parse, section_schemas
from vmformat import Command, Section, Span, StreamError, read
from vmformat.qcow2 import is_qcow2, vm_state

if TYPE_CHECKING:
    from pathlib import Path

    from vmformat import Fault, Schemas, Stream
    from vmformat.source import Source

STDIN: Final = "-"
_HEAD: Final = 512


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream, the schemas it was read with, and the file that it came from (None: standard input).

    `damage`: why a strict reader would not take it; None if it would.
    """

    typed: str
    stream: Stream
    schemas: Schemas | None
    path: Path | None = None
    damage: Fault | None = None


def open_stream(typed: str, machine: str | None = None, snapshot: str | None = None) -> Opened:
    """The stream in a file, a snapshot's in a .qcow2 file, `-`, NAME/before or NAME/after, as far as it can be read.

    `machine`: whose schemas to use where the stream has none of its own; not needed for NAME/after. Raises CorpusError,
    DescriptionError, OSError; StreamError if there is nothing of a stream in the file.
    """
    path = None if typed == STDIN else find_stream(typed)
    schemas = schemas_for(typed, machine)
    data = sys.stdin.buffer.read() if path is None else b""
    stream = _read(path, data, schemas, snapshot, tolerant=True)
    damage = _damage(path, data, schemas, snapshot) if stream.faults else None
    records = any(isinstance(record, Section | Command | Span) for record in stream.records)
    if damage is not None and stream.configuration is None and not records:
        raise damage.error  # nothing in it but what any file may hold
    return Opened(typed, stream, schemas, path, damage)


def _damage(path: Path | None, data: bytes, schemas: Schemas | None, snapshot: str | None) -> Fault | None:
    """What a strict reader stops at: of many faults it passes over most."""
    try:
        _read(path, data, schemas, snapshot, tolerant=False)
    except StreamError as error:
        return error.fault
    return None


def _read(path: Path | None, data: bytes, schemas: Schemas | None, snapshot: str | None, *, tolerant: bool) -> Stream:
    if path is not None:
        return vmformat.open(path, schemas, snapshot=snapshot, tolerant=tolerant)
    source: Source = vm_state(data, snapshot) if is_qcow2(data) else data
    return read(source[:], schemas, tolerant=tolerant)


def is_image(path: Path) -> bool:
    """Whether a file is a disk image, which may have snapshots. Raises OSError."""
    with path.open("rb") as file:
        return is_qcow2(file.read(_HEAD))


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
