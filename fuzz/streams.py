"""Streams as people name them on a command line, read as far as they can be read."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import vmformat
from fuzz.beside import machine_beside
from fuzz.corpus import CorpusError, find_machine, find_stream
from vmformat import Command, Section, Span, StreamError, read
from vmformat.qcow2 import is_qcow2, vm_state

if TYPE_CHECKING:
    from vmformat import Fault, Schemas, Stream
    from vmformat.source import Source

STDIN: Final = "-"
MARK: Final = b"VMFZSCHD"
"""The end of a file that ends with a schedule (`model.schedule`)."""
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
    OSError; StreamError if there is nothing of a stream in the file.
    """
    path = None if typed == STDIN else path_of(typed)
    schemas = schemas_for(machine_for(typed, machine))
    data = sys.stdin.buffer.read() if path is None else b""
    stream = _read(path, data, schemas, snapshot, tolerant=True)
    damage = _damage(path, data, schemas, snapshot) if stream.faults else None
    if damage is not None and _is_none(stream):
        raise damage.error
    return Opened(typed, stream, schemas, path, damage)


def read_stream(
    typed: str, schemas: Schemas | None, snapshot: str | None = None, *, tolerant: bool = True
) -> tuple[Stream, tuple[str, ...]]:
    """The same stream alone, with schemas that are known already, read strictly if it is not to be `tolerant`.

    A schedule at the file's end is taken off and given beside it, as the texts of its steps.
    """
    path = None if typed == STDIN else path_of(typed)
    data = sys.stdin.buffer.read() if path is None else b""
    if path is not None and _is_scheduled(path):
        data, path = path.read_bytes(), None
    steps: tuple[str, ...] = ()
    if data.endswith(MARK):
        from model.schedule import split  # noqa: PLC0415 - most streams need no model

        data, schedule = split(data)
        steps = tuple(map(str, schedule))
    stream = _read(path, data, schemas, snapshot, tolerant=tolerant)
    if stream.faults and _is_none(stream):
        raise stream.faults[0].error
    return stream, steps


def _is_scheduled(path: Path) -> bool:
    """Whether a file's end may be a schedule."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(MARK)))
        return file.read() == MARK


def _is_none(stream: Stream) -> bool:
    """Whether there is nothing in it but what any file may hold."""
    return stream.configuration is None and not any(isinstance(r, Section | Command | Span) for r in stream.records)


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


def path_of(typed: str) -> Path:
    """A file, a pipe, or a stream by name. Raises CorpusError."""
    path = Path(typed)
    if path.is_dir():
        raise CorpusError(f"stream {typed}: is a folder")
    return path if path.exists() else find_stream(typed)


def is_image(path: Path) -> bool:
    """Whether a file is a disk image, which may have snapshots. Raises OSError."""
    with path.open("rb") as file:
        return is_qcow2(file.read(_HEAD))


def machine_for(typed: str, machine: str | None = None) -> str | None:
    """The machine named; else that of the JSON beside a kept stream, or NAME of a stream typed NAME/after, if any."""
    if machine is not None:
        return machine
    if Path(typed).is_file():
        return machine_beside(Path(typed))
    owner, _, _ = typed.rpartition("/")
    if not owner:
        return None
    try:
        find_machine(owner)
    except CorpusError:
        return None
    return owner


def schemas_for(machine: str | None) -> Schemas | None:
    """The schemas of a machine, None of none. Raises CorpusError, OSError."""
    if machine is None:
        return None
    from model import DescriptionError, parse, section_schemas  # noqa: PLC0415 - most streams need no model

    try:
        return section_schemas(parse(find_machine(machine).description.read_bytes()))
    except DescriptionError as error:
        raise CorpusError(f"machine {machine}: {error}") from None
