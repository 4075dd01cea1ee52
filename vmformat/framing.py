"""The outer framing of a migration stream, record by record, as constructs (facts: stream.md 1).

No record tells its own length; what a section's payload is, `reading.extent` finds out. Everything else is here. All
integers are big-endian.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import construct

from vmformat.errors import StreamError

if TYPE_CHECKING:
    import io

    from vmformat.source import Cursor

MAGIC: Final = b"QEVM"
VERSION: Final = 3


class Kind(IntEnum):
    """The byte that a record begins with."""

    EOF = 0x00
    START = 0x01
    PART = 0x02
    END = 0x03
    FULL = 0x04
    SUBSECTION = 0x05
    VMDESCRIPTION = 0x06
    CONFIGURATION = 0x07
    COMMAND = 0x08
    FOOTER = 0x7E


RECORDS: Final = frozenset({Kind.EOF, Kind.START, Kind.PART, Kind.END, Kind.FULL, Kind.COMMAND})
"""What the main loop takes."""
NAMED: Final = frozenset({Kind.START, Kind.FULL})
"""Sections whose header has a name; the others have only the section id."""

FOOTER_SIZE: Final = 5
"""Bytes of a footer: its mark and a section id."""

BUFFER: Final = construct.Prefixed(construct.Int32ub, construct.GreedyBytes)


class Packed(construct.Construct):  # type: ignore[misc,unused-ignore]
    """Integers of fixed size, with at most one counted string among them, read by one or two `struct` calls.

    A stream has two or three of these for each section, and `construct.Struct` takes ten times as long. `fields` are
    names with struct codes, the string's code is "s".
    """

    def __init__(self, **fields: str) -> None:
        super().__init__()
        names, codes = list(fields), list(fields.values())
        at = codes.index("s") if "s" in codes else len(codes)
        self.head, self.tail = names[:at], names[at + 1 :]
        self.text = names[at] if at < len(names) else None
        self.first = struct.Struct(">" + "".join(codes[:at]))
        self.last = struct.Struct(">" + "".join(codes[at + 1 :]))

    def at(self, stream: io.BytesIO | Cursor) -> dict[str, Any]:
        """As `parse_stream`, which would first make a context that nobody here looks at."""
        return self._parse(stream, None, "")

    def _parse(self, stream: Any, _context: object, path: str) -> dict[str, Any]:
        read = construct.stream_read
        found: dict[str, Any] = dict(
            zip(self.head, self.first.unpack(read(stream, self.first.size, path)), strict=True)
        )
        if self.text is not None:
            found[self.text] = read(stream, read(stream, 1, path)[0], path)
            found.update(zip(self.tail, self.last.unpack(read(stream, self.last.size, path)), strict=True))
        return found

    def bytes_of(self, obj: Any, path: str = "") -> bytes:
        """As `build`, without the stream and the context that nobody here looks at."""
        try:
            parts = [self.first.pack(*(obj[name] for name in self.head))]
            if self.text is not None:
                text = obj[self.text]
                parts += [struct.pack("B", len(text)), text, self.last.pack(*(obj[name] for name in self.tail))]
        except struct.error as error:
            raise construct.MappingError(str(error), path=path) from None
        return b"".join(parts)

    def _build(self, obj: Any, stream: Any, _context: object, path: str) -> object:
        stream.write(self.bytes_of(obj, path))
        return obj


HEADER: Final = Packed(magic="4s", version="I")
SECTION: Final = Packed(section_id="I", name="s", instance="I", version="I")
PART: Final = Packed(section_id="I")
FOOTER: Final = Packed(mark="B", section_id="I")
COMMAND: Final = Packed(cmd="H", length="H")
VMDESCRIPTION: Final = construct.Struct("kind" / construct.Int8ub, "text" / BUFFER)


def parse(what: construct.Construct, stream: io.BytesIO | Cursor, name: str) -> Any:
    """One construct at the stream's position. Raises StreamError at the offset where the bytes end."""
    try:
        return what.at(stream) if isinstance(what, Packed) else what.parse_stream(stream)
    except construct.ConstructError as error:
        where = (error.path or "").removeprefix("(parsing)").replace(" -> ", ".").strip(".")
        path = f"{name}.{where}" if where else name
        raise StreamError(stream.tell(), path, "more bytes", "the end of the stream") from None


def build(what: construct.Construct, path: str, /, **values: object) -> bytes:
    """The bytes of one construct. Raises StreamError if a value does not fit its place."""
    try:
        result: bytes = what.bytes_of(values) if isinstance(what, Packed) else what.build(values)
    except construct.ConstructError as error:
        lines = [line for line in str(error).splitlines() if line and not line.startswith("Error in path")]
        raise StreamError(0, path, "values that fit the record", lines[0] if lines else repr(values)) from None
    return result
