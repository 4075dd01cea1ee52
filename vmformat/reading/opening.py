"""Files as streams: what is large stays where it is, and the RAM in the middle of it is not even walked.

Nothing in a stream says where its devices begin; all of RAM comes before them. But the last ram section ends with an
end mark and its footer, and from there to the end every byte is told by schemas and footers: so the last such mark from
which everything reads on to the outermost EOF is where the devices begin. What lies between is a `Span`. Where that
does not work out (postcopy, damage) the stream is walked as a whole, RAM still staying where it is.
"""

from __future__ import annotations

import io
import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vmformat.command import Cmd, Command
from vmformat.errors import StreamError
from vmformat.framing import Kind
from vmformat.qcow2 import is_qcow2, vm_state
from vmformat.reading.front import front
from vmformat.reading.known import Known
from vmformat.reading.loop import Reading
from vmformat.records import Eof, Record, Span
from vmformat.section import Section
from vmformat.source import View
from vmformat.stream import Stream, context_of, describe, read, read_source

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from vmformat.schema import Schemas
    from vmformat.source import Source

LARGE: Final = 64 << 20
"""Bytes up to which a file is simply read."""

_TAIL: Final = 256 << 20
"""Bytes at the end in which the devices must begin."""

_DESCRIBED: Final = 16 << 20
"""Bytes at the end in which the VMDESCRIPTION must stand."""

_MOST_MARKS: Final = 256
"""End marks that are tried."""

_EOS: Final = b"\0\0\0\0\0\0\0\x10"
_MOST_FRONT: Final = 64
_LISTED: Final = frozenset({Kind.FULL, Kind.START, Kind.COMMAND})


def open(  # noqa: A001 - as `gzip.open`, `tarfile.open`
    path: str | os.PathLike[str],
    schemas: Schemas | None = None,
    *,
    snapshot: str | None = None,
    configuration: bool | None = None,
    footers: bool | None = None,
    tolerant: bool = False,
    large: int = LARGE,
) -> Stream:
    """The stream in a file, read lazily if it is larger than `large` bytes and can be mapped.

    Then RAM may be a `Span` (`Stream.whole` reads it), and the payloads of ram sections are looked up in the file when
    they are asked for: it must not change meanwhile. Of a qcow2 image the VM state of an internal snapshot is read:
    that named `snapshot`, or the only one. The other arguments are those of `read`. Raises OSError if the file cannot
    be read, StreamError as `read` does, and, also when reading tolerantly, for an image without such a snapshot.
    """
    with Path(path).open("rb") as file:
        size = file.seek(0, io.SEEK_END) if file.seekable() else 0
        if size <= large:
            if file.seekable():
                file.seek(0)
            source: Source = file.read()
        else:
            source = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if is_qcow2(source):
        source = vm_state(source, snapshot)
        source = source[:] if len(source) <= large else source
    elif snapshot is not None:
        raise StreamError(0, "", "a qcow2 image with snapshots", source[:4].hex(" ") or "nothing")
    if isinstance(source, bytes):
        return read(source, schemas, configuration=configuration, footers=footers, tolerant=tolerant)
    return open_source(source, schemas, configuration=configuration, footers=footers, tolerant=tolerant)


def open_source(
    source: Source,
    schemas: Schemas | None = None,
    *,
    configuration: bool | None = None,
    footers: bool | None = None,
    tolerant: bool = False,
) -> Stream:
    """As `open`, for a source of bytes however large: a mapped file, a snapshot in an image."""
    try:
        lazy = _Lazy(source, schemas or {}, configuration=configuration, footers=footers).stream()
    except StreamError:
        lazy = None
    if lazy is not None:
        return lazy
    return read_source(source, schemas, configuration=configuration, footers=footers, tolerant=tolerant)


class _Lazy:
    """A large stream whose RAM is stepped over."""

    def __init__(self, source: Source, schemas: Schemas, *, configuration: bool | None, footers: bool | None) -> None:
        self.source = source
        self.footers = footers
        end = View(source, max(len(source) - _DESCRIBED, 0), len(source))
        self.known = Known(describe(end), schemas)
        self.start, _, self.header, self.configuration = front(source, configuration=configuration)
        self.context = context_of(self.configuration, end)
        self.named: dict[int, Section] = {}

    def stream(self) -> Stream | None:
        """The stream, or None if it has to be walked. Raises StreamError if something before the RAM cannot be read."""
        first = self.reading(self.source)
        first.stream.seek(self.start)
        before = self._front(first)
        ram = next((record for record in before if isinstance(record, Section) and record.is_ram), None)
        if ram is None or any(isinstance(r, Command) and r.cmd == Cmd.POSTCOPY_ADVISE for r in before):
            return None
        begin = first.stream.tell()
        for at in self._marks(ram, begin):
            try:
                behind = self.reading(self.source)
                records, end = behind.records(at)
            except StreamError:
                continue
            trailing = self.source[end:]
            if isinstance(records[-1], Eof) and (not trailing or trailing[0] == Kind.VMDESCRIPTION):
                middle: tuple[Record, ...] = (self._span(begin, at),) if begin < at else ()
                return Stream(self.header, self.configuration, (*before, *middle, *records), trailing)
        return None

    def reading(self, source: Source, base: int = 0) -> Reading:
        """A reader that knows what sections have begun."""
        made = Reading(source, self.known, footers=self.footers, context=self.context, base=base)
        made.named = self.named
        return made

    def _front(self, reading: Reading) -> list[Record]:
        """The records before the first pages: commands and STARTs."""
        found: list[Record] = []
        while len(found) < _MOST_FRONT:
            at = reading.stream.tell()
            if self.source[at : at + 1] not in {bytes([kind]) for kind in _LISTED}:
                break
            record = reading.record()
            if not isinstance(record, Section | Command) or (isinstance(record, Command) and record.package):
                reading.stream.seek(at)
                break
            found.append(record)
        return found

    def _marks(self, ram: Section, begin: int) -> Iterator[int]:
        """Where the devices may begin, likely ones first: behind the end marks of ram sections, from the last on."""
        footer = b"" if ram.footer is None else bytes([Kind.FOOTER]) + ram.section_id.to_bytes(4, "big")
        mark = _EOS + footer
        low = max(len(self.source) - _TAIL, begin - len(mark), 0)
        at = self.source.rfind(mark, low)
        for _ in range(_MOST_MARKS):
            if at < low:
                break
            yield at + len(mark)
            at = self.source.rfind(mark, low, at + len(mark) - 1)

    def _span(self, start: int, stop: int) -> Span:
        view = View(self.source, start, stop)

        def records() -> tuple[Record, ...]:
            reading = self.reading(view, start)
            found: list[Record] = []
            while reading.stream.tell() < len(view):
                at = reading.stream.tell()
                record = reading.record()
                if record is None or isinstance(record, Eof):
                    raise StreamError(start + at, "", "a record before the devices", "the end-of-stream byte")
                found.append(record)
            return tuple(found)

        return Span(view, start, records)
