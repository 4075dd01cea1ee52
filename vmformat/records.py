"""What a stream consists of besides sections and commands."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Final, TypeAlias

from vmformat import framing
from vmformat.command import Command
from vmformat.framing import Kind
from vmformat.section import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmformat.source import View


@dataclass(frozen=True)
class Header:
    """The first 8 bytes: `magic` (4 bytes) and `version` (32 bits).

    No magic at all: the stream has no header (only a tolerant reader gives such a thing).
    """

    version: int = framing.VERSION
    magic: bytes = framing.MAGIC

    def to_bytes(self) -> bytes:
        """Magic and version."""
        if not self.magic:
            return b""
        return framing.build(framing.HEADER, "header", magic=self.magic, version=self.version)


HEADER: Final = Header()
"""That of every stream."""


@dataclass(frozen=True, slots=True)
class Eof:
    """The byte 0 that ends a stream, or a package."""

    offset: int = dataclass_field(default=0, compare=False)

    def to_bytes(self) -> bytes:
        """One zero."""
        return bytes([Kind.EOF])


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes that are no record, from `offset` on: what a tolerant reader passes over to the next thing it knows."""

    data: bytes
    offset: int = dataclass_field(default=0, compare=False)

    def to_bytes(self) -> bytes:
        """Those bytes."""
        return self.data


@dataclass(frozen=True, slots=True)
class Span:
    """Records, from `offset` on, that nobody has looked at yet: the RAM of a large file that was opened.

    `size` is in bytes. `records()` reads them; `Stream.whole` puts them in its place.
    """

    view: View
    offset: int = dataclass_field(compare=False)
    read: Callable[[], tuple[Record, ...]] = dataclass_field(compare=False, repr=False)

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.view)

    def records(self) -> tuple[Record, ...]:
        """The records. Raises StreamError if they cannot be read."""
        return self.read()

    def chunks(self) -> Iterator[bytes]:
        """The bytes in pieces."""
        return self.view.chunks()

    def to_bytes(self) -> bytes:
        """All the bytes."""
        return bytes(self.view)


Record: TypeAlias = Section | Command | Eof | Gap | Span
