"""The loader's byte source, with the end-of-data rules of QEMU's file object.

Reading past the end gives zero bits and latches an error; nothing is raised. The latch keeps the first error, whoever
set it (the vmstate loader does too when a field fails). An integer cut off by the end keeps the bytes that were there,
as its high ones. A peek that needs bytes past the end latches as well. Most verdicts about truncated streams come from
these rules (facts: stream.md 2.1).

A buffer cut off by the end may even come out wrong: asking for more, QEMU moves what it has to the front of its own
buffer and then copies from where it was, which the move may have overwritten. Seen on 7.2.22 with PCI config spaces
(`Bad config data: i=0x0` where byte 0 was right).

Model: where the buffer's front stands is followed from one taken buffer to the next; what is read byte by byte between
them fills it when it is empty, and a read of the channel gives what there is room for, as a file's does. Buffers that
are passed over together with other fields are not seen. The load fails either way.
"""

from __future__ import annotations

from typing import Final

EIO: Final = 5
"""What running past the end latches."""

BUFFER: Final = 32768
"""Bytes of a QEMU file object's buffer."""

SMALL: Final = 64
"""Buffers up to so many bytes are not looked at: they seldom lie where one filling ends."""


class Reader:
    """Bytes, a position and the latched error (0, or a positive errno).

    `base` is the offset of the first byte in the whole stream; `offset` counts from there, `pos` from the first byte.
    `furthest`: up to where somebody has looked ahead, from the first byte; whoever wants to know sets it back.
    `is_cut`: whether the end has cut a buffer off, of more data than QEMU's own buffer holds.
    `takes`: where buffers that matter to the rules above were taken and how long, while somebody wants to know.
    """

    __slots__ = ("_front", "base", "data", "error", "furthest", "is_cut", "pos", "takes")

    def __init__(self, data: bytes, base: int = 0) -> None:
        self.data = data
        self.base = base
        self.pos = 0
        self.error = 0
        self.furthest = 0
        self.is_cut = False
        self.takes: list[tuple[int, int]] | None = None
        self._front = 0  # where the byte at the front of QEMU's buffer stands in the data

    @property
    def offset(self) -> int:
        """Where the next byte stands in the whole stream."""
        return self.base + self.pos

    @property
    def remaining(self) -> int:
        """Bytes that follow."""
        return len(self.data) - self.pos

    def latch(self, error: int) -> None:
        """Set the error, unless there is one."""
        if not self.error:
            self.error = error

    def u8(self) -> int:
        """The next byte; 0 and EIO past the end."""
        pos = self.pos
        if pos < len(self.data):
            self.pos = pos + 1
            return self.data[pos]
        if not self.error:
            self.error = EIO
        return 0

    def u16(self) -> int:
        """The next two bytes, big-endian."""
        return self._integer(2)

    def u32(self) -> int:
        """The next four bytes, big-endian."""
        return self._integer(4)

    def u64(self) -> int:
        """The next eight bytes, big-endian."""
        return self._integer(8)

    def _integer(self, size: int) -> int:
        chunk = self.digits(size)
        return int.from_bytes(chunk, "big") << (8 * (size - len(chunk)))

    def digits(self, n: int) -> bytes:
        """The bytes of integers, `n` together, which are read one by one; fewer and EIO at the end."""
        pos = self.pos
        chunk = self.data[pos : pos + n]
        self.pos = pos + len(chunk)
        if len(chunk) < n and not self.error:
            self.error = EIO
        return chunk

    def take(self, n: int) -> bytes:
        """The next `n` bytes as one buffer; fewer (what follows) and EIO if there are not that many."""
        pos = self.pos
        chunk = self.data[pos : pos + n]
        self.pos = pos + len(chunk)
        if n > SMALL:
            self.taken(pos, n)
        if len(chunk) < n and not self.error:
            self.error = EIO
            return self._moved(pos, chunk)
        return chunk

    def taken(self, pos: int, n: int) -> None:
        """`n` bytes at `pos` were taken as one buffer: all that the rules above go by, for who does not read them."""
        if self.takes is not None:
            self.takes.append((pos, n))
        if len(self.data) > BUFFER:  # else all of it fits from the start
            self._fill(pos, min(n, BUFFER))

    def _fill(self, pos: int, n: int) -> None:
        """`n` bytes at `pos` are wanted together: the buffer is filled anew if it has fewer, and more can be had.

        No statement depends on where in the stream that is: what lights a probe is the bytes, not their place.
        """
        passed = max(pos - self._front - 1, 0)  # read byte by byte: filled whenever it was empty
        front = self._front + passed // BUFFER * BUFFER
        end = min(front + BUFFER, len(self.data))
        self._front = pos if end - pos < n and end < len(self.data) else front

    def _moved(self, pos: int, chunk: bytes) -> bytes:
        """A buffer at `pos` that the end cuts off, as it comes out where all of it was in QEMU's buffer already."""
        self.is_cut = len(self.data) > BUFFER
        self._fill(pos, 1)
        at = pos - self._front
        if not 0 <= at < len(chunk) or len(chunk) > BUFFER:
            return chunk
        return (chunk[at:] + chunk[len(chunk) - at :])[: len(chunk)]

    def skip(self, n: int) -> None:
        """Pass over `n` bytes, or over what follows, with EIO if that is less."""
        left = len(self.data) - self.pos
        if n <= left:
            self.pos += n
            return
        self.pos += left
        if not self.error:
            self.error = EIO

    def peek(self, offset: int, n: int) -> bytes:
        """Bytes `offset`..`offset+n` from here, without passing over them; short and EIO past the end."""
        start = self.pos + offset
        self.furthest = max(self.furthest, start + n)
        chunk = self.data[start : start + n]
        if len(chunk) < n and not self.error:
            self.error = EIO
        return chunk

    def peek_u8(self, offset: int) -> int:
        """The byte `offset` from here; 0 and EIO past the end."""
        at = self.pos + offset
        self.furthest = max(self.furthest, at + 1)
        if at < len(self.data):
            return self.data[at]
        if not self.error:
            self.error = EIO
        return 0
