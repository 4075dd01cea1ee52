"""Where bytes come from: bytes, a mapped file, or what is put together from pieces of one (a snapshot in an image)."""

from __future__ import annotations

import io
import mmap  # noqa: TC003 - part of a public name
from typing import TYPE_CHECKING, Final, Protocol, SupportsIndex, TypeAlias, overload

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK: Final = 1 << 20
"""Bytes that are copied at once."""

_BLOCK: Final = 1 << 16


class Slices(Protocol):
    """What can be measured, sliced and searched: bytes and mmap, and whoever reads pieces of a file."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: slice, /) -> bytes: ...

    def find(self, sub: bytes, start: int = ..., end: int = ..., /) -> int:
        """As `bytes.find`."""

    def rfind(self, sub: bytes, start: int = ..., end: int = ..., /) -> int:
        """As `bytes.rfind`."""


class Indexed:
    """`Slices` made a `Source`: the block that a byte was asked of is kept."""

    __slots__ = ("_at", "_block", "_slices")

    def __init__(self, slices: Slices) -> None:
        self._slices = slices
        self._at = 0
        self._block = b""

    def __len__(self) -> int:
        return len(self._slices)

    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...
    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> int | bytes:
        if isinstance(key, slice):
            return self._slices[key]
        at = key.__index__()
        if not 0 <= at - self._at < len(self._block):
            self._at = at - at % _BLOCK
            self._block = self._slices[self._at : self._at + _BLOCK]
        return self._block[at - self._at]

    def find(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        """As `bytes.find`."""
        return self._slices.find(sub, start, len(self) if end is None else end)

    def rfind(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        """As `bytes.rfind`."""
        return self._slices.rfind(sub, start, len(self) if end is None else end)


Source: TypeAlias = "bytes | mmap.mmap | Indexed | View"
"""What a reader reads from, byte by byte too."""


class Cursor(io.RawIOBase):
    """A position in a source, in the form that construct reads from."""

    def __init__(self, source: Source, at: int = 0) -> None:
        super().__init__()
        self.source = source
        self.at = at

    def read(self, size: int | None = -1, /) -> bytes:
        """The next `size` bytes, fewer at the end."""
        stop = len(self.source) if size is None or size < 0 else self.at + size
        chunk = self.source[self.at : stop]
        self.at += len(chunk)
        return chunk

    def tell(self) -> int:
        """The position."""
        return self.at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """As files do."""
        base = (0, self.at, len(self.source))[whence]
        self.at = base + offset
        return self.at


class View:
    """A stretch of a source, nothing read yet. `bytes()` of it copies."""

    __slots__ = ("source", "start", "stop")

    def __init__(self, source: Source, start: int, stop: int) -> None:
        self.source, self.start, self.stop = source, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...
    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> int | bytes:
        if isinstance(key, slice):
            low, high, step = key.indices(len(self))
            return self.source[self.start + low : self.start + max(low, high) : step]
        return self.source[self.start + range(len(self))[key]]

    def __bytes__(self) -> bytes:
        return self.source[self.start : self.stop]

    def find(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        """As `bytes.find`."""
        low, high, _ = slice(start, end).indices(len(self))
        found = self.source.find(sub, self.start + low, self.start + high)
        return found if found < 0 else found - self.start

    def rfind(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        """As `bytes.rfind`."""
        low, high, _ = slice(start, end).indices(len(self))
        found = self.source.rfind(sub, self.start + low, self.start + high)
        return found if found < 0 else found - self.start

    def chunks(self) -> Iterator[bytes]:
        """All of it in pieces."""
        for at in range(self.start, self.stop, CHUNK):
            yield self.source[at : min(at + CHUNK, self.stop)]
